//! The multipart form: an input is a content type, a line feed, and the body.
#![no_main]

use archive_fuzz::{assert_safe_to_print, with_memory_limit};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use libfuzzer_sys::fuzz_target;
use shared::form::{File, Form, FormError, FormLimits};

/// Bytes of memory for each byte of the input: names and texts are copied, a filter's JSON values
/// have 32 bytes where their text has two.
const MEMORY_PER_BYTE: usize = 32;

/// And for any input at all.
const MEMORY: usize = 16 * 1024;

/// So small that inputs reach them.
const LIMITS: FormLimits =
    FormLimits { file_bytes: 512, name_characters: 16, description_characters: 32, filter_bytes: 1024 };

fuzz_target!(|input: &[u8]| {
    let Some(line) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(content_type) = HeaderValue::from_bytes(&input[..line]) else { return };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
    let body = Bytes::copy_from_slice(&input[line + 1..]);

    let read = |body: &Bytes| Form::read(&headers, &body.clone().into(), &LIMITS);
    match with_memory_limit(MEMORY + MEMORY_PER_BYTE * input.len(), || read(&body)) {
        Ok(form) => {
            assert_sound(&form, &body);
            // RFC 2046, section 5.1.1: what stands around the parts says nothing.
            let surrounded = [b"preamble\r\n", &*body, b"\r\nepilogue"].concat().into();
            let again = read(&surrounded).expect("a form stays one");
            assert_eq!(format!("{form:?}"), format!("{again:?}"));
        }
        Err(FormError::Malformed(message)) => assert_safe_to_print(&message, 200),
        Err(FormError::NotAForm | FormError::TooLarge) => {}
    }
});

fn assert_sound(form: &Form, body: &Bytes) {
    if let Some(File { content, name }) = &form.file {
        let (inside, body) = (content.as_ptr_range(), body.as_ptr_range());
        assert!(body.start <= inside.start && inside.end <= body.end, "a copy");
        assert!(content.len() <= LIMITS.file_bytes);
        assert!((1..=255).contains(&name.as_str().len()));
        assert!(!name.as_str().contains(['/', '\\']), "a path: {name:?}");
        assert_safe_to_print(name.as_str(), 255);
        HeaderValue::try_from(name.content_disposition()).expect("a name fits a header");
    }
    if let Some(name) = &form.name {
        assert!((1..=LIMITS.name_characters).contains(&name.chars().count()));
        assert!(!name.contains(char::is_control));
    }
    if let Some(description) = &form.description {
        assert!((1..=LIMITS.description_characters).contains(&description.chars().count()));
    }
    assert!(form.file.is_some() || !form.violations.is_empty(), "no file, and no word of it");
    for violation in &form.violations {
        // A character has at most ten when escaped, and 64 of a name are shown.
        assert_safe_to_print(&violation.field, "filter.…".len() + 64 * 10);
        assert_safe_to_print(&violation.message, 200);
    }
}
