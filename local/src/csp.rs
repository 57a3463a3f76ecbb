//! A token issuer that replaces VMware CSP on one machine. It signs tokens with a published key,
//! and serves the JWKS with the public part of that key.
//!
//! The signing key is in this repository, so that a token is valid for every data directory.
//! Therefore everybody can sign any token with it, and a deployment must never trust this key.
//!
//! ```
//! use local::csp::Token;
//!
//! let expired = Token::default().user("janedoe").permissions(["csp:org_member"]).expires_in(-60);
//! let authorization = format!("Bearer {}", expired.sign()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};
use shared::csp::install_crypto_provider;
use uuid::Uuid;

use crate::{catalog, server::Server};

/// Issuer of the tokens.
pub const ISSUER: &str = "https://csp.localhost";

/// Permissions that allow writes, separated by commas. A token needs one of them.
pub const WRITE_PERMISSIONS: &str = "csp:org_owner,external/app-catalog/catalog-admin";

/// Permissions that allow reads, separated by commas. A token needs one of them.
pub const READ_PERMISSIONS: &str =
    "csp:org_owner,csp:org_member,external/app-catalog/catalog-admin";

/// Default lifetime of a token: that of a CSP access token.
pub const LIFETIME: Duration = Duration::from_mins(30);

/// RSA key of 2048 bits in PKCS #1 DER, generated with `openssl genrsa`.
const SIGNING_KEY: &[u8] = include_bytes!("../csp/insecure-signing-key.der");

/// JWKS with the public part of the signing key.
const JWKS: &str = include_str!("../csp/insecure-keys.json");

const KEY_ID: &str = "insecure-local-key";

/// Builder of a token. By default, the token allows every operation in the organization of the
/// sample catalog.
#[derive(Clone, Debug)]
pub struct Token {
    lifetime_seconds: i64,
    claims: Map<String, Value>,
}

impl Default for Token {
    fn default() -> Self {
        let claims = [
            ("sub", json!("vmwareid:6c9e1a52-6d0b-4f7e-9d3c-2f1b7a0e5c84")),
            ("azp", json!("csp_local")),
            ("domain", json!("vmwareid")),
            ("context", json!("f3a1d0f4-0f5e-4a55-9a6b-6a7f0c1f6f0e")),
            ("iss", json!(ISSUER)),
            ("perms", json!(["csp:org_owner", "csp:org_member"])),
            ("context_name", json!(catalog::SAMPLE_ORGANIZATION)),
            ("acct", json!("johndoe")),
            ("username", json!("johndoe")),
        ];
        Self {
            lifetime_seconds: LIFETIME.as_secs().cast_signed(),
            claims: claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}

impl Token {
    /// Sets the organization.
    #[must_use]
    pub fn organization(self, id: &str) -> Self {
        self.claim("context_name", id)
    }

    /// Sets the user.
    #[must_use]
    pub fn user(self, name: &str) -> Self {
        self.claim("username", name).claim("acct", name)
    }

    /// Sets the permissions.
    #[must_use]
    pub fn permissions<P: Into<String>>(self, permissions: impl IntoIterator<Item = P>) -> Self {
        let permissions: Vec<String> = permissions.into_iter().map(Into::into).collect();
        self.claim("perms", permissions)
    }

    /// Sets the lifetime in seconds. A negative lifetime gives an expired token.
    #[must_use]
    pub fn expires_in(self, seconds: i64) -> Self {
        Self { lifetime_seconds: seconds, ..self }
    }

    /// Sets a claim to any value. `null` removes the claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Signs the token.
    ///
    /// # Errors
    ///
    /// The claims cannot be serialized, or the signing key of this crate is damaged.
    pub fn sign(self) -> Result<String, jsonwebtoken::errors::Error> {
        install_crypto_provider();
        let issued_at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs().cast_signed());
        let mut claims = Map::from_iter([
            ("jti".to_owned(), json!(Uuid::new_v4())),
            ("iat".to_owned(), json!(issued_at)),
            ("exp".to_owned(), json!(issued_at.saturating_add(self.lifetime_seconds))),
        ]);
        claims.extend(self.claims);
        claims.retain(|_, value| !value.is_null());
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_rsa_der(SIGNING_KEY))
    }
}

/// Starts a JWKS endpoint, which serves the JWKS at every path.
pub(crate) async fn serve_jwks() -> io::Result<Server> {
    let jwks = get(|| async { ([(CONTENT_TYPE, "application/json")], JWKS) });
    Server::start(Router::new().fallback(jwks)).await
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};

    use super::*;

    fn verified_claims(token: &str) -> Map<String, Value> {
        let jwks: JwkSet = serde_json::from_str(JWKS).unwrap();
        let key = DecodingKey::from_jwk(jwks.find(KEY_ID).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        jsonwebtoken::decode(token, &key, &validation).unwrap().claims
    }

    #[test]
    fn a_token_is_verified_with_the_published_jwks() {
        let claims = verified_claims(&Token::default().sign().unwrap());
        assert_eq!(claims["context_name"], catalog::SAMPLE_ORGANIZATION);
        assert_eq!(claims["perms"], json!(["csp:org_owner", "csp:org_member"]));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 1800);
    }

    #[test]
    fn a_token_has_the_claims_that_were_set() {
        let token = Token::default()
            .organization("org")
            .user("janedoe")
            .permissions(["a", "b"])
            .expires_in(60)
            .claim("nbf", 1)
            .claim("sub", Value::Null);
        let claims = verified_claims(&token.sign().unwrap());
        assert_eq!(claims["context_name"], "org");
        assert_eq!(claims["username"], "janedoe");
        assert_eq!(claims["acct"], "janedoe");
        assert_eq!(claims["perms"], json!(["a", "b"]));
        assert_eq!(claims["nbf"], 1);
        assert!(!claims.contains_key("sub"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    }
}
