//! The configured source of public keys: a fixed JWKS, or a JWKS endpoint.

use std::{net::IpAddr, sync::Arc};

use ::http::Uri;

use super::{
    jwks::{InvalidKeySet, KeySet},
    jwks_endpoint::{JwksEndpoint, JwksUnavailable},
};

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
    /// It is not a JWKS.
    #[error(transparent)]
    InvalidKeySet(#[from] InvalidKeySet),
}

impl Keys {
    /// Parses the keys in `jwks`, a JWKS document.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySource::InvalidKeySet`]
    pub fn fixed(jwks: &str) -> Result<Self, InvalidKeySource> {
        Ok(Self::Fixed(Arc::new(KeySet::parse(jwks.as_bytes())?)))
    }

    /// Uses the JWKS endpoint at `url`; it is requested when keys are first needed.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySource::NotAUrl`] or [`InvalidKeySource::NotHttps`]
    pub fn fetched(url: &str) -> Result<Self, InvalidKeySource> {
        let url: Uri = url.parse()?;
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let loopback =
            host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        match url.scheme_str() {
            Some("https") if !host.is_empty() => {}
            Some("http") if loopback => {}
            _ => return Err(InvalidKeySource::NotHttps),
        }
        Ok(Self::Fetched(Box::new(JwksEndpoint::new(url))))
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
