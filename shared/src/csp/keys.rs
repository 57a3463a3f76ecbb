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
    /// The key is accepted, because both stores are on this machine.
    Trusted,
    /// The key is refused, because anybody can sign tokens with it.
    Rejected,
}

/// The public keys that tokens are verified with.
#[derive(Debug)]
pub enum Keys {
    /// The configuration holds the keys.
    Fixed(Arc<KeySet>),
    /// The keys are fetched from an endpoint and cached.
    Fetched(Box<JwksEndpoint>),
}

/// The configured source of keys is not usable.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySource {
    /// The source is not a URL.
    #[error("not a URL")]
    NotAUrl(#[from] ::http::uri::InvalidUri),
    /// The URL is not secure: over plain HTTP, an attacker on the network could replace the keys.
    #[error("not an https URL (or http on loopback)")]
    NotHttps,
    /// The JWKS holds the key that signs the tokens of `local`. Its private half is published.
    #[error("holds the published key of local tokens; generate your own key pair")]
    PublishedKey,
    /// The source is not a usable JWKS.
    #[error(transparent)]
    InvalidKeySet(#[from] InvalidKeySet),
}

impl Keys {
    /// Parses the keys in `jwks`, a JWKS document.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySource::InvalidKeySet`], or [`InvalidKeySource::PublishedKey`] if `published` is
    /// [`PublishedKey::Rejected`]
    pub fn fixed(jwks: &str, published: PublishedKey) -> Result<Self, InvalidKeySource> {
        let keys = KeySet::parse(jwks.as_bytes())?;
        if published == PublishedKey::Rejected && keys.has_published_key() {
            return Err(InvalidKeySource::PublishedKey);
        }
        Ok(Self::Fixed(Arc::new(keys)))
    }

    /// Uses the JWKS endpoint at `url`. The first fetch is when keys are first needed. If
    /// `published` is [`PublishedKey::Rejected`], the published key is dropped from the responses.
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
