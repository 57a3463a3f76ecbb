//! Fuzzes the parser of forms, multipart and JSON. An input is a content type, a line feed, and a body.
#![no_main]

use archive_fuzz::{assert_safe_to_print, with_memory_limit};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use libfuzzer_sys::fuzz_target;
use shared::form::{Content, File, Form, FormError, FormKind, FormLimits};

/// Memory limit in bytes for each byte of the input: names and texts are copied, and a JSON value
/// of a filter takes 32 bytes for two bytes of text.
const MEMORY_PER_BYTE: usize = 32;

/// Memory limit in bytes in addition, for every input.
const BASE_MEMORY: usize = 16 * 1024;

/// Limits that small inputs reach.
const LIMITS: FormLimits = FormLimits {
    file_bytes: 512,
    name_characters: 16,
    description_characters: 32,
    filter_bytes: 1024,
};

fuzz_target!(|input: &[u8]| {
    let Some(line) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(content_type) = HeaderValue::from_bytes(&input[..line]) else { return };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
    let body = Bytes::copy_from_slice(&input[line + 1..]);

    for kind in [FormKind::Create, FormKind::Update] {
        let read = |body: &Bytes| Form::read(kind, &headers, &body.clone().into(), &LIMITS);
        match with_memory_limit(BASE_MEMORY + MEMORY_PER_BYTE * input.len(), || read(&body)) {
            Ok(form) => {
                assert_obeys_rules(kind, &form, &body);
                let again = read(&padded(&headers, &body)).expect("the form is still valid");
                assert_eq!(format!("{form:?}"), format!("{again:?}"));
            }
            Err(FormError::Malformed(message)) => assert_safe_to_print(&message, 200),
            Err(FormError::NotAForm | FormError::TooLarge) => {}
        }
    }
});

/// Adds bytes before and after a body that its format ignores.
fn padded(headers: &HeaderMap, body: &[u8]) -> Bytes {
    let content_type = headers[CONTENT_TYPE].as_bytes().to_ascii_lowercase();
    if content_type.trim_ascii_start().starts_with(b"application/json") {
        [b" \n", body, b"\t\r\n"].concat().into()
    } else {
        // RFC 2046, section 5.1.1: a preamble and an epilogue are ignored.
        [b"preamble\r\n", body, b"\r\nepilogue"].concat().into()
    }
}

fn assert_obeys_rules(kind: FormKind, form: &Form, body: &Bytes) {
    if let Some(File { content, name }) = &form.file {
        if let Content::Sent(content) = content {
            let (slice, body) = (content.as_ptr_range(), body.as_ptr_range());
            assert!(body.start <= slice.start && slice.end <= body.end, "the file is a copy");
            assert!(content.len() <= LIMITS.file_bytes);
        }
        assert!((1..=255).contains(&name.as_str().len()));
        assert!(!name.as_str().contains(['/', '\\']), "the file name is a path: {name:?}");
        assert_safe_to_print(name.as_str(), 255);
        HeaderValue::try_from(name.content_disposition())
            .expect("the file name is a valid header value");
    }
    if let Some(name) = &form.name {
        assert!((1..=LIMITS.name_characters).contains(&name.chars().count()));
        assert!(!name.contains(char::is_control));
    }
    if let Some(description) = &form.description {
        assert!(description.chars().count() <= LIMITS.description_characters);
    }
    if form.violations.is_empty() {
        let has_file = form.file.is_some();
        let has_text = form.name.is_some() || form.description.is_some();
        match kind {
            FormKind::Create => assert!(has_file, "the missing file is not reported"),
            FormKind::Update => {
                assert!(has_file || has_text, "the empty form is not reported");
                assert!(form.filter.is_none(), "a filter cannot change");
                assert!(has_file || form.sha256.is_none(), "the missing file is not reported");
            }
        }
    }
    for violation in &form.violations {
        // A message shows 64 characters of a name. An escaped character has at most ten.
        assert_safe_to_print(&violation.field, "filter.…".len() + 64 * 10);
        assert_safe_to_print(&violation.message, 200);
    }
}
