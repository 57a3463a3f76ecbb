//! Tokens: which are taken, and that an attacker learns nothing from a refusal.

use local::csp::Token;
use ring::hmac;
use serde_json::{Value, json};
use tests::{
    api::{Api, Problem},
    form::Form,
    jwt::{Jwt, KeyOf},
    stack::{SAMPLE_CATALOG, TestStack},
};

/// The most bytes of a token that is read.
const MAX_TOKEN_BYTES: usize = 16 * 1024 - 1;

const MALFORMED: &str = "the token is not a JWT with the required members";
const NOT_RS256: &str = "the token is not signed with RS256";
const NO_KEY: &str = "no key fits the token";
const CRITICAL: &str = "the token has critical extensions";
const NO_ORGANIZATION: &str = "the token names no organization";
const NO_EXPIRY: &str = "the token is not valid: Missing required claim: exp";
const WRONG_ISSUER: &str = "the token is not valid: InvalidIssuer";

/// An attack: its name, the token, and why it is refused.
type Attack = (String, String, &'static str);

fn attack(name: impl Into<String>, token: String, reason: &'static str) -> Attack {
    (name.into(), token, reason)
}

/// `message`'s HS256 signature with this key.
fn hs256(key: &[u8], message: &str) -> String {
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(signature)
}

/// An honest token, signed as another algorithm would, or not at all.
fn of_other_algorithms() -> Vec<Attack> {
    let with = |algorithm: Value| Jwt::default().header("alg", algorithm);
    let mut attacks = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 "] {
        let token = with(json!(none));
        attacks.push(attack(format!("{none:?}"), token.signed(|_| String::new()), MALFORMED));
        let signed = token.signed_by(KeyOf::ISSUER);
        attacks.push(attack(format!("{none:?}, signed"), signed, MALFORMED));
    }
    for other in [Value::Null, json!(256), json!(["RS256"])] {
        let token = with(other.clone()).signed_by(KeyOf::ISSUER);
        attacks.push(attack(format!("the algorithm {other}"), token, MALFORMED));
    }
    // Who checks these with the public key as a secret takes everybody's signature.
    let der = KeyOf::ISSUER.public_der();
    let pem = format!(
        "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
        base64_simd::STANDARD.encode_to_string(&der),
    );
    let jwk = KeyOf::ISSUER.jwk(None);
    let modulus = jwk["n"].as_str().unwrap();
    for secret in [&der, pem.as_bytes(), jwk.to_string().as_bytes(), modulus.as_bytes(), b""] {
        let token = with(json!("HS256")).signed(|message| hs256(secret, message));
        attacks.push(attack("HS256 with the public key", token, NOT_RS256));
    }
    for other in ["HS384", "HS512", "RS384", "RS512", "PS256", "ES256", "EdDSA"] {
        attacks.push(attack(other, with(json!(other)).signed_by(KeyOf::ISSUER), NOT_RS256));
    }
    attacks
}

/// Tokens that bring a key, or say where to find one.
fn of_other_keys() -> Vec<Attack> {
    let jwt = Jwt::default;
    let forged = |jwt: Jwt| jwt.signed_by(KeyOf::ATTACKER);
    let jwk = KeyOf::ATTACKER.jwk(None);
    let url = "https://evil.example/keys";
    let mut attacks = vec![
        attack("another key's signature", forged(jwt()), NO_KEY),
        attack("and no key named", forged(jwt().header("kid", Value::Null)), NO_KEY),
        attack("jwk", forged(jwt().header("jwk", jwk.clone())), NO_KEY),
        attack(
            "jwk, named",
            forged(jwt().header("jwk", KeyOf::ATTACKER.jwk(Some("mine"))).header("kid", "mine")),
            NO_KEY,
        ),
        attack("jwk of no kind", forged(jwt().header("jwk", json!({"kty": "x"}))), NO_KEY),
        attack("jku", forged(jwt().header("jku", url)), NO_KEY),
        attack("jku and jwk", forged(jwt().header("jku", url).header("jwk", jwk)), NO_KEY),
        attack("x5u", forged(jwt().header("x5u", url)), NO_KEY),
        attack("x5c", forged(jwt().header("x5c", json!(["MIIB"]))), NO_KEY),
        attack("no signature", jwt().signed(|_| String::new()), NO_KEY),
        attack("a signature of zeros", jwt().signed(|_| "A".repeat(342)), NO_KEY),
        attack("a signature that is no base64", jwt().signed(|_| "?".into()), MALFORMED),
        attack(
            "another token's signature",
            jwt().signed(|_| {
                let other = Jwt::of(Token::default().user("eve")).signed_by(KeyOf::ISSUER);
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
        attacks.push(attack(format!("the key {id:?}"), forged(token.clone()), NO_KEY));
        let honest = token.signed_by(KeyOf::ISSUER);
        attacks.push(attack(format!("the key {id:?}, honest"), honest, NO_KEY));
    }
    for id in [json!(0), json!([]), json!({"$ne": ""})] {
        let token = jwt().header("kid", id.clone()).signed_by(KeyOf::ISSUER);
        attacks.push(attack(format!("the key {id}"), token, MALFORMED));
    }
    for (critical, reason) in
        [(json!(["exp"]), CRITICAL), (json!([]), CRITICAL), (json!("exp"), MALFORMED)]
    {
        let token = jwt().header("crit", critical.clone()).signed_by(KeyOf::ISSUER);
        attacks.push(attack(format!("critical: {critical}"), token, reason));
    }
    attacks
}

/// What the issuer itself has signed, but not for this, or not for now.
fn of_other_claims() -> Vec<Attack> {
    const FAR: u64 = 4_000_000_000;
    let token = Token::default;
    let no_user =
        token().claim("username", Value::Null).claim("acct", "").claim("sub", Value::Null);
    let claims = [
        ("expired", token().expires_in(-31), "the token is not valid: ExpiredSignature"),
        ("without an end", token().claim("exp", Value::Null), NO_EXPIRY),
        ("an end that is text", token().claim("exp", FAR.to_string()), NO_EXPIRY),
        ("an end past all numbers", token().claim("exp", 1e300), NO_EXPIRY),
        ("a negative end", token().claim("exp", -1), NO_EXPIRY),
        (
            "a fraction of an end",
            token().claim("exp", 0.5),
            "the token is not valid: ExpiredSignature",
        ),
        ("not yet valid", token().claim("nbf", FAR), "the token is not valid: ImmatureSignature"),
        (
            "valid from a text on",
            token().claim("nbf", "0"),
            "the token is not valid: Invalid format for claim: nbf",
        ),
        ("of the future", token().claim("iat", FAR), "the token is not issued yet"),
        ("issued at a text", token().claim("iat", "0"), MALFORMED),
        ("another issuer's", token().claim("iss", "https://evil.example"), WRONG_ISSUER),
        ("an issuer like ours", token().claim("iss", "https://csp.localhost/"), WRONG_ISSUER),
        ("without an issuer", token().claim("iss", Value::Null), MALFORMED),
        ("of two issuers", token().claim("iss", json!(["https://csp.localhost"])), MALFORMED),
        ("of no organization", token().claim("context_name", Value::Null), NO_ORGANIZATION),
        ("of an empty organization", token().organization(""), NO_ORGANIZATION),
        ("of the default organization", token().organization("default"), NO_ORGANIZATION),
        ("of a numbered organization", token().claim("context_name", 7), MALFORMED),
        ("of organizations", token().claim("context_name", json!(["default"])), MALFORMED),
        ("of a true organization", token().claim("context_name", true), MALFORMED),
        ("of nobody", no_user, "the token names no user"),
        ("of a numbered user", token().claim("username", 7), MALFORMED),
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
        let token = Jwt::default().claims_begin(first).signed_by(KeyOf::ISSUER);
        attacks.push(attack(format!("{first} twice"), token, MALFORMED));
    }
    attacks
}

/// An honest token of exactly this many bytes.
fn token_of(bytes: usize) -> String {
    let padded = |header: usize, claims: usize| {
        let token = Token::default().claim("padding", "x".repeat(claims));
        Jwt::of(token).header("padding", "x".repeat(header))
    };
    let length = |jwt: &Jwt| jwt.signed(|_| "A".repeat(342)).len();
    // Base64 grows by one or two: not every length is reached with one padding alone.
    let missing = (bytes - length(&padded(0, 0))) * 3 / 4;
    let candidates =
        (0..8).flat_map(|header| (missing - 16..=missing).map(move |claims| (header, claims)));
    let jwt =
        candidates.map(|(header, claims)| padded(header, claims)).find(|jwt| length(jwt) == bytes);
    jwt.unwrap().signed_by(KeyOf::ISSUER)
}

/// Asserts that each route refuses `caller` before all else, and that only the log says why.
async fn assert_refused(stack: &TestStack, name: &str, caller: &Api, reason: &str) {
    println!("{name}");
    // The catalog does not exist, and the body is no form: the token comes first.
    let file = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/x");
    for answer in [
        caller.post("nobodys", "text/plain", b"x".to_vec()).await,
        caller.customization("x").await,
        caller.get(&file).await,
    ] {
        answer.assert_problem(&Problem::UNAUTHENTICATED);
        assert_eq!(stack.line_of(&answer)["cause"], reason);
    }
}

#[tokio::test]
async fn only_the_issuers_rs256_of_an_honest_token_is_taken() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let attacks = [of_other_algorithms(), of_other_keys(), of_other_claims()].concat();
    for (name, token, reason) in attacks {
        let caller = stack.api().headers(&[("authorization", &format!("Bearer {token}"))]);
        assert_refused(&stack, &name, &caller, reason).await;
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn what_is_not_one_token_is_refused() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let good = Token::default().sign().unwrap();
    let bearer = format!("Bearer {good}");
    let (message, _signature) = good.rsplit_once('.').unwrap();
    let longest = token_of(MAX_TOKEN_BYTES);
    let too_long = token_of(MAX_TOKEN_BYTES + 1);
    let huge = "a".repeat(64 * 1024);
    let (missing, several) = ("there is no token", "there is more than one token");
    let long = "the token is longer than 16383 bytes";
    for (name, headers, reason) in [
        ("none", &[][..], missing),
        ("an empty one", &[("authorization", "")], missing),
        ("only a scheme", &[("authorization", "Bearer ")], MALFORMED),
        ("another scheme", &[("authorization", "Basic dXNlcjpwYXNzd29yZA==")], MALFORMED),
        ("garbage", &[("authorization", "Bearer a.b.c")], MALFORMED),
        ("dots", &[("authorization", "Bearer ..")], MALFORMED),
        ("two parts", &[("csp-auth-token", message)], MALFORMED),
        ("four parts", &[("csp-auth-token", &format!("{good}.x"))], MALFORMED),
        ("what is no ASCII", &[("csp-auth-token", "é")], "the token is not text"),
        ("too long", &[("csp-auth-token", &too_long)], long),
        ("too long, with its scheme", &[("authorization", &format!("Bearer {too_long}"))], long),
        ("huge", &[("csp-auth-token", &huge)], long),
        ("the same twice", &[("authorization", &bearer), ("authorization", &bearer)], several),
        ("two", &[("authorization", &bearer), ("authorization", "Bearer x")], several),
        ("two headers", &[("authorization", &bearer), ("csp-auth-token", &good)], several),
        ("two in one", &[("authorization", &format!("{bearer}, {bearer}"))], MALFORMED),
    ] {
        let caller = stack.api().headers(headers);
        assert_refused(&stack, name, &caller, reason).await;
    }
    assert_eq!(stack.contents().await, before);

    let caller = stack.api().headers(&[("authorization", &format!("Bearer {longest}"))]);
    assert_eq!(caller.create(Form::upload()).await.status, 201, "the longest");
}

#[tokio::test]
async fn a_token_is_taken_in_each_of_its_forms() {
    let stack = TestStack::start().await;
    let token = Token::default().sign().unwrap();
    let bearer = format!("bearer  {token}");
    let without_key = Jwt::default().header("kid", Value::Null).signed_by(KeyOf::ISSUER);
    for headers in [
        [("authorization", &*token)],
        [("authorization", &bearer)],
        [("csp-auth-token", &token)],
        [("csp-auth-token", &without_key)],
    ] {
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
        (Token::default().claim("exp", 4_000_000_000.5), "johndoe"),
        (Token::default().claim("nbf", Value::Null).claim("iat", Value::Null), "johndoe"),
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
    for none in [
        json!([]),
        Value::Null,
        json!("csp:org_owner"),
        json!({}),
        json!(["csp:org_owne"]),
        json!(7),
        json!([["csp:org_owner"]]),
        json!({"csp:org_owner": true}),
    ] {
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
