//! Forms: valid ones are accepted, malformed and malicious ones are refused and not stored.

use local::csp::Token;
use serde_json::json;
use tests::{
    api::{Problem, send_raw},
    form::{Form, archive},
    stack::{SAMPLE_CATALOG, TestStack},
};

const BOUNDARY: &str = "the content type must name one boundary of 1 to 70 characters";
const NO_BOUNDARY: &str = "the body does not hold the boundary that the content type names";
const UNCLOSED: &str = "the body breaks off before its closing boundary";
const HEADERS: &str = "a part's headers cannot be read";
const NO_NAME: &str = "a part has no `Content-Disposition: form-data` with one name";
const TOO_MANY_PARTS: &str = "the body has more than 32 parts";
const CONTROL: &str = "the file name must not hold control or bidirectional formatting characters";
const TOO_LONG: &str = "the file name must be at most 255 bytes";
const NOT_A_FILE: &str = "the file name must not be . or ..";
const MISSING: &str = "is missing; give the customization's tar.gz";
const UNKNOWN: &str = "is unknown; a form has file, name, description, filter and sha256";
const TWICE: &str = "is given more than once; give it once";

/// A form with a valid file whose part has this `Content-Disposition`.
fn with_disposition(disposition: &str) -> Form {
    Form::new().part(&format!("Content-Disposition: {disposition}"), &archive())
}

/// Asserts that each form is refused with its violations, and that nothing is stored.
async fn assert_refused(forms: impl IntoIterator<Item = (Form, Vec<(String, &str)>)>) {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    for (form, violations) in forms {
        let response = stack.api().create(form.clone()).await;
        assert_eq!(response.status, 400, "{form:?}: {:?}", response.body);
        response.assert_problem(&Problem::violations(violations));
    }
    assert_eq!(stack.contents().await, before);
}

/// Pairs each form with the violation `message` of the field `body`.
fn with_body_violation(
    message: &'static str,
    forms: Vec<Form>,
) -> impl Iterator<Item = (Form, Vec<(String, &'static str)>)> {
    forms.into_iter().map(move |form| (form, vec![("body".to_owned(), message)]))
}

#[tokio::test]
async fn a_content_type_without_one_valid_boundary_is_refused() {
    let upload =
        |parameters: &str| Form::upload().content_type(&format!("multipart/form-data{parameters}"));
    let invalid = [
        "",
        ";",
        "; boundary",
        "; boundary=",
        "; boundary=\"\"",
        "; boundary=\"AaB03x",
        "; boundary=\"a \"",
        "; boundary=a; boundary=a",
        "; boundary=a; Boundary=b",
        "; charset=utf-8",
    ];
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    for parameters in invalid {
        println!("{parameters}");
        let response = stack.api().create(upload(parameters)).await;
        response.assert_problem(&Problem::violations([("body", BOUNDARY)]));
    }
    let response = stack.api().create(Form::upload().boundary(&"a".repeat(71))).await;
    response.assert_problem(&Problem::violations([("body", BOUNDARY)]));
    let response = stack.api().create(upload("; boundary=another")).await;
    response.assert_problem(&Problem::violations([("body", NO_BOUNDARY)]));
    // The header is ambiguous when it is repeated.
    let twice = stack.api().header("content-type", "multipart/form-data; boundary=a");
    twice.create(Form::upload()).await.assert_problem(&Problem::UNSUPPORTED);
    assert_eq!(stack.contents().await, before);

    for boundary in ["a".repeat(70), "a".to_owned(), "a b".to_owned(), "'()+_,-./:=?".to_owned()] {
        let response = stack.api().create(Form::upload().boundary(&boundary)).await;
        assert_eq!(response.status, 201, "{boundary}: {:?}", response.body);
    }
    for parameters in ["; charset=utf-8; boundary=----AaB03x", ";BOUNDARY=----AaB03x"] {
        let response = stack.api().create(upload(parameters)).await;
        assert_eq!(response.status, 201, "{parameters}: {:?}", response.body);
    }
}

#[tokio::test]
async fn a_body_that_is_not_a_form_is_refused() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let (content_type, body) = Form::upload().finish();
    let (_, unclosed) = Form::upload().unfinished();
    let halved = body[..body.len() / 2].to_vec();
    let without_line_end = [b"hello ", &body[..]].concat();
    let bare_line_feeds = String::from_utf8(Form::new().text("name", "x").finish().1);
    let bare_line_feeds = bare_line_feeds.unwrap().replace("\r\n", "\n").into_bytes();
    for (body, message) in [
        (Vec::new(), NO_BOUNDARY),
        (b"hello".to_vec(), NO_BOUNDARY),
        (b"--".repeat(100_000), NO_BOUNDARY),
        (bare_line_feeds, NO_BOUNDARY),
        (b"------AaB03x".to_vec(), NO_BOUNDARY),
        (b"------AaB03x\r\n".to_vec(), UNCLOSED),
        (b"------AaB03x\r\n".repeat(10_000), HEADERS),
        (unclosed, UNCLOSED),
        (halved, UNCLOSED),
    ] {
        let response = stack.api().post(SAMPLE_CATALOG, &content_type, body).await;
        response.assert_problem(&Problem::violations([("body", message)]));
    }
    // A boundary must start a line. Here none does, so the form has no file.
    let response = stack.api().post(SAMPLE_CATALOG, &content_type, without_line_end).await;
    response.assert_problem(&Problem::violations([("file", MISSING)]));
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn unreadable_unnamed_and_too_many_parts_are_refused() {
    let parts = |count: usize| (0..count).fold(Form::new(), |form, _| form.text("name", "x"));
    let headers = |count: usize| {
        let disposition = "Content-Disposition: form-data; name=file";
        Form::new().part(&format!("{disposition}{}", "\r\nx: y".repeat(count)), &archive())
    };
    let unnamed = [
        "",
        "form-data",
        "form-data;",
        "form-data; filename=\"a.tgz\"",
        "form-data; name",
        "form-data; name=\"\"",
        "form-data; name=",
        "form-data; name=\"file",
        "form-data; name=\"file\" x",
        "form-data; name=\"file\"; name=\"file\"",
        "form-data; name=\"file\"; filename=a; filename=b",
        "form-data; name=\"file\"; filename*=latin1''%E9",
        "form-data; name=\"file\"; filename*=utf-8''%E9%",
        "form-data; name=\"file\"; filename*=a.tgz",
        "attachment; name=\"file\"",
    ];
    let unnamed = unnamed.map(with_disposition).into_iter().chain([
        Form::new().part("Content-Type: application/gzip", &archive()),
        Form::new().part(
            "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
            b"",
        ),
    ]);
    let unreadable = vec![
        Form::new().raw_part(b""),
        Form::new().raw_part(b"Content-Disposition: form-data; name=file"),
        Form::new().raw_part(b"Content-Disposition: form-data; name=file\r\n"),
        Form::new().raw_part(&b"x".repeat(1_000_000)),
        Form::new().raw_part(&b"x: y\r\n".repeat(10_000)),
        Form::new().raw_part(b"no header\r\n\r\n"),
        Form::new()
            .raw_part(b"Content-Disposition: form-data; name=\"file\"; filename=\"a\0b\"\r\n\r\n"),
        Form::new()
            .raw_part(b"Content-Disposition: form-data; name=\"file\"; filename=\"a\rb\"\r\n\r\n"),
        Form::new()
            .raw_part(b"Content-Disposition: form-data; name=\"file\"; filename=\"a\nb\"\r\n\r\n"),
        Form::new()
            .raw_part(b"Content-Disposition: form-data; name=\"file\"; filename=\"\xff\"\r\n\r\n"),
        headers(16),
    ];
    let unreadable = with_body_violation(HEADERS, unreadable);
    let unnamed = with_body_violation(NO_NAME, unnamed.collect());
    let too_many =
        with_body_violation(TOO_MANY_PARTS, vec![parts(33), parts(1_000), parts(50_000)]);
    assert_refused(unreadable.chain(unnamed).chain(too_many)).await;

    let stack = TestStack::start().await;
    assert_eq!(stack.api().create(headers(15)).await.status, 201);
    let duplicates: Vec<_> = (0..31).map(|_| ("name", TWICE)).collect();
    let missing = ("file", MISSING);
    let response = stack.api().create(parts(32)).await;
    response.assert_problem(&Problem::violations(duplicates.into_iter().chain([missing])));
}

#[tokio::test]
async fn a_file_name_is_sanitized_or_refused() {
    let stack = TestStack::start().await;
    let longest = "a".repeat(255);
    let accepted = [
        ("filename=\"certs.tgz\"", "certs.tgz"),
        ("filename=certs.tgz", "certs.tgz"),
        ("filename=\"\"", "customization.tar.gz"),
        ("filename=\"/etc/passwd\"", "passwd"),
        ("filename=\"../../../certs.tgz\"", "certs.tgz"),
        ("filename=\"..\\..\\certs.tgz\"", "certs.tgz"),
        ("filename=\"C:\\dir\\certs.tgz\"", "certs.tgz"),
        ("filename=\"C:certs.tgz\"", "certs.tgz"),
        ("filename=\"\\\\server\\share\\certs.tgz\"", "certs.tgz"),
        ("filename=\"certs/\"", "customization.tar.gz"),
        ("filename=\"a\\\"b;c=d.tgz\"", "a\"b;c=d.tgz"),
        ("filename=\"a\\\\\\\"b.tgz\"", "\"b.tgz"),
        ("filename=\"%0d%0aSet-Cookie: a.tgz\"", "%0d%0aSet-Cookie: a.tgz"),
        ("filename=\"é.tgz\"", "é.tgz"),
        ("filename=\"x\"; filename*=UTF-8''%C3%A9.tgz", "é.tgz"),
        ("filename*=utf-8'en'%2e%2e%2fcerts.tgz; filename=x", "certs.tgz"),
        (&format!("filename=\"{longest}\""), &longest),
        (&format!("filename=\"{}/{longest}\"", "x".repeat(300)), &longest),
    ];
    for (parameter, stored) in accepted {
        let form = with_disposition(&format!("form-data; name=\"file\"; {parameter}"));
        let response = stack.api().create(form).await;
        assert_eq!(response.status, 201, "{parameter}: {:?}", response.body);
        assert_eq!(response.json()["artifact"]["filename"], stored, "{parameter}");
        let link = stack.api().get(response.json()["artifact"]["url"].as_str().unwrap()).await;
        let download = stack.api().headers(&[]).get(link.json()["url"].as_str().unwrap()).await;
        assert_eq!((download.status, &download.body[..]), (200, &archive()[..]), "{parameter}");
        let disposition = download.headers["content-disposition"].as_bytes();
        assert!(disposition.starts_with(b"attachment; filename=\""), "{parameter}");
        assert!(disposition.is_ascii(), "{parameter}");
        assert!(!download.headers.contains_key("set-cookie"), "{parameter}");
    }

    let before = stack.contents().await;
    for (parameter, message) in [
        ("filename=\"..\"", NOT_A_FILE),
        ("filename=\"certs/.\"", NOT_A_FILE),
        ("filename=\"\u{202e}zgt.exe\"", CONTROL),
        ("filename=\"\u{2066}a.tgz\"", CONTROL),
        ("filename=\"\u{9b}2Ja.tgz\"", CONTROL),
        ("filename=\"a\tb.tgz\"", CONTROL),
        ("filename*=utf-8''a%0D%0ASet-Cookie:%20b", CONTROL),
        ("filename*=utf-8''a%00.tgz", CONTROL),
        ("filename*=utf-8''%E2%80%AEzgt.exe", CONTROL),
        (&format!("filename=\"{}\"", "a".repeat(256)), TOO_LONG),
        (&format!("filename=\"{}\"", "é".repeat(150)), TOO_LONG),
        (&format!("filename=\"{}\"", "a".repeat(1_000_000)), TOO_LONG),
    ] {
        let form = with_disposition(&format!("form-data; name=\"file\"; {parameter}"));
        let response = stack.api().create(form).await;
        response.assert_problem(&Problem::violations([("file", message)]));
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn unusual_forms_that_the_rfcs_allow_are_accepted() {
    let stack = TestStack::start().await;
    let archive = archive();
    for (name, form) in [
        ("a preamble", Form::upload().preamble("This is a form.\r\n--\r\n")),
        ("an epilogue", Form::upload().epilogue("\r\n------AaB03x\r\nContent-Disposition: x\r\n")),
        ("nothing after the end", Form::upload().epilogue("")),
        (
            "uppercase letters",
            Form::new().part("CONTENT-DISPOSITION:FORM-DATA;NAME=file", &archive),
        ),
        (
            "spaces and unknown parameters",
            with_disposition("form-data ; name = \"file\" ; size=3 ; filename = a.tgz ;"),
        ),
        (
            "other headers",
            Form::new().part(
                "Content-Type: x/y\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: form-data; name=\"file\"\r\nX: ",
                &archive,
            ),
        ),
        ("line ends in a description", Form::upload().text("description", "\r\n--\r\n------AaB03\r\n")),
    ] {
        let response = stack.api().create(form).await;
        assert_eq!(response.status, 201, "{name}: {:?}", response.body);
    }
}

#[tokio::test]
async fn all_violations_of_a_form_are_reported_together() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    let id = "must be 1 to 128 characters of at most 252 bytes, none of them \
        `#`, `/`, `\\`, `%` or a control character";
    let not_gzip = "the archive is not in gzip format; send a tar.gz";
    for (form, violations) in [
        (Form::new().text("name", "x"), &[("file", MISSING)][..]),
        (Form::new().file("a.tgz", b"hello, I am no archive"), &[("file", not_gzip)]),
        (Form::upload().text("name", ""), &[("name", "must have 1 to 128 characters")]),
        (
            Form::upload().text("name", &"é".repeat(129)),
            &[("name", "must have 1 to 128 characters")],
        ),
        (Form::upload().text("name", "a\tb"), &[("name", "must not hold control characters")]),
        (
            Form::upload().text("description", &"é".repeat(1025)),
            &[("description", "must have at most 1024 characters")],
        ),
        (Form::upload().text("filter", "[]"), &[("filter", "must be a JSON object")]),
        (
            Form::upload().filter(json!({"branch": "2"})),
            &[("filter.branch", "needs filter.product_key: name the product of the branch")],
        ),
        (Form::upload().filter(json!({"product_key": "a#b"})), &[("filter.product_key", id)]),
        (
            Form::upload().filter(json!({"product_key": "x", "base_image_id": "y"})),
            &[
                ("filter.base_image_id", "there is no such base image"),
                ("filter.product_key", "there is no such product"),
            ],
        ),
        (
            Form::upload().text("color", "red").text("name", "a").text("name", "b"),
            &[("color", UNKNOWN), ("name", TWICE)],
        ),
        (
            Form::new()
                .file("a\u{202e}.tgz", b"hello, I am no archive")
                .text("name", "")
                .filter(json!({"product_key": "x"})),
            &[
                ("file", CONTROL),
                ("name", "must have 1 to 128 characters"),
                ("filter.product_key", "there is no such product"),
            ],
        ),
        (
            Form::new()
                .file("a.tgz", b"hello, I am no archive")
                .text("name", "")
                .filter(json!({"product_key": "x"})),
            &[
                ("name", "must have 1 to 128 characters"),
                ("file", not_gzip),
                ("filter.product_key", "there is no such product"),
            ],
        ),
    ] {
        let response = api.create(form).await;
        response.assert_problem(&Problem::violations(violations.iter().copied()));
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn lengths_are_counted_in_characters() {
    let stack = TestStack::start().await;
    for (field, max_characters, message) in [
        ("name", 128, "must have 1 to 128 characters"),
        ("description", 1024, "must have at most 1024 characters"),
    ] {
        for character in ["a", "é", "😀"] {
            let longest = character.repeat(max_characters);
            let response = stack.api().create(Form::upload().text(field, &longest)).await;
            assert_eq!(response.json()[field], longest, "{:?}", response.body);
            let before = stack.contents().await;
            let too_long = Form::upload().text(field, &format!("{longest}a"));
            let response = stack.api().create(too_long).await;
            response.assert_problem(&Problem::violations([(field, message)]));
            assert_eq!(stack.contents().await, before);
        }
    }
}

#[tokio::test]
async fn an_unknown_field_name_is_escaped_and_truncated() {
    let reported_as =
        |name: &str, field: String| (Form::upload().text(name, "x"), vec![(field, UNKNOWN)]);
    assert_refused([
        reported_as("File", "File".to_owned()),
        reported_as("file[]", "file[]".to_owned()),
        reported_as("\u{202e}elif", "\\u{202e}elif".to_owned()),
        reported_as("\u{9b}2J", "\\u{9b}2J".to_owned()),
        reported_as("<script>\\\"", "<script>\\\"".to_owned()),
        reported_as(&"a".repeat(64), "a".repeat(64)),
        reported_as(&"a".repeat(65), format!("{}…", "a".repeat(64))),
        reported_as(&"é".repeat(1_000_000), format!("{}…", "é".repeat(64))),
    ])
    .await;
}

#[tokio::test]
async fn a_filter_that_is_not_a_small_flat_object_is_refused() {
    let nested = |opening: &str, closing: &str, depth: usize| {
        format!("{{\"branch\":{}{}}}", opening.repeat(depth), closing.repeat(depth))
    };
    let id = "must be 1 to 128 characters of at most 252 bytes, none of them \
        `#`, `/`, `\\`, `%` or a control character";
    let string = "must be a string; leave it out where it does not matter";
    let object = "must be a JSON object";
    let unknown = "is unknown; a filter has base_image_id, product_key and branch, each optional";
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    for (filter, field, message) in [
        (
            r#"{"product_key":"apache_kafka","product_key":"apache_kafka"}"#,
            "filter.product_key",
            TWICE,
        ),
        (r#"{"branch":"2","product_key":"a","branch":"2"}"#, "filter.branch", TWICE),
        (&nested("[", "]", 100), "filter.branch", string),
        (&nested("[", "]", 4_000), "filter.branch", string),
        (
            &nested("{\"a\":", "}", 900),
            "filter",
            "must be a JSON object: expected value at line 1 column 4511",
        ),
        (&"[".repeat(8_000), "filter", object),
        (&format!("{{}}{}", " ".repeat(8_191)), "filter", "must be at most 8192 bytes"),
        ("", "filter", "must be a JSON object: EOF while parsing a value at line 1 column 0"),
        ("\u{feff}{}", "filter", "must be a JSON object: expected value at line 1 column 1"),
        ("{}{}", "filter", "must be a JSON object: trailing characters at line 1 column 3"),
        ("\"\u{202e}marker\"", "filter", object),
        ("7", "filter", object),
        ("null", "filter", object),
        (r#"{"branch":1e999}"#, "filter.branch", string),
        (r#"{"branch":null}"#, "filter.branch", string),
        (r#"{"product_key":"a\u0000b"}"#, "filter.product_key", id),
        (r#"{"product_key":"CATALOG#b"}"#, "filter.product_key", id),
        (r#"{"base_image_id":".."}"#, "filter.base_image_id", id),
        (r#"{"product_key":"\ud800"}"#, "filter.product_key", string),
        (r#"{"\u001b[2J":"x"}"#, "filter.\\u{1b}[2J", unknown),
        (r#"{"__proto__":{}}"#, "filter.__proto__", unknown),
    ] {
        let response = stack.api().create(Form::upload().text("filter", filter)).await;
        response.assert_problem(&Problem::violations([(field, message)]));
    }
    assert_eq!(stack.contents().await, before);
    let longest = format!("{{}}{}", " ".repeat(8_190));
    let response = stack.api().create(Form::upload().text("filter", &longest)).await;
    assert_eq!((response.status, &response.json()["global"]), (201, &json!(true)));
}

#[tokio::test]
async fn another_content_type_is_unsupported() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for content_type in
        ["application/jsonl", "application/x-www-form-urlencoded", "multipart/mixed; boundary=B"]
    {
        let response = api.post(SAMPLE_CATALOG, content_type, b"{}".to_vec()).await;
        response.assert_problem(&Problem::UNSUPPORTED);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_truncated_or_malformed_request_is_not_stored() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let token = Token::default().sign().unwrap();
    let (content_type, body) = Form::upload().finish();
    for (framing, body) in [
        (format!("content-length: {}", body.len() + 1), body.clone()),
        (
            "transfer-encoding: chunked".to_owned(),
            [format!("{:x}\r\n", body.len()).as_bytes(), &body].concat(),
        ),
        ("transfer-encoding: chunked".to_owned(), b"zz\r\n".to_vec()),
    ] {
        let head = format!(
            "POST /v1/catalogs/{SAMPLE_CATALOG}/customizations HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {token}\r\ncontent-type: {content_type}\r\n{framing}\r\n\r\n"
        );
        let response = send_raw(&stack.base_url(), &[head.as_bytes(), &body].concat()).await;
        let message = "The gateway cannot read the body; send it as openapi.yaml says.";
        response.assert_problem(&Problem::violations([("body", message)]));
    }
    assert_eq!(stack.contents().await, before);
}
