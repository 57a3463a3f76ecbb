//! The JWKS endpoint: key rotation, caching, and an endpoint that is slow, invalid or unreachable.
//!
//! The tests send one request at a time, so that one process of the function with one cache handles
//! all of them.

use std::time::{Duration, Instant};

use local::{csp::Token, function::FunctionName};
use serde_json::{Value, json};
use tests::{
    api::{Problem, Response},
    form::Form,
    jwks_endpoint::{Behaviour, JwksEndpoint, http_response},
    jwt::{Jwt, TestKey},
    stack::{TestStack, UNREACHABLE_ENDPOINT},
};

/// Longer than the function's timeout of 3 s for keys, even on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(10);

const NO_KEY: &str = "no key fits the token";

/// A stack whose functions fetch keys from this endpoint.
async fn stack_with(keys: &JwksEndpoint) -> TestStack {
    TestStack::start_with(&[("CSP_JWKS_URL", Some(keys.url()))]).await
}

/// The key before a rotation.
const OLD: TestKey = TestKey::ISSUER;

/// The key after a rotation.
const NEW: TestKey = TestKey::ATTACKER;

/// A valid token signed by `key`, with `id` as its `kid` if there is one.
fn token(key: TestKey, id: Option<&str>) -> String {
    Jwt::default().header("kid", id.map_or(Value::Null, Value::from)).signed_by(key)
}

/// Requests a customization that does not exist.
async fn request(stack: &TestStack, token: &str) -> Response {
    stack.api().headers(&[("csp-auth-token", token)]).customization("x").await
}

async fn assert_accepted(stack: &TestStack, token: &str) {
    request(stack, token).await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
}

async fn assert_refused(stack: &TestStack, token: &str) {
    let response = request(stack, token).await;
    response.assert_problem(&Problem::UNAUTHENTICATED);
    assert_eq!(stack.log_line_of(&response)["cause"], NO_KEY);
}

/// Asserts that both functions respond with 503 in time, log `cause` once, and store nothing.
async fn assert_unavailable(stack: &TestStack, cause: &str) {
    let before = stack.contents().await;
    let start = Instant::now();
    let token = token(OLD, None);
    let api = stack.api().headers(&[("csp-auth-token", &token)]);
    let (got, created) = tokio::join!(request(stack, &token), api.create(Form::upload()));
    assert!(start.elapsed() < TIMEOUT, "{:?}", start.elapsed());
    for response in [got, created] {
        response.assert_problem(&Problem::UNAVAILABLE);
        let logged = stack.logged_cause_of(&response);
        assert!(logged.starts_with(cause), "{logged}");
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn the_first_request_after_a_key_rotation_succeeds() {
    for (name, old, new) in [
        ("another kid", Some("old"), Some("new")),
        ("the same kid", Some("key"), Some("key")),
        ("no kid", None, None),
    ] {
        println!("{name}");
        let keys = JwksEndpoint::start(Behaviour::keys([OLD.jwk(old)])).await;
        let stack = stack_with(&keys).await;
        assert_accepted(&stack, &token(OLD, old)).await;
        let before = keys.requests();

        keys.set_behaviour(Behaviour::keys([NEW.jwk(new)]));
        assert_accepted(&stack, &token(NEW, new)).await;
        assert_eq!(keys.requests(), before + 1);
        assert_refused(&stack, &token(OLD, old)).await;
        assert_accepted(&stack, &token(NEW, new)).await;
        assert_eq!(keys.requests(), before + 1);
    }
}

#[tokio::test]
async fn invalid_tokens_refresh_the_keys_at_most_once_a_minute() {
    let keys = JwksEndpoint::start(Behaviour::keys([OLD.jwk(Some("old"))])).await;
    let stack = stack_with(&keys).await;
    assert_accepted(&stack, &token(OLD, Some("old"))).await;
    let before = keys.requests();
    // No key makes these tokens valid, so they refresh nothing.
    let expired =
        Jwt::from_token(Token::default().expires_in(-60)).header("kid", "old").signed_by(OLD);
    let unsigned = Jwt::default().header("alg", "none").signed_with(|_| String::new());
    for token in [&expired, &unsigned, "garbage"] {
        request(&stack, token).await.assert_problem(&Problem::UNAUTHENTICATED);
    }
    assert_eq!(keys.requests(), before);
    for round in 0..10 {
        assert_refused(&stack, &token(OLD, Some(&format!("unknown {round}")))).await;
        assert_refused(&stack, &token(NEW, Some("old"))).await;
        assert_refused(&stack, &token(NEW, None)).await;
    }
    assert_eq!(keys.requests(), before + 1);
    assert_accepted(&stack, &token(OLD, Some("old"))).await;
    assert_eq!(keys.requests(), before + 1);
}

#[tokio::test]
async fn the_kid_selects_the_key_and_keys_without_a_kid_are_tried() {
    let unusable = [
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "elliptic"}),
        json!({"kty": "oct", "k": "AA", "kid": "secret"}),
        json!({"kty": "RSA", "n": "?", "e": "AQAB", "kid": "no base64"}),
        json!({"kty": "RSA", "kid": "no numbers"}),
        json!({"kty": "RSA", "kid": 7}),
        json!({"kid": "no kind"}),
        json!("no key"),
    ];
    let mut for_encryption = NEW.jwk(Some("encryption"));
    for_encryption["use"] = json!("enc");
    let mut for_another_algorithm = NEW.jwk(Some("algorithm"));
    for_another_algorithm["alg"] = json!("RS512");
    let served = [OLD.jwk(Some("old")), for_encryption, for_another_algorithm];
    let keys = JwksEndpoint::start(Behaviour::keys(unusable.into_iter().chain(served))).await;
    let stack = stack_with(&keys).await;
    for id in [Some("old"), None] {
        assert_accepted(&stack, &token(OLD, id)).await;
    }
    // The kid of another key, of an unusable key, of an encryption key, or of another algorithm.
    for (key, id) in [
        (OLD, "encryption"),
        (OLD, "elliptic"),
        (OLD, "secret"),
        (NEW, "encryption"),
        (NEW, "algorithm"),
    ] {
        assert_refused(&stack, &token(key, Some(id))).await;
    }

    let keys = JwksEndpoint::start(Behaviour::keys([OLD.jwk(Some("old")), NEW.jwk(None)])).await;
    let stack = stack_with(&keys).await;
    for (key, id) in [(OLD, Some("old")), (NEW, Some("any")), (NEW, None), (OLD, None)] {
        assert_accepted(&stack, &token(key, id)).await;
    }
    assert_refused(&stack, &token(OLD, Some("any"))).await;
}

#[tokio::test]
async fn cached_keys_are_used_while_the_jwks_endpoint_is_down() {
    let keys = JwksEndpoint::start(Behaviour::keys([OLD.jwk(None)])).await;
    let stack = stack_with(&keys).await;
    assert_accepted(&stack, &token(OLD, None)).await;
    keys.set_behaviour(Behaviour::Close);
    // This token causes a refresh, which fails.
    assert_refused(&stack, &token(NEW, None)).await;
    let warnings = stack.log(FunctionName::ReadCustomizations);
    assert_eq!(warnings.matches("keys not refreshed").count(), 1, "{warnings}");
    assert_accepted(&stack, &token(OLD, None)).await;
}

#[tokio::test]
async fn without_cached_keys_each_request_is_a_503_until_the_jwks_endpoint_is_back() {
    let keys = JwksEndpoint::start(Behaviour::Close).await;
    let stack = stack_with(&keys).await;
    for _ in 0..3 {
        let before = keys.requests();
        assert_unavailable(&stack, "the JWKS endpoint does not respond").await;
        assert!(keys.requests() > before, "each request tries to fetch the keys");
    }
    keys.set_behaviour(Behaviour::keys([OLD.jwk(None)]));
    assert_accepted(&stack, &token(OLD, None)).await;
}

#[tokio::test]
async fn an_unreachable_jwks_endpoint_is_a_503() {
    let stack = TestStack::start_with(&[("CSP_JWKS_URL", Some(UNREACHABLE_ENDPOINT))]).await;
    assert_unavailable(&stack, "the JWKS endpoint does not respond: ").await;
}

#[tokio::test]
async fn a_slow_endless_or_invalid_jwks_response_is_a_503_in_time() {
    const SLOW: &str = "the JWKS endpoint does not respond within 3 s";
    const UNREADABLE: &str = "the response of the JWKS endpoint cannot be read";
    const UNUSABLE: &str = "the response of the JWKS endpoint is not usable: ";
    let valid = json!({"keys": [OLD.jwk(None)]}).to_string();
    let elsewhere = JwksEndpoint::start(Behaviour::keys([OLD.jwk(None)])).await;
    let redirection = format!("location: {}\r\ncontent-length: 0\r\n", elsewhere.url());
    let chunked = "transfer-encoding: chunked\r\n";
    let keys = JwksEndpoint::start(Behaviour::Close).await;
    let stack = stack_with(&keys).await;
    let send = |status: &str, headers: &str, body: &str| {
        Behaviour::Send(http_response(status, headers, body))
    };
    let drip = |headers: &str| Behaviour::Drip(http_response("200 OK", headers, &valid));
    for (name, behaviour, cause) in [
        ("hangs", Behaviour::Hang, SLOW),
        ("drips", drip(""), SLOW),
        ("drips its headers", drip(&"x: y\r\n".repeat(100)), SLOW),
        ("floods", Behaviour::Flood(http_response("200 OK", "", &valid)), UNREADABLE),
        (
            "announces a flood",
            Behaviour::Flood(http_response("200 OK", "content-length: 1000000000\r\n", &valid)),
            UNREADABLE,
        ),
        (
            "floods in its headers",
            Behaviour::Flood(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
            "the JWKS endpoint does not respond: ",
        ),
        ("is truncated", send("200 OK", "content-length: 9999\r\n", &valid), UNREADABLE),
        ("has invalid chunks", send("200 OK", chunked, "zz\r\n"), UNREADABLE),
        (
            "redirects permanently",
            send("301 Moved Permanently", &redirection, ""),
            "the JWKS endpoint responds with status 301",
        ),
        (
            "redirects temporarily",
            send("307 Temporary Redirect", &redirection, ""),
            "the JWKS endpoint responds with status 307",
        ),
        (
            "fails",
            send("500 Internal Server Error", "", &valid),
            "the JWKS endpoint responds with status 500",
        ),
        (
            "sends no content",
            send("204 No Content", "", ""),
            "the JWKS endpoint responds with status 204",
        ),
        (
            "does not speak HTTP",
            Behaviour::Send(b"SSH-2.0-x\r\n".to_vec()),
            "the JWKS endpoint does not",
        ),
        ("sends HTML", Behaviour::body("<html>\u{1b}[2J"), UNUSABLE),
        ("sends an empty object", Behaviour::body("{}"), UNUSABLE),
        ("sends an empty set", Behaviour::keys([]), UNUSABLE),
        ("sends a string", Behaviour::body("\"secret-marker\""), UNUSABLE),
        ("sends deeply nested JSON", Behaviour::body(&"[".repeat(60_000)), UNUSABLE),
        (
            "sends only unusable keys",
            Behaviour::keys([json!({"kty": "EC", "crv": "P-256"})]),
            UNUSABLE,
        ),
        (
            "sends an incomplete key",
            Behaviour::keys([json!({"kty": "RSA", "n": "AQAB"})]),
            UNUSABLE,
        ),
    ] {
        println!("{name}");
        keys.set_behaviour(behaviour);
        assert_unavailable(&stack, cause).await;
    }
    assert_eq!(elsewhere.requests(), 0, "no redirection is followed");
    let log = stack.log(FunctionName::ReadCustomizations);
    assert!(!log.contains("secret-marker"), "the response is not logged: {log}");
    keys.set_behaviour(Behaviour::keys([OLD.jwk(None)]));
    assert_accepted(&stack, &token(OLD, None)).await;
}
