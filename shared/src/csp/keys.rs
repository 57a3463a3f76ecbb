//! The configured source of public keys: a fixed JWKS, or a JWKS endpoint.

use std::sync::Arc;

use ::http::Uri;

use super::{
    jwks::{InvalidKeySet, KeySet},
    jwks_endpoint::{JwksEndpoint, JwksUnavailable, RefreshLimits},
};
use crate::https;

/// The policy for the key that signs the tokens of `local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishedKey {
    /// Both stores are on this machine, so there is nothing to protect.
    Trusted,
    /// Anybody could sign tokens.
    Rejected,
}

/// The public keys that tokens are verified with.
#[derive(Debug)]
pub enum Keys {
    /// The configuration holds them.
    Fixed(Arc<KeySet>),
    /// They are fetched from an endpoint and cached.
    Fetched(Box<JwksEndpoint>),
}

/// The configured source of keys is not usable.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySource {
    /// It is not a URL.
    #[error("not a URL")]
    NotAUrl(#[from] ::http::uri::InvalidUri),
    /// Over plain HTTP, anybody on the network could answer with keys of their own.
    #[error("not an https URL (or http on loopback)")]
    NotHttps,
    /// It holds the key that signs the tokens of `local`, whose private half is published.
    #[error("holds the published key of local tokens; make a key pair of your own")]
    PublishedKey,
    /// It is not a JWKS.
    #[error(transparent)]
    InvalidKeySet(#[from] InvalidKeySet),
}

impl Keys {
    /// Parses the keys in `jwks`, a JWKS document.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySource::InvalidKeySet`], or [`InvalidKeySource::PublishedKey`] if that is rejected
    pub fn fixed(jwks: &str, published: PublishedKey) -> Result<Self, InvalidKeySource> {
        let keys = KeySet::parse(jwks.as_bytes())?;
        if published == PublishedKey::Rejected && keys.has_published_key() {
            return Err(InvalidKeySource::PublishedKey);
        }
        Ok(Self::Fixed(Arc::new(keys)))
    }

    /// Uses the JWKS endpoint at `url`; it is requested when keys are first needed. A rejected
    /// published key is dropped from its responses.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySource::NotAUrl`] or [`InvalidKeySource::NotHttps`]
    pub fn fetched(url: &str, published: PublishedKey) -> Result<Self, InvalidKeySource> {
        let url: Uri = url.parse()?;
        match url.scheme_str() {
            Some("https") if url.host().is_some_and(|host| !host.is_empty()) => {}
            Some("http") if https::is_loopback(&url) => {}
            _ => return Err(InvalidKeySource::NotHttps),
        }
        let trusts_published_key = published == PublishedKey::Trusted;
        let limits = RefreshLimits::PRODUCTION;
        Ok(Self::Fetched(Box::new(JwksEndpoint::new(url, trusts_published_key, limits))))
    }

    /// The keys to verify a token with.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, JwksUnavailable> {
        match self {
            Self::Fixed(keys) => Ok(Arc::clone(keys)),
            Self::Fetched(endpoint) => endpoint.current().await,
        }
    }

    /// Returns keys newer than `seen`, if the source has any.
    pub(super) async fn newer_than(&self, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        match self {
            Self::Fixed(_) => None,
            Self::Fetched(endpoint) => endpoint.newer_than(seen).await,
        }
    }
}
