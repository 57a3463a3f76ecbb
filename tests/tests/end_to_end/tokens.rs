//! Tokens: valid ones are accepted, all others are refused without a reason in the response.

use local::csp::Token;
use ring::hmac;
use serde_json::{Value, json};
use tests::{
    api::{Api, Problem},
    form::Form,
    jwt::{Jwt, TestKey},
    stack::{SAMPLE_CATALOG, TestStack},
};

const MALFORMED: &str = "the token is not a JWT with the required members";
const NOT_RS256: &str = "the token is not signed with RS256";
const NO_KEY: &str = "no key fits the token";
const CRITICAL: &str = "the token has critical extensions";
const NO_ORGANIZATION: &str = "the token names no organization";
const NO_EXPIRY: &str = "the token is not valid: Missing required claim: exp";
const WRONG_ISSUER: &str = "the token is not valid: InvalidIssuer";

/// The name of an attack, its token, and the logged reason of the refusal.
type Attack = (String, String, &'static str);

fn attack(name: impl Into<String>, token: String, reason: &'static str) -> Attack {
    (name.into(), token, reason)
}

/// The HS256 signature of `message` in base64url.
fn hs256(key: &[u8], message: &str) -> String {
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(signature)
}

/// Valid claims with another algorithm, or without a signature.
fn algorithm_attacks() -> Vec<Attack> {
    let with = |algorithm: Value| Jwt::default().header("alg", algorithm);
    let mut attacks = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 "] {
        let token = with(json!(none));
        attacks.push(attack(format!("{none:?}"), token.signed_with(|_| String::new()), MALFORMED));
        let signed = token.signed_by(TestKey::ISSUER);
        attacks.push(attack(format!("{none:?}, signed"), signed, MALFORMED));
    }
    for other in [Value::Null, json!(256), json!(["RS256"])] {
        let token = with(other.clone()).signed_by(TestKey::ISSUER);
        attacks.push(attack(format!("the algorithm {other}"), token, MALFORMED));
    }
    // Algorithm confusion: a verifier that uses the public key as an HMAC secret accepts these.
    // https://www.rfc-editor.org/rfc/rfc8725#section-2.1
    let der = TestKey::ISSUER.public_der();
    let pem = format!(
        "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
        base64_simd::STANDARD.encode_to_string(&der),
    );
    let jwk = TestKey::ISSUER.jwk(None);
    let modulus = jwk["n"].as_str().unwrap();
    for secret in [&der, pem.as_bytes(), jwk.to_string().as_bytes(), modulus.as_bytes(), b""] {
        let token = with(json!("HS256")).signed_with(|message| hs256(secret, message));
        attacks.push(attack("HS256 with the public key", token, NOT_RS256));
    }
    for other in ["HS384", "HS512", "RS384", "RS512", "PS256", "ES256", "EdDSA"] {
        attacks.push(attack(other, with(json!(other)).signed_by(TestKey::ISSUER), NOT_RS256));
    }
    attacks
}

/// Tokens signed with another key, some with that key or its location in the header.
fn key_attacks() -> Vec<Attack> {
    let jwt = Jwt::default;
    let forged = |jwt: Jwt| jwt.signed_by(TestKey::ATTACKER);
    let jwk = TestKey::ATTACKER.jwk(None);
    let url = "https://evil.example/keys";
    let mut attacks = vec![
        attack("another key's signature", forged(jwt()), NO_KEY),
        attack(
            "another key's signature without a kid",
            forged(jwt().header("kid", Value::Null)),
            NO_KEY,
        ),
        attack("jwk", forged(jwt().header("jwk", jwk.clone())), NO_KEY),
        attack(
            "jwk with a kid",
            forged(jwt().header("jwk", TestKey::ATTACKER.jwk(Some("mine"))).header("kid", "mine")),
            NO_KEY,
        ),
        attack("jwk of an unknown type", forged(jwt().header("jwk", json!({"kty": "x"}))), NO_KEY),
        attack("jku", forged(jwt().header("jku", url)), NO_KEY),
        attack("jku and jwk", forged(jwt().header("jku", url).header("jwk", jwk)), NO_KEY),
        attack("x5u", forged(jwt().header("x5u", url)), NO_KEY),
        attack("x5c", forged(jwt().header("x5c", json!(["MIIB"]))), NO_KEY),
        attack("no signature", jwt().signed_with(|_| String::new()), NO_KEY),
        attack("a signature of zeros", jwt().signed_with(|_| "A".repeat(342)), NO_KEY),
        attack("a signature that is not base64", jwt().signed_with(|_| "?".into()), MALFORMED),
        attack(
            "another token's signature",
            jwt().signed_with(|_| {
                let other =
                    Jwt::from_token(Token::default().user("eve")).signed_by(TestKey::ISSUER);
                other.rsplit_once('.').unwrap().1.to_owned()
            }),
            NO_KEY,
        ),
    ];
    for id in [
        "",
        "mine",
        "../../../../../../dev/null",
        "/proc/self/environ",
        "' OR '1'='1",
        "insecure-local-key' UNION SELECT 'x",
        "insecure-local-key\0",
        "INSECURE-LOCAL-KEY",
        "http://127.0.0.1/keys",
        "\u{1b}[2J\n{\"level\":\"ERROR\"}",
    ] {
        let token = jwt().header("kid", id);
        attacks.push(attack(format!("the kid {id:?}, forged"), forged(token.clone()), NO_KEY));
        let issued = token.signed_by(TestKey::ISSUER);
        attacks.push(attack(format!("the kid {id:?} of the issuer"), issued, NO_KEY));
    }
    for id in [json!(0), json!([]), json!({"$ne": ""})] {
        let token = jwt().header("kid", id.clone()).signed_by(TestKey::ISSUER);
        attacks.push(attack(format!("the kid {id}"), token, MALFORMED));
    }
    for (critical, reason) in
        [(json!(["exp"]), CRITICAL), (json!([]), CRITICAL), (json!("exp"), MALFORMED)]
    {
        let token = jwt().header("crit", critical.clone()).signed_by(TestKey::ISSUER);
        attacks.push(attack(format!("critical: {critical}"), token, reason));
    }
    attacks
}

/// Tokens that the issuer has signed, with invalid claims.
fn claim_attacks() -> Vec<Attack> {
    const FAR_FUTURE: u64 = 4_000_000_000;
    let token = Token::default;
    let no_user =
        token().claim("username", Value::Null).claim("acct", "").claim("sub", Value::Null);
    let claims = [
        ("expired", token().expires_in(-31), "the token is not valid: ExpiredSignature"),
        ("without exp", token().claim("exp", Value::Null), NO_EXPIRY),
        ("exp as a string", token().claim("exp", FAR_FUTURE.to_string()), NO_EXPIRY),
        ("exp over the range of integers", token().claim("exp", 1e300), NO_EXPIRY),
        ("negative exp", token().claim("exp", -1), NO_EXPIRY),
        ("fractional exp", token().claim("exp", 0.5), "the token is not valid: ExpiredSignature"),
        (
            "not yet valid",
            token().claim("nbf", FAR_FUTURE),
            "the token is not valid: ImmatureSignature",
        ),
        (
            "nbf as a string",
            token().claim("nbf", "0"),
            "the token is not valid: Invalid format for claim: nbf",
        ),
        ("issued in the future", token().claim("iat", FAR_FUTURE), "the token is not issued yet"),
        ("iat as a string", token().claim("iat", "0"), MALFORMED),
        ("another issuer", token().claim("iss", "https://evil.example"), WRONG_ISSUER),
        ("a similar issuer", token().claim("iss", "https://csp.localhost/"), WRONG_ISSUER),
        ("without an issuer", token().claim("iss", Value::Null), MALFORMED),
        ("issuer as an array", token().claim("iss", json!(["https://csp.localhost"])), MALFORMED),
        ("without an organization", token().claim("context_name", Value::Null), NO_ORGANIZATION),
        ("empty organization", token().organization(""), NO_ORGANIZATION),
        ("the organization default", token().organization("default"), NO_ORGANIZATION),
        ("organization as a number", token().claim("context_name", 7), MALFORMED),
        ("organization as an array", token().claim("context_name", json!(["default"])), MALFORMED),
        ("organization as a boolean", token().claim("context_name", true), MALFORMED),
        ("without a user", no_user, "the token names no user"),
        ("user as a number", token().claim("username", 7), MALFORMED),
    ];
    let mut attacks: Vec<_> = claims
        .into_iter()
        .map(|(name, token, reason)| attack(name, token.sign().unwrap(), reason))
        .collect();
    for first in [
        r#""context_name":null,"#,
        r#""context_name":"5e0f1b7a-9c1d-4f0e-8a55-7d1c3b2a4f60","#,
        r#""exp":4000000000,"#,
        r#""iss":"https://evil.example","#,
        r#""perms":["csp:org_owner"],"#,
        r#""username":"eve","#,
        r#""exp":1e999,"#,
        "not JSON,",
    ] {
        let token = Jwt::default().prepend_claims(first).signed_by(TestKey::ISSUER);
        attacks.push(attack(format!("claims that begin with {first}"), token, MALFORMED));
    }
    attacks
}

/// A valid token of exactly this many bytes.
fn token_of(bytes: usize) -> String {
    let padded = |header: usize, claims: usize| {
        let token = Token::default().claim("padding", "x".repeat(claims));
        Jwt::from_token(token).header("padding", "x".repeat(header))
    };
    let length = |jwt: &Jwt| jwt.signed_with(|_| "A".repeat(342)).len();
    // One more byte adds one or two characters of base64url, so that padding in one part alone does
    // not reach every length.
    let missing = (bytes - length(&padded(0, 0))) * 3 / 4;
    let candidates =
        (0..8).flat_map(|header| (missing - 16..=missing).map(move |claims| (header, claims)));
    let jwt =
        candidates.map(|(header, claims)| padded(header, claims)).find(|jwt| length(jwt) == bytes);
    jwt.unwrap().signed_by(TestKey::ISSUER)
}

/// Asserts that each route refuses the token of `api` with a 401, and that only the log has the
/// reason.
async fn assert_refused(stack: &TestStack, name: &str, api: &Api, reason: &str) {
    println!("{name}");
    // Each request has a further error: the check of the token comes first.
    let file = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/x");
    for response in [
        api.post("missing", "text/plain", b"x".to_vec()).await,
        api.customization("x").await,
        api.get(&file).await,
    ] {
        response.assert_problem(&Problem::UNAUTHENTICATED);
        assert_eq!(stack.log_line_of(&response)["cause"], reason);
    }
}

#[tokio::test]
async fn a_forged_or_invalid_token_is_refused() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let attacks = [algorithm_attacks(), key_attacks(), claim_attacks()].concat();
    for (name, token, reason) in attacks {
        let api = stack.api().headers(&[("authorization", &format!("Bearer {token}"))]);
        assert_refused(&stack, &name, &api, reason).await;
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_missing_malformed_or_repeated_token_is_refused() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let valid = Token::default().sign().unwrap();
    let bearer = format!("Bearer {valid}");
    let (message, _signature) = valid.rsplit_once('.').unwrap();
    let (missing, repeated) = ("there is no token", "there is more than one token");
    for (name, headers, reason) in [
        ("none", &[][..], missing),
        ("an empty one", &[("authorization", "")], missing),
        ("only a scheme", &[("authorization", "Bearer ")], MALFORMED),
        ("another scheme", &[("authorization", "Basic dXNlcjpwYXNzd29yZA==")], MALFORMED),
        ("another scheme with a token", &[("authorization", &format!("Basic {valid}"))], MALFORMED),
        ("garbage", &[("authorization", "Bearer a.b.c")], MALFORMED),
        ("dots", &[("authorization", "Bearer ..")], MALFORMED),
        ("two parts", &[("csp-auth-token", message)], MALFORMED),
        ("four parts", &[("csp-auth-token", &format!("{valid}.x"))], MALFORMED),
        ("not ASCII", &[("csp-auth-token", "é")], "the token is not text"),
        ("the same twice", &[("authorization", &bearer), ("authorization", &bearer)], repeated),
        ("two", &[("authorization", &bearer), ("authorization", "Bearer x")], repeated),
        ("two headers", &[("authorization", &bearer), ("csp-auth-token", &valid)], repeated),
        ("two in one", &[("authorization", &format!("{bearer}, {bearer}"))], MALFORMED),
    ] {
        let api = stack.api().headers(headers);
        assert_refused(&stack, name, &api, reason).await;
    }
    assert_eq!(stack.contents().await, before);

    // The gateway's limit for all headers is 10,240 bytes.
    let longest = format!("Bearer {}", token_of(10_000));
    let api = stack.api().headers(&[("authorization", &longest)]);
    assert_eq!(api.create(Form::upload()).await.status, 201, "a long token is accepted");
}

#[tokio::test]
async fn a_valid_token_is_accepted_in_each_header_and_with_each_user_claim() {
    let stack = TestStack::start().await;
    let token = Token::default().sign().unwrap();
    let bearer = format!("bearer  {token}");
    let without_key = Jwt::default().header("kid", Value::Null).signed_by(TestKey::ISSUER);
    for headers in [
        [("authorization", &*token)],
        [("authorization", &bearer)],
        [("csp-auth-token", &token)],
        [("csp-auth-token", &without_key)],
    ] {
        let response = stack.api().headers(&headers).create(Form::upload()).await;
        assert_eq!(response.status, 201, "{headers:?}");
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
        (Token::default().claim("exp", 4_000_000_000.5), "johndoe"),
        (Token::default().claim("nbf", Value::Null).claim("iat", Value::Null), "johndoe"),
    ] {
        let response = stack.api_with(token).create(Form::upload()).await;
        assert_eq!(response.json()["created_by"], user);
    }
}

#[tokio::test]
async fn a_user_without_the_permission_is_refused() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    let before = stack.contents().await;
    let perms = |perms: Value| stack.api_with(Token::default().claim("perms", perms));
    for insufficient in [
        json!([]),
        Value::Null,
        json!("csp:org_owner"),
        json!({}),
        json!(["csp:org_owne"]),
        json!(7),
        json!([["csp:org_owner"]]),
        json!({"csp:org_owner": true}),
    ] {
        println!("{insufficient}");
        let api = perms(insufficient);
        api.post("missing", "text/plain", Vec::new()).await.assert_problem(&Problem::FORBIDDEN);
        api.customization(&id).await.assert_problem(&Problem::FORBIDDEN);
    }
    let member = perms(json!(["csp:org_member"]));
    member.create(Form::upload()).await.assert_problem(&Problem::FORBIDDEN);
    assert_eq!(member.customization(&id).await.status, 200, "a member may read");
    assert_eq!(stack.contents().await, before);
}
