//! The JWKS endpoint: key rotation, and an endpoint that hangs, lies and disappears.
//!
//! Requests go one after another: then one process of the function answers them all, with one
//! cache of keys.

use std::time::{Duration, Instant};

use local::{csp::Token, function::FunctionName};
use serde_json::{Value, json};
use tests::{
    api::{Answer, Problem},
    form::Form,
    jwks_endpoint::{Behaviour, JwksEndpoint, answer},
    jwt::{Jwt, KeyOf},
    stack::{NOWHERE, TestStack},
};

/// Longer than the function waits for keys, even on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(10);

const NO_KEY: &str = "no key fits the token";

/// A stack whose functions ask this server for keys.
async fn stack_with(keys: &JwksEndpoint) -> TestStack {
    TestStack::start_with(&[("CSP_JWKS_URL", Some(keys.url()))]).await
}

/// The first key of the issuer, and the one that it rotates to.
const OLD: KeyOf = KeyOf::ISSUER;
const NEW: KeyOf = KeyOf::ATTACKER;

/// An honest token signed by `key`, which it calls `id` if that is a name.
fn token(key: KeyOf, id: Option<&str>) -> String {
    Jwt::default().header("kid", id.map_or(Value::Null, Value::from)).signed_by(key)
}

/// Asks for a customization that is not there.
async fn ask(stack: &TestStack, token: &str) -> Answer {
    stack.api().headers(&[("csp-auth-token", token)]).customization("x").await
}

async fn assert_taken(stack: &TestStack, token: &str) {
    ask(stack, token).await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
}

async fn assert_refused(stack: &TestStack, token: &str) {
    let answer = ask(stack, token).await;
    answer.assert_problem(&Problem::UNAUTHENTICATED);
    assert_eq!(stack.line_of(&answer)["cause"], NO_KEY);
}

/// The keys cannot be had, both functions answer so, nothing is stored, and the log says why, once.
async fn assert_unavailable(stack: &TestStack, cause: &str) {
    let before = stack.contents().await;
    let asked = Instant::now();
    let token = token(OLD, None);
    let api = stack.api().headers(&[("csp-auth-token", &token)]);
    let (got, created) = tokio::join!(ask(stack, &token), api.create(Form::upload()));
    assert!(asked.elapsed() < TIMEOUT, "{:?}", asked.elapsed());
    for answer in [got, created] {
        answer.assert_problem(&Problem::UNAVAILABLE);
        let told = stack.cause_of(&answer);
        assert!(told.starts_with(cause), "{told}");
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn the_first_request_after_a_rotation_passes() {
    for (name, old, new) in [
        ("a key of another name", Some("old"), Some("new")),
        ("another key of the same name", Some("key"), Some("key")),
        ("another key without a name", None, None),
    ] {
        println!("{name}");
        let keys = JwksEndpoint::start(Behaviour::keys([OLD.jwk(old)])).await;
        let stack = stack_with(&keys).await;
        assert_taken(&stack, &token(OLD, old)).await;
        let before = keys.requests();

        keys.set(Behaviour::keys([NEW.jwk(new)]));
        assert_taken(&stack, &token(NEW, new)).await;
        assert_eq!(keys.requests(), before + 1);
        assert_refused(&stack, &token(OLD, old)).await;
        assert_taken(&stack, &token(NEW, new)).await;
        assert_eq!(keys.requests(), before + 1);
    }
}

#[tokio::test]
async fn bad_tokens_have_the_keys_fetched_once_a_minute_at_most() {
    let keys = JwksEndpoint::start(Behaviour::keys([OLD.jwk(Some("old"))])).await;
    let stack = stack_with(&keys).await;
    assert_taken(&stack, &token(OLD, Some("old"))).await;
    let before = keys.requests();
    // What no key could help needs no new ones.
    let expired = Jwt::of(Token::default().expires_in(-60)).header("kid", "old").signed_by(OLD);
    let unsigned = Jwt::default().header("alg", "none").signed(|_| String::new());
    for token in [&expired, &unsigned, "garbage"] {
        ask(&stack, token).await.assert_problem(&Problem::UNAUTHENTICATED);
    }
    assert_eq!(keys.requests(), before);
    for round in 0..10 {
        assert_refused(&stack, &token(OLD, Some(&format!("unknown {round}")))).await;
        assert_refused(&stack, &token(NEW, Some("old"))).await;
        assert_refused(&stack, &token(NEW, None)).await;
    }
    assert_eq!(keys.requests(), before + 1);
    assert_taken(&stack, &token(OLD, Some("old"))).await;
    assert_eq!(keys.requests(), before + 1);
}

#[tokio::test]
async fn of_several_keys_the_named_one_counts_and_unnamed_ones_are_tried() {
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
        assert_taken(&stack, &token(OLD, id)).await;
    }
    // Another key's name, one that is not for signatures, and one of another algorithm.
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
        assert_taken(&stack, &token(key, id)).await;
    }
    assert_refused(&stack, &token(OLD, Some("any"))).await;
}

#[tokio::test]
async fn cached_keys_serve_on_when_the_server_is_gone() {
    let keys = JwksEndpoint::start(Behaviour::keys([OLD.jwk(None)])).await;
    let stack = stack_with(&keys).await;
    assert_taken(&stack, &token(OLD, None)).await;
    keys.set(Behaviour::Close);
    // This one asks for other keys, and there are none.
    assert_refused(&stack, &token(NEW, None)).await;
    let warnings = stack.log(FunctionName::ReadCustomizations);
    assert_eq!(warnings.matches("keys not refreshed").count(), 1, "{warnings}");
    assert_taken(&stack, &token(OLD, None)).await;
}

#[tokio::test]
async fn without_keys_nothing_is_served_until_the_server_is_back() {
    let keys = JwksEndpoint::start(Behaviour::Close).await;
    let stack = stack_with(&keys).await;
    for _ in 0..3 {
        let before = keys.requests();
        assert_unavailable(&stack, "the JWKS endpoint does not respond").await;
        assert!(keys.requests() > before, "each request tries");
    }
    keys.set(Behaviour::keys([OLD.jwk(None)]));
    assert_taken(&stack, &token(OLD, None)).await;
}

#[tokio::test]
async fn a_server_that_nobody_runs_is_a_503() {
    let stack = TestStack::start_with(&[("CSP_JWKS_URL", Some(NOWHERE))]).await;
    assert_unavailable(&stack, "the JWKS endpoint does not respond: ").await;
}

#[tokio::test]
async fn an_answer_without_end_or_sense_is_refused_in_time() {
    const SLOW: &str = "the JWKS endpoint does not respond within 3 s";
    const UNREADABLE: &str = "the response of the JWKS endpoint cannot be read";
    const UNUSABLE: &str = "the response of the JWKS endpoint is not usable: ";
    let honest = json!({"keys": [OLD.jwk(None)]}).to_string();
    let elsewhere = JwksEndpoint::start(Behaviour::keys([OLD.jwk(None)])).await;
    let redirection = format!("location: {}\r\ncontent-length: 0\r\n", elsewhere.url());
    let chunked = "transfer-encoding: chunked\r\n";
    let keys = JwksEndpoint::start(Behaviour::Close).await;
    let stack = stack_with(&keys).await;
    let send =
        |status: &str, headers: &str, body: &str| Behaviour::Send(answer(status, headers, body));
    let drip = |headers: &str| Behaviour::Drip(answer("200 OK", headers, &honest));
    for (name, behaviour, cause) in [
        ("hangs", Behaviour::Hang, SLOW),
        ("drips", drip(""), SLOW),
        ("drips its headers", drip(&"x: y\r\n".repeat(100)), SLOW),
        ("floods", Behaviour::Flood(answer("200 OK", "", &honest)), UNREADABLE),
        (
            "announces a flood",
            Behaviour::Flood(answer("200 OK", "content-length: 1000000000\r\n", &honest)),
            UNREADABLE,
        ),
        (
            "floods in its headers",
            Behaviour::Flood(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
            "the JWKS endpoint does not respond: ",
        ),
        ("breaks off", send("200 OK", "content-length: 9999\r\n", &honest), UNREADABLE),
        ("breaks its framing", send("200 OK", chunked, "zz\r\n"), UNREADABLE),
        (
            "moves",
            send("301 Moved Permanently", &redirection, ""),
            "the JWKS endpoint responds with status 301",
        ),
        (
            "has moved",
            send("307 Temporary Redirect", &redirection, ""),
            "the JWKS endpoint responds with status 307",
        ),
        (
            "fails",
            send("500 Internal Server Error", "", &honest),
            "the JWKS endpoint responds with status 500",
        ),
        (
            "has nothing",
            send("204 No Content", "", ""),
            "the JWKS endpoint responds with status 204",
        ),
        (
            "speaks no HTTP",
            Behaviour::Send(b"SSH-2.0-x\r\n".to_vec()),
            "the JWKS endpoint does not",
        ),
        ("sends no JSON", Behaviour::body("<html>\u{1b}[2J"), UNUSABLE),
        ("sends no keys", Behaviour::body("{}"), UNUSABLE),
        ("sends an empty set", Behaviour::keys([]), UNUSABLE),
        ("sends a text", Behaviour::body("\"secret-marker\""), UNUSABLE),
        ("nests", Behaviour::body(&"[".repeat(60_000)), UNUSABLE),
        ("sends other keys", Behaviour::keys([json!({"kty": "EC", "crv": "P-256"})]), UNUSABLE),
        ("sends half a key", Behaviour::keys([json!({"kty": "RSA", "n": "AQAB"})]), UNUSABLE),
    ] {
        println!("{name}");
        keys.set(behaviour);
        assert_unavailable(&stack, cause).await;
    }
    assert_eq!(elsewhere.requests(), 0, "no redirection is followed");
    let log = stack.log(FunctionName::ReadCustomizations);
    assert!(!log.contains("secret-marker"), "what the server sends is not logged: {log}");
    keys.set(Behaviour::keys([OLD.jwk(None)]));
    assert_taken(&stack, &token(OLD, None)).await;
}
