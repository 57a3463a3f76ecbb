//! Logs: one JSON object a line, and nothing in them that a sender wrote for others to read.

use std::collections::BTreeSet;

use archive_builder::Tarball;
use http::Method;
use local::{
    catalog::SAMPLE_ORGANIZATION,
    csp::Token,
    function::{FunctionLimits, FunctionName},
};
use serde_json::{Value, json};
use shared::domain::Timestamp;
use tests::{
    api::{Answer, Api},
    form::{Form, archive},
    jwt::{Jwt, KeyOf},
    stack::{NOWHERE, ProxiedStack, SAMPLE_CATALOG, TestStack},
};
use uuid::Uuid;

/// In every token that is sent, but for its organization.
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
        // Whose request it is, is logged once the token is known to be good.
        Jwt::of(Token::default().organization(trick)).signed_by(KeyOf::ISSUER),
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
        .header("idempotency-key", &header);
    vec![
        api.get(&format!("/v1/catalogs/{text}/customizations/x")).await,
        api.customization(&text).await,
        api.get(&format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{text}?filename=x")).await,
        api.get(&format!("/v1/catalogs/{SAMPLE_CATALOG}/files/x?filename={text}&{text}={text}"))
            .await,
        api.create_in(&text, Form::upload()).await,
        in_headers.header("if-none-match", &header).customization("x").await,
        in_headers.create(Form::upload()).await,
    ]
}

/// The line of `answer`, but for what no test can know.
fn told(stack: &TestStack, answer: &Answer) -> Value {
    let mut line = stack.line_of(answer);
    let members = line.as_object_mut().unwrap();
    let mut take = |name: &str| members.remove(name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(take("request_id"), answer.header("x-amzn-requestid"));
    Timestamp::try_from(take("timestamp").as_str().unwrap().to_owned()).unwrap();
    Uuid::parse_str(take("function_request_id").as_str().unwrap()).unwrap();
    let trace = take("xray_trace_id");
    let parts: Vec<_> = trace.as_str().unwrap().split('-').map(str::len).collect();
    assert_eq!(parts, [1, 8, 24], "{trace}");
    assert!(take("duration_ms").as_f64().unwrap() > 0.0);
    line
}

#[tokio::test]
async fn a_line_says_what_was_asked_by_whom_and_what_became_of_it() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let nobody = Uuid::now_v7().to_string();

    let created = api.create(Form::upload()).await;
    let id = created.id();
    let expected = json!({
        "level": "INFO",
        "message": "answered",
        "service": "write-customizations",
        "cold_start": true,
        "method": "POST",
        "route": "/catalogs/{catalog_id}/customizations",
        "status": 201,
        "org_id": SAMPLE_ORGANIZATION,
        "catalog_id": SAMPLE_CATALOG,
        "customization_id": id,
    });
    assert_eq!(told(&stack, &created), expected);

    let refused = api.create(Form::new()).await;
    let expected = json!({
        "level": "INFO",
        "message": "refused",
        "service": "write-customizations",
        "cold_start": false,
        "method": "POST",
        "route": "/catalogs/{catalog_id}/customizations",
        "status": 400,
        "problem": "validation-error",
        "org_id": SAMPLE_ORGANIZATION,
        "catalog_id": SAMPLE_CATALOG,
    });
    assert_eq!(told(&stack, &refused), expected);

    let unknown = api.customization(&nobody).await;
    let expected = json!({
        "level": "INFO",
        "message": "refused",
        "service": "read-customizations",
        "cold_start": true,
        "method": "GET",
        "route": "/catalogs/{catalog_id}/customizations/{customization_id}",
        "status": 404,
        "problem": "customization-not-found",
        "org_id": SAMPLE_ORGANIZATION,
        "catalog_id": SAMPLE_CATALOG,
        "customization_id": nobody,
    });
    assert_eq!(told(&stack, &unknown), expected);

    let anonymous = api.headers(&[]).customization(&id).await;
    let expected = json!({
        "level": "INFO",
        "message": "refused",
        "service": "read-customizations",
        "cold_start": false,
        "method": "GET",
        "route": "/catalogs/{catalog_id}/customizations/{customization_id}",
        "status": 401,
        "problem": "unauthenticated",
        "cause": "there is no token",
    });
    assert_eq!(told(&stack, &anonymous), expected);
}

#[tokio::test]
async fn a_failure_is_an_error_with_its_whole_cause_at_every_level() {
    for level in ["TRACE", "ERROR"] {
        let stack = TestStack::start_with(&[
            ("AWS_LAMBDA_LOG_LEVEL", Some(level)),
            ("AWS_ENDPOINT_URL_DYNAMODB", Some(NOWHERE)),
        ])
        .await;
        let line = told(&stack, &stack.api().customization("x").await);
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["message"], "failed");
        assert_eq!(line["status"], 503);
        assert_eq!(line["org_id"], SAMPLE_ORGANIZATION);
        let cause = line["cause"].as_str().unwrap();
        assert!(cause.starts_with("batch get items: not available: "), "{cause}");
        assert!(cause.to_lowercase().ends_with("connection refused (os error 111)"), "{cause}");
    }
}

#[tokio::test]
async fn below_its_level_nothing_is_logged() {
    let stack = TestStack::start_with(&[("AWS_LAMBDA_LOG_LEVEL", Some("WARN"))]).await;
    assert_eq!(stack.api().create(Form::upload()).await.status, 201);
    let log = stack.log(FunctionName::WriteCustomizations);
    assert!(!log.contains("\"message\""), "there are only metrics in {log}");
}

#[tokio::test]
async fn each_step_of_a_request_tells_how_long_it_took_where_that_is_wanted() {
    let stack = TestStack::start_with(&[("AWS_LAMBDA_LOG_LEVEL", Some("DEBUG"))]).await;
    let api = stack.api();
    let created = api.create(Form::upload().filter(json!({"product_key": "apache_kafka"}))).await;
    let found = api.customization(&created.id()).await;
    let stores = ["DynamoDB.BatchGetItem", "DynamoDB.Query"];
    let create = ["DynamoDB.TransactWriteItems", "S3.PutObject", "archive", "form", "token"];
    for (answer, function, steps) in [
        (created, FunctionName::WriteCustomizations, &create[..]),
        (found, FunctionName::ReadCustomizations, &["token"]),
    ] {
        let log = stack.log(function);
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_request = |line: &Value| line["request_id"] == answer.header("x-amzn-requestid");
        let spans = lines.filter(of_request).filter(|line| line["message"] == "span");
        let mut seen = BTreeSet::new();
        for span in spans {
            assert_eq!(span["level"], "DEBUG");
            assert_eq!(span["service"], function.as_str());
            assert!(span["duration_ms"].as_f64().unwrap() >= 0.0, "{span}");
            seen.insert(span["span"].as_str().unwrap().to_owned());
        }
        let expected = stores.iter().chain(steps).map(ToString::to_string).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn what_is_asked_of_the_stores_bears_the_trace_of_the_request() {
    let ProxiedStack { stack, dynamodb, s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    // What was asked before the first request belongs to none.
    drop((dynamodb.traces(), s3.traces()));
    for _ in 0..2 {
        let created = stack.api().create(Form::upload()).await;
        let line = stack.line_of(&created);
        let root = format!("Root={}", line["xray_trace_id"].as_str().unwrap());
        for traces in [dynamodb.traces(), s3.traces()] {
            assert!(!traces.is_empty());
            for trace in traces {
                assert_eq!(trace.split(';').next(), Some(&*root));
            }
        }
    }
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
