//! Every row of the contract's tables: each refusal with its exact body, and nothing stored.

use http::Method;
use local::csp::Token;
use serde_json::{Value, json};
use tests::{
    api::{Answer, Api, Problem},
    form::{Form, archive},
    stack::{SAMPLE_CATALOG, TestStack},
    tarball::{Gzip, Tarball},
};

/// A token that an attacker might try.
fn tokens() -> Vec<(&'static str, Token)> {
    let token = Token::default;
    vec![
        ("expired", token().expires_in(-31)),
        ("another issuer's", token().claim("iss", "https://evil.example")),
        ("without an issuer", token().claim("iss", Value::Null)),
        ("without an end", token().claim("exp", Value::Null)),
        ("not yet valid", token().claim("nbf", 4_000_000_000_u64)),
        ("of the future", token().claim("iat", 4_000_000_000_u64)),
        ("of no organization", token().claim("context_name", Value::Null)),
        ("of an empty organization", token().organization("")),
        ("of the default organization", token().organization("default")),
        ("of a numbered organization", token().claim("context_name", 7)),
    ]
}

#[tokio::test]
async fn a_bad_token_is_refused_before_all_else() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let good = Token::default().sign().unwrap();
    let mut callers: Vec<(&str, Api)> = Vec::new();
    for (name, token) in tokens() {
        callers.push((name, stack.api_with(token)));
    }
    let api = stack.api();
    let bearer = format!("Bearer {good}");
    let (header_and_claims, _signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{header_and_claims}.{}", "A".repeat(342));
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    let long = "a".repeat(16 * 1024);
    for (name, headers) in [
        ("none", &[][..]),
        ("an empty one", &[("authorization", "")]),
        ("only a scheme", &[("authorization", "Bearer ")]),
        ("another scheme", &[("authorization", "Basic dXNlcjpwYXNzd29yZA==")]),
        ("garbage", &[("authorization", "Bearer a.b.c")]),
        ("a forged signature", &[("authorization", &forged)]),
        ("no signature", &[("csp-auth-token", &unsigned)]),
        ("a very long one", &[("csp-auth-token", &long)]),
        ("two", &[("authorization", &bearer), ("authorization", &bearer)]),
        ("two headers", &[("authorization", &bearer), ("csp-auth-token", &good)]),
    ] {
        callers.push((name, api.headers(headers)));
    }
    for (name, caller) in callers {
        println!("{name}");
        // The catalog does not exist, and the body is no form: the token comes first.
        let create = caller.post("nobodys", "text/plain", b"x".to_vec()).await;
        create.assert_problem(&Problem::UNAUTHENTICATED);
        caller.customization("x").await.assert_problem(&Problem::UNAUTHENTICATED);
        let file = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/x");
        caller.get(&file).await.assert_problem(&Problem::UNAUTHENTICATED);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_token_is_taken_in_each_of_its_forms() {
    let stack = TestStack::start().await;
    let token = Token::default().sign().unwrap();
    let bearer = format!("bearer  {token}");
    for headers in
        [[("authorization", &*token)], [("authorization", &bearer)], [("csp-auth-token", &token)]]
    {
        let answer = stack.api().headers(&headers).create(Form::upload()).await;
        assert_eq!(answer.status, 201, "{headers:?}");
    }
    for (token, user) in [
        (Token::default().claim("username", Value::Null).claim("acct", "jane"), "jane"),
        (
            Token::default()
                .claim("username", Value::Null)
                .claim("acct", Value::Null)
                .claim("sub", "s"),
            "s",
        ),
        (Token::default().expires_in(-20), "johndoe"),
    ] {
        let answer = stack.api_with(token).create(Form::upload()).await;
        assert_eq!(answer.json()["created_by"], user);
    }
}

#[tokio::test]
async fn a_user_without_the_permission_is_refused() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    let before = stack.contents().await;
    let perms = |perms: Value| stack.api_with(Token::default().claim("perms", perms));
    for none in [json!([]), Value::Null, json!("csp:org_owner"), json!({}), json!(["csp:org_owne"])]
    {
        println!("{none}");
        let api = perms(none);
        api.post("nobodys", "text/plain", Vec::new()).await.assert_problem(&Problem::FORBIDDEN);
        api.customization(&id).await.assert_problem(&Problem::FORBIDDEN);
    }
    let member = perms(json!(["csp:org_member"]));
    member.create(Form::upload()).await.assert_problem(&Problem::FORBIDDEN);
    assert_eq!(member.customization(&id).await.status, 200, "a member may read");
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for catalog in ["nobodys", "a%23b", "a%2Fb", &"a".repeat(129)] {
        println!("{catalog}");
        let posted = api.post(catalog, "text/plain", Vec::new()).await;
        posted.assert_problem(&Problem::CATALOG_NOT_FOUND);
        let path = format!("/v1/catalogs/{catalog}/customizations/x");
        api.get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
        let path = format!("/v1/catalogs/{catalog}/files/x");
        api.get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    }
    for id in ["x", "0192d3a4-5b6c-7def-8123-456789abcdef", "%23"] {
        api.customization(id).await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
    }
    for digest in ["x", &"0".repeat(64), &"A".repeat(64)] {
        let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}?filename=x");
        api.get(&path).await.assert_problem(&Problem::FILE_NOT_FOUND);
    }
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/v1/catalogs"),
        (Method::DELETE, "/v1/catalogs/a/customizations/b"),
        (Method::GET, "/v1/catalogs/a/customizations"),
    ] {
        api.send(method, path, Vec::new()).await.assert_problem(&Problem::NOT_FOUND);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_download_needs_a_file_name() {
    let stack = TestStack::start().await;
    let created = stack.api().create(Form::upload()).await.json();
    let digest = created["artifact"]["id"].as_str().unwrap();
    for (query, message) in [
        ("", "is missing; say what to call the download"),
        ("?filename=", "is missing; say what to call the download"),
        ("?filename=a%0D%0Ab", "must not hold control characters or marks of writing direction"),
        ("?filename=..", "must name a file"),
    ] {
        let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}{query}");
        stack.api().get(&path).await.assert_problem(&Problem::violations([("filename", message)]));
    }
}

#[tokio::test]
async fn another_content_type_is_unsupported() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for content_type in
        ["application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=B"]
    {
        let answer = api.post(SAMPLE_CATALOG, content_type, b"{}".to_vec()).await;
        answer.assert_problem(&Problem::UNSUPPORTED);
    }
    assert_eq!(stack.contents().await, before);
}

/// An archive of exactly this many bytes: noise, which does not compress, and a comment in the
/// gzip header that fills up what is missing.
fn archive_of(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    });
    let noise: Vec<u8> = noise.by_ref().take(bytes).collect();
    let tar = |length| Tarball::new().file("noise", &noise[..length]).tar();
    let overhead = Gzip::new(&tar(bytes)).bytes().len() - bytes;
    let tar = tar(bytes - overhead - 1_000);
    let missing = bytes - Gzip::new(&tar).bytes().len();
    let archive = Gzip::new(&tar).comment(&vec![b'x'; missing - 1]).bytes();
    assert_eq!(archive.len(), bytes);
    archive
}

#[tokio::test]
async fn a_file_may_have_4_500_000_bytes_and_no_more() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let largest = api.create(Form::new().file("a.tgz", &archive_of(4_500_000))).await;
    assert_eq!(largest.status, 201, "{:?}", largest.body);
    let before = stack.contents().await;
    let too_large = api.create(Form::new().file("a.tgz", &vec![0; 4_500_001])).await;
    too_large.assert_problem(&Problem::TOO_LARGE);
    // Past what Lambda, and then the gateway, takes, it is the gateway that refuses.
    for bytes in [5_000_000, 11_000_000] {
        let answer = api.create(Form::new().file("a.tgz", &vec![0; bytes])).await;
        answer.assert_problem(&Problem::TOO_LARGE);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn all_violations_of_a_form_are_told_together() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    let id = "must be 1 to 128 characters, none of them `#`, `/`, `\\`, `%` or a control character";
    let archive_fault = "the archive is not in gzip format; send a tar.gz";
    let twice = "is given more than once; give it once";
    for (form, violations) in [
        (
            Form::new().text("name", "x"),
            &[("file", "is missing; give the customization's tar.gz")][..],
        ),
        (Form::new().file("a.tgz", b"hello, I am no archive"), &[("file", archive_fault)]),
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
        (
            Form::upload().text("filter", "[]"),
            &[(
                "filter",
                "must be a JSON object: invalid type: sequence, expected a JSON object at line 1 column 0",
            )],
        ),
        (
            Form::upload().filter(json!({"branch": "2"})),
            &[(
                "filter.branch",
                "needs filter.product_key: name the product that the branch is of",
            )],
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
            &[
                ("color", "is unknown; a form has file, name, description and filter"),
                ("name", twice),
            ],
        ),
        (
            Form::new()
                .file("a\u{202e}.tgz", b"hello, I am no archive")
                .text("name", "")
                .filter(json!({"product_key": "x"})),
            &[
                (
                    "file",
                    "the file name must not hold control characters or marks of writing direction",
                ),
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
                ("filter.product_key", "there is no such product"),
                ("file", archive_fault),
            ],
        ),
    ] {
        let answer = api.create(form).await;
        answer.assert_problem(&Problem::violations(violations.iter().copied()));
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_body_that_is_no_form_is_told_so() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    let boundary = "the content type must name one boundary of 1 to 70 characters";
    let unclosed = Form::upload().unfinished();
    for (content_type, body, message) in [
        ("multipart/form-data", Vec::new(), boundary),
        ("multipart/form-data; boundary=a; boundary=b", Vec::new(), boundary),
        (
            "multipart/form-data; boundary=B",
            b"hello".to_vec(),
            "the body does not hold the boundary that the content type names",
        ),
        (&unclosed.0, unclosed.1, "the body breaks off before its closing boundary"),
    ] {
        let answer = api.post(SAMPLE_CATALOG, content_type, body).await;
        answer.assert_problem(&Problem::violations([("body", message)]));
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_filter_must_match_something_released() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for filter in [
        json!({"product_key": "elasticsearch"}),
        json!({"product_key": "elasticsearch", "branch": "8"}),
        json!({"product_key": "apache_kafka", "branch": "4"}),
        json!({"product_key": "postgresql", "base_image_id": "cc6c7f4d-b38a-405b-a1ca-3ac0a79418c1"}),
    ] {
        let answer = api.create(Form::upload().filter(filter)).await;
        answer.assert_problem(&Problem::NOT_RELEASED);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503() {
    let nowhere = Some("http://127.0.0.1:1");
    let without_table = TestStack::start_with(&[("AWS_ENDPOINT_URL_DYNAMODB", nowhere)]).await;
    let without_bucket = TestStack::start_with(&[("AWS_ENDPOINT_URL_S3", nowhere)]).await;
    let form = || Form::new().file("a.tgz", &archive());
    let problems: [Answer; 3] = [
        without_table.api().create(form()).await,
        without_table.api().customization("x").await,
        without_bucket.api().create(form()).await,
    ];
    for answer in problems {
        answer.assert_problem(&Problem::UNAVAILABLE);
    }
}

#[tokio::test]
async fn keys_that_are_away_are_a_503() {
    let stack = TestStack::start_with(&[("CSP_JWKS_URL", Some("http://127.0.0.1:1/keys"))]).await;
    stack.api().customization("x").await.assert_problem(&Problem::UNAVAILABLE);
}

#[tokio::test]
async fn a_table_that_is_gone_is_a_500() {
    let stack = TestStack::start_with(&[("TABLE_NAME", Some("another"))]).await;
    stack.api().customization("x").await.assert_problem(&Problem::INTERNAL);
}
