//! Authentication with VMware CSP access tokens (JWT, RS256).
//!
//! ```no_run
//! # async fn example(headers: http::HeaderMap) -> Result<(), Box<dyn std::error::Error>> {
//! use shared::csp::{Authenticator, Keys, PublishedKey, TokenRules};
//!
//! let rules = TokenRules {
//!     issuer: "https://gaz.csp-vidm-prod.com".to_owned(),
//!     audiences: Vec::new(),
//!     permissions: vec!["csp:org_owner".to_owned()],
//! };
//! let url = "https://csp.example/token-public-key?format=jwks";
//! let authenticator = Authenticator::new(rules, Keys::fetched(url, PublishedKey::Rejected)?);
//! let caller = authenticator.authenticate(&headers).await?;
//! println!("{} of {}", caller.user, caller.organization);
//! # Ok(())
//! # }
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | `keys` | the configured source of public keys |
//! | `jwks` | JWKS documents |
//! | `jwks_endpoint` | fetching, caching and refreshing keys |
//! | `rs256` | the signature check, on ring |

mod jwks;
mod jwks_endpoint;
mod keys;
mod rs256;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, TokenData, Validation, errors::ErrorKind};
use serde::Deserialize;

use self::jwks::KeySet;
pub use self::{
    jwks::InvalidKeySet,
    jwks_endpoint::JwksUnavailable,
    keys::{InvalidKeySource, Keys, PublishedKey},
    rs256::install_crypto_provider,
};
use crate::{domain::OrganizationId, error::ErrorChain, telemetry};

/// The header in which some other VMware APIs accept the token.
const CSP_AUTH_TOKEN: &str = "csp-auth-token";

/// The accepted clock difference between the issuer and this machine.
const LEEWAY: Duration = Duration::from_secs(30);

/// The maximum size of a token in bytes: API Gateway's limit for all headers together. Real tokens
/// have 1,000 to 4,000 bytes.
const MAX_TOKEN_BYTES: usize = 10_240;

/// The organization and user that a token was issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The organization, whose catalogs the caller sees.
    pub organization: OrganizationId,
    /// The user's name.
    pub user: String,
}

/// A reason to refuse a token. It is logged, but the client does not learn it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No header has a token.
    #[error("there is no token")]
    Missing,
    /// Several headers have a token, and it is not clear which one is meant.
    #[error("there is more than one token")]
    Several,
    /// The header's value is not visible ASCII.
    #[error("the token is not text")]
    NotText,
    /// The token is longer than any real token.
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// The token is not a JWT, or a header member or claim has the wrong type. It has no error
    /// source, because the source's text repeats client input.
    #[error("the token is not a JWT with the required members")]
    Malformed,
    /// The token is signed with an algorithm other than RS256.
    #[error("the token is not signed with RS256")]
    NotRs256,
    /// The token's issuer or times are wrong; it may have expired.
    #[error("the token is not valid")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    /// The token requires an extension that is not supported (RFC 7515, section 4.1.11).
    #[error("the token has critical extensions")]
    Critical,
    /// Neither `aud` nor `azp` holds one of the configured audiences.
    #[error("the token is for another audience")]
    WrongAudience,
    /// None of the issuer's keys verifies the signature.
    #[error("no key fits the token")]
    NoKey,
    /// The token is issued in the future.
    #[error("the token is not issued yet")]
    NotYetIssued,
    /// The token was issued for no particular organization.
    #[error("the token names no organization")]
    NoOrganization,
    /// The token names no user.
    #[error("the token names no user")]
    NoUser,
}

impl From<jsonwebtoken::errors::Error> for TokenError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidToken
            | ErrorKind::Base64(_)
            | ErrorKind::Json(_)
            | ErrorKind::Utf8(_) => Self::Malformed,
            _ => Self::Invalid(error),
        }
    }
}

/// A request is not authenticated or not permitted.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The token is missing or refused.
    #[error("the token is refused")]
    Token(#[from] TokenError),
    /// The token is valid, but its user lacks the permission.
    #[error("the user lacks the permission")]
    NotPermitted,
    /// There are no keys to verify the token with.
    #[error("there are no keys to check the token with")]
    Keys(#[from] JwksUnavailable),
}

/// The claims that this module reads. jsonwebtoken checks `exp`, `nbf` and `iss`.
#[derive(Deserialize)]
struct Claims {
    /// This field rejects an array in `iss`, which jsonwebtoken accepts.
    #[serde(rename = "iss")]
    _issuer: String,
    #[serde(default)]
    context_name: String,
    username: Option<String>,
    acct: Option<String>,
    sub: Option<String>,
    iat: Option<f64>,
    #[serde(default)]
    aud: serde_json::Value,
    #[serde(default)]
    azp: serde_json::Value,
    #[serde(default)]
    perms: serde_json::Value,
}

impl Claims {
    /// The audiences in `aud` (a string or an array) and in `azp`.
    fn audiences(&self) -> impl Iterator<Item = &str> {
        let several = self.aud.as_array().map_or(&[][..], Vec::as_slice);
        [&self.aud, &self.azp].into_iter().chain(several).filter_map(serde_json::Value::as_str)
    }
}

/// The rules for tokens, except for signature and times.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// The issuer, as in the claim `iss`.
    pub issuer: String,
    /// `aud` or `azp` must hold one of these audiences. An empty list accepts any audience.
    pub audiences: Vec<String>,
    /// `perms` must hold one of these permissions.
    pub permissions: Vec<String>,
}

/// Verifies tokens against the configured issuer, keys and permissions.
#[derive(Debug)]
pub struct Authenticator {
    validation: Validation,
    audiences: Vec<String>,
    permissions: Vec<String>,
    keys: Keys,
}

impl Authenticator {
    /// Accepts tokens that are signed with one of `keys` and follow `rules`.
    #[must_use]
    pub fn new(rules: TokenRules, keys: Keys) -> Self {
        let TokenRules { issuer, audiences, permissions } = rules;
        install_crypto_provider();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.set_issuer(&[&issuer]);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        // `authenticate` checks the audience instead, because CSP tokens may have it in `azp` and
        // often have none.
        validation.validate_aud = false;
        Self { validation, audiences, permissions, keys }
    }

    /// Fetches the keys ahead of the first request. If that fails, the first request tries again.
    pub async fn warm_up(&self) {
        if let Err(error) = self.keys.current().await {
            tracing::warn!(cause = %ErrorChain(&error), "no keys at start-up");
        }
    }

    /// Verifies the token in `headers` and its permission.
    ///
    /// # Errors
    ///
    /// [`AuthenticationError`]
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, AuthenticationError> {
        let token = token(headers)?;
        let claims = self.verify(token).await?;

        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let latest = (now + LEEWAY).as_secs_f64();
        if claims.iat.is_some_and(|issued_at| issued_at > latest) {
            return Err(TokenError::NotYetIssued.into());
        }
        if !self.audiences.is_empty()
            && !claims.audiences().any(|audience| self.audiences.iter().any(|it| it == audience))
        {
            return Err(TokenError::WrongAudience.into());
        }
        let organization = OrganizationId::try_from(claims.context_name)
            .map_err(|_| TokenError::NoOrganization)?;
        telemetry::record_organization(&organization);
        let user = [claims.username, claims.acct, claims.sub]
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
            .ok_or(TokenError::NoUser)?;

        let granted = claims.perms.as_array().map_or(&[][..], Vec::as_slice);
        let permitted =
            self.permissions.iter().any(|accepted| granted.iter().any(|perm| perm == accepted));
        if !permitted {
            return Err(AuthenticationError::NotPermitted);
        }
        Ok(Caller { organization, user })
    }

    /// Verifies `token` with the cached keys. If no key fits, fetches the keys again, so that the
    /// first request after a key rotation succeeds.
    #[tracing::instrument(level = "debug", name = "token", skip_all)]
    async fn verify(&self, token: &str) -> Result<Claims, AuthenticationError> {
        let keys = self.keys.current().await?;
        match self.verify_with(&keys, token) {
            Err(TokenError::NoKey) => match self.keys.newer_than(&keys).await {
                Some(newer) => Ok(self.verify_with(&newer, token)?),
                None => Err(TokenError::NoKey.into()),
            },
            result => Ok(result?),
        }
    }

    fn verify_with(&self, keys: &KeySet, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token)?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenError::NotRs256);
        }
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        for key in keys.candidates(header.kid.as_deref()) {
            match jsonwebtoken::decode(token, key, &self.validation) {
                Ok(TokenData { claims, .. }) => return Ok(claims),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TokenError::NoKey)
    }
}

/// Extracts the only token in `headers`, with or without `Bearer` before it.
fn token(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut values =
        headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(CSP_AUTH_TOKEN).iter());
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(TokenError::Missing),
        (Some(_), Some(_)) => return Err(TokenError::Several),
        (Some(value), None) => value.to_str().map_err(|_| TokenError::NotText)?,
    };
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_ascii_start(),
        _ => value,
    };
    match token.len() {
        0 => Err(TokenError::Missing),
        length if length > MAX_TOKEN_BYTES => Err(TokenError::TooLong),
        _ => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_length_limit() {
        let longest = "a".repeat(MAX_TOKEN_BYTES);
        let too_long = format!("{longest}a");
        for prefix in ["", "Bearer "] {
            let headers = |value: &str| {
                let value = format!("{prefix}{value}").parse().unwrap();
                HeaderMap::from_iter([(AUTHORIZATION, value)])
            };
            assert_eq!(token(&headers(&longest)).unwrap(), longest);
            assert!(matches!(token(&headers(&too_long)), Err(TokenError::TooLong)));
        }
    }
}
