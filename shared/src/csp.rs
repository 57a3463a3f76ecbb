//! Who calls: VMware CSP access tokens (JWT, RS256).

mod keys;
mod rs256;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, TokenData, Validation, errors::ErrorKind};
use serde::Deserialize;

use self::keys::KeySet;
pub use self::{
    keys::{InvalidKeySource, Keys, KeysUnavailable},
    rs256::install_crypto_provider,
};
use crate::{
    problem::Problem,
    telemetry::{self, Chain},
};

/// The header that some sibling VMware APIs name the token in.
const CSP_AUTH_TOKEN: &str = "csp-auth-token";

/// How far the clocks of the issuer and of this machine may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// A longer token is refused unread, in bytes. Real ones have one to four thousand.
const MAX_TOKEN_BYTES: usize = 16 * 1024 - 1;

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The organization whose catalogs the caller sees.
    pub organization: String,
    /// The user's name.
    pub user: String,
}

/// Why a token is refused: for the log. The client is told nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No header carries a token.
    #[error("there is no token")]
    Missing,
    /// More than one header does: which of them counts would be a guess.
    #[error("there is more than one token")]
    Several,
    /// The header's bytes are no token.
    #[error("the token is not text")]
    NotText,
    /// The token is longer than any real one.
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// The token is no JWT, or a header or claim of it is of another type than it must be. Which
    /// is not told: the text of that error repeats what the sender wrote.
    #[error("the token is not a JWT, or not of the members that it must have")]
    Malformed,
    /// The token is signed in another way than RS256.
    #[error("the token is not signed with RS256")]
    NotRs256,
    /// The token's issuer or times are wrong.
    #[error("the token is not valid")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    /// The token asks for an extension that nobody here understands (RFC 7515, section 4.1.11).
    #[error("the token has critical extensions")]
    Critical,
    /// No configured key fits the token.
    #[error("no key fits the token")]
    NoKey,
    /// The token is issued in the future.
    #[error("the token is not issued yet")]
    NotYetIssued,
    /// The token speaks for no particular organization.
    #[error("the token names no organization")]
    NoOrganization,
    /// The token names no user.
    #[error("the token names no user")]
    NoUser,
}

impl From<jsonwebtoken::errors::Error> for Refusal {
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

/// Why a request may not go on.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The token is missing or refused.
    #[error("the token is refused")]
    Refused(#[from] Refusal),
    /// The token is good, but its user may not do this.
    #[error("the user lacks the permission")]
    NotPermitted,
    /// There are no keys to check a token with.
    #[error("there are no keys to check the token with")]
    KeysUnavailable(#[from] KeysUnavailable),
}

impl From<AuthenticationError> for Problem {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Refused(refusal) => Self::Unauthenticated(refusal),
            AuthenticationError::NotPermitted => Self::Forbidden,
            AuthenticationError::KeysUnavailable(cause) => Self::ServiceUnavailable(cause.into()),
        }
    }
}

/// The claims that are read here; jsonwebtoken itself checks `exp`, `nbf` and `iss`.
#[derive(Deserialize)]
struct Claims {
    /// Here only to be one text: jsonwebtoken is content with a list that holds the issuer.
    #[serde(rename = "iss")]
    _issuer: String,
    #[serde(default)]
    context_name: String,
    username: Option<String>,
    acct: Option<String>,
    sub: Option<String>,
    iat: Option<f64>,
    #[serde(default)]
    perms: serde_json::Value,
}

/// Checks tokens against the configured issuer, keys and permissions.
#[derive(Debug)]
pub struct Authenticator {
    validation: Validation,
    permissions: Vec<String>,
    keys: Keys,
}

impl Authenticator {
    /// An authenticator for tokens of `issuer`, signed with a key of `keys`, whose user holds any
    /// of `permissions`.
    #[must_use]
    pub fn new(issuer: &str, permissions: Vec<String>, keys: Keys) -> Self {
        install_crypto_provider();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.set_issuer(&[issuer]);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        // CSP tokens carry no audience at times, and none that names this service.
        validation.validate_aud = false;
        Self { validation, permissions, keys }
    }

    /// Fetches the keys ahead of the first request; if that fails, the first request tries again.
    pub async fn warm_up(&self) {
        if let Err(error) = self.keys.current().await {
            tracing::warn!(cause = %Chain(&error), "no keys at start-up");
        }
    }

    /// Whom the token in `headers` speaks for, if it is good and its user has the permission.
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
            return Err(Refusal::NotYetIssued.into());
        }
        // `default` means no particular organization.
        if matches!(claims.context_name.as_str(), "" | "default") {
            return Err(Refusal::NoOrganization.into());
        }
        telemetry::note_organization(&claims.context_name);
        let user = [claims.username, claims.acct, claims.sub]
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
            .ok_or(Refusal::NoUser)?;

        let held = claims.perms.as_array().map_or(&[][..], Vec::as_slice);
        let permitted =
            self.permissions.iter().any(|wanted| held.iter().any(|perm| perm == wanted));
        if !permitted {
            return Err(AuthenticationError::NotPermitted);
        }
        Ok(Caller { organization: claims.context_name, user })
    }

    /// The claims of `token`, checked with the keys in hand and, where no key of them fits, with
    /// newly fetched ones: so the first request after a rotation passes.
    #[tracing::instrument(level = "debug", name = "token", skip_all)]
    async fn verify(&self, token: &str) -> Result<Claims, AuthenticationError> {
        let keys = self.keys.current().await?;
        match self.verify_with(&keys, token) {
            Err(Refusal::NoKey) => match self.keys.newer_than(&keys).await {
                Some(newer) => Ok(self.verify_with(&newer, token)?),
                None => Err(Refusal::NoKey.into()),
            },
            verdict => Ok(verdict?),
        }
    }

    fn verify_with(&self, keys: &KeySet, token: &str) -> Result<Claims, Refusal> {
        let header = jsonwebtoken::decode_header(token)?;
        if header.alg != Algorithm::RS256 {
            return Err(Refusal::NotRs256);
        }
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        for key in keys.candidates(header.kid.as_deref()) {
            match jsonwebtoken::decode(token, key, &self.validation) {
                Ok(TokenData { claims, .. }) => return Ok(claims),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::NoKey)
    }
}

/// The one token in `headers`, with `Bearer` or bare.
fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values =
        headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(CSP_AUTH_TOKEN).iter());
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Refusal::Missing),
        (Some(_), Some(_)) => return Err(Refusal::Several),
        (Some(value), None) => value.to_str().map_err(|_| Refusal::NotText)?,
    };
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_ascii_start(),
        _ => value,
    };
    match token.len() {
        0 => Err(Refusal::Missing),
        length if length > MAX_TOKEN_BYTES => Err(Refusal::TooLong),
        _ => Ok(token),
    }
}
