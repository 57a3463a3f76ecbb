//! Tokens that are signed with the published local key, and the rules that an accepted token must
//! obey.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use shared::csp::{
    AuthenticationError, Authenticator, Caller, Keys, PublishedKey, TokenRules,
    install_crypto_provider,
};

const ISSUER: &str = "https://csp.localhost";
const PERMISSION: &str = "csp:org_owner";
const KEY_ID: &str = "insecure-local-key";

/// Header of the valid token.
pub const HEADER: &str = r#"{"alg":"RS256","typ":"JWT","kid":"insecure-local-key"}"#;

static KEY: LazyLock<EncodingKey> = LazyLock::new(|| {
    install_crypto_provider();
    EncodingKey::from_rsa_der(include_bytes!("../../local/csp/insecure-signing-key.der"))
});

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let jwks = include_str!("../../local/csp/insecure-keys.json");
    let keys = Keys::fixed(jwks, PublishedKey::Trusted).expect("the keys are valid");
    let permissions = vec!["external/app-catalog/catalog-admin".into(), PERMISSION.into()];
    let rules = TokenRules { issuer: ISSUER.into(), audiences: Vec::new(), permissions };
    Authenticator::new(rules, keys)
});

/// The only valid token. It never changes, so that the kept inputs keep their meaning.
pub static VALID_TOKEN: LazyLock<String> =
    LazyLock::new(|| sign(HEADER.as_bytes(), valid_claims().to_string().as_bytes()));

/// Returns the claims of the valid token, which expires in the year 2100.
pub fn valid_claims() -> Value {
    json!({
        "iss": ISSUER,
        "iat": 1_700_000_000,
        "exp": 4_102_444_800_u64,
        "context_name": "organization",
        "perms": ["csp:org_member", PERMISSION],
        "username": "johndoe",
    })
}

/// Returns the caller that the valid token identifies.
pub fn expected_caller() -> Caller {
    let organization = "organization".to_owned().try_into().expect("the organization is valid");
    Caller { organization, user: "johndoe".into() }
}

/// Signs any header and claims, and returns the token.
pub fn sign(header: &[u8], claims: &[u8]) -> String {
    let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &KEY, Algorithm::RS256);
    message + "." + &signature.expect("the key in this repository is valid")
}

/// Authenticates a request with this value of `Authorization`.
pub fn authenticate(authorization: HeaderValue) -> Result<Caller, AuthenticationError> {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
    AUTHENTICATOR.authenticate(&headers).now_or_never().expect("fixed keys need no request")
}

/// Asserts that the header and the claims of an accepted token obey the rules. Reads them
/// independently of the authenticator.
pub fn assert_acceptable(header: &[u8], claims: &[u8], caller: &Caller) {
    let header: Value = serde_json::from_slice(header).expect("an accepted header is JSON");
    assert_eq!(header["alg"], "RS256");
    assert!(header.get("crit").is_none_or(Value::is_null), "the header has critical extensions");
    assert!(
        header.get("kid").is_none_or(|id| id.is_null() || id == KEY_ID),
        "the header names another key"
    );

    let claims: Value = serde_json::from_slice(claims).expect("accepted claims are JSON");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is after 1970")
        .as_secs_f64();
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    let is_or_contains = |value: &Value, name: &str| {
        value == name || value.as_array().is_some_and(|all| all.iter().any(|one| one == name))
    };
    assert!(is_or_contains(&claims["iss"], ISSUER), "another issuer");
    assert!(seconds("exp").is_some_and(|end| end > now - 31.0), "the token has expired");
    assert!(seconds("nbf").is_none_or(|start| start < now + 31.0), "the token is not yet valid");
    assert!(
        seconds("iat").is_none_or(|issued| issued < now + 31.0),
        "the token is issued in the future"
    );
    assert!(claims["perms"].as_array().is_some_and(|all| {
        all.iter().any(|one| one == PERMISSION || one == "external/app-catalog/catalog-admin")
    }));
    assert_eq!(claims["context_name"], caller.organization.as_str());
    assert!(!matches!(caller.organization.as_str(), "" | "default"), "the organization is missing");
    let names = ["username", "acct", "sub"].map(|name| claims.get(name).and_then(Value::as_str));
    let user = names.into_iter().flatten().find(|name| !name.is_empty());
    assert_eq!(user, Some(caller.user.as_str()));
}
