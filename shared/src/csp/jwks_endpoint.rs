//! The JWKS endpoint: fetches the issuer's public keys and caches them.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use ::http::{StatusCode, Uri};
use aws_smithy_runtime_api::{
    client::{http::HttpConnector, orchestrator::HttpRequest, result::ConnectorError},
    http::HttpError,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use tokio::{sync::Mutex, time::Instant};

use super::jwks::{InvalidKeySet, KeySet};
use crate::{
    error::{BoxError, ErrorChain},
    https,
    metrics::{self, Dependency},
};

/// The limit for a whole fetch. A request waits for it, so it is short.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// The largest response that is read, in bytes; real ones have a few thousand.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The shortest time between two refreshes, however many bad tokens come in.
const REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// The age at which keys are fetched again: a key that the issuer withdraws is refused after this.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum JwksUnavailable {
    /// The endpoint cannot be reached.
    #[error("the JWKS endpoint does not respond")]
    Connection(#[from] ConnectorError),
    /// The URL does not make a request.
    #[error("the JWKS endpoint cannot be requested")]
    Request(#[from] HttpError),
    /// The endpoint responded with another status than 200; redirects are not followed.
    #[error("the JWKS endpoint responds with status {0}")]
    Status(u16),
    /// The response breaks off or exceeds the limit.
    #[error("the response of the JWKS endpoint cannot be read")]
    Body(#[source] BoxError),
    /// The response is not a usable JWKS.
    #[error("the response of the JWKS endpoint is not usable")]
    InvalidKeySet(#[from] InvalidKeySet),
    /// The endpoint takes too long.
    #[error("the JWKS endpoint does not respond within {} s", FETCH_TIMEOUT.as_secs())]
    TimedOut(#[from] tokio::time::error::Elapsed),
}

/// A JWKS endpoint and the keys that it last returned.
#[derive(Debug)]
pub struct JwksEndpoint {
    url: Uri,
    trusts_published_key: bool,
    cached: RwLock<Option<CachedKeys>>,
    /// The time when the last refresh began; locked during a fetch. The first fetch does not count,
    /// so that a rotation right after it is noticed too.
    last_refresh: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug)]
struct CachedKeys {
    keys: Arc<KeySet>,
    fetched_at: Instant,
}

impl JwksEndpoint {
    pub(super) fn new(url: Uri, trusts_published_key: bool) -> Self {
        Self {
            url,
            trusts_published_key,
            cached: RwLock::new(None),
            last_refresh: Mutex::new(None),
        }
    }

    /// The cached keys, fetched first if there are none and refreshed if they are old.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, JwksUnavailable> {
        match self.cached() {
            None => self.first().await,
            Some(cached) if cached.fetched_at.elapsed() < MAX_AGE => Ok(cached.keys),
            Some(cached) => Ok(self.newer_than(&cached.keys).await.unwrap_or(cached.keys)),
        }
    }

    /// Fetches the first keys. No request can be served without them, so every request tries.
    async fn first(&self) -> Result<Arc<KeySet>, JwksUnavailable> {
        let _fetching = self.last_refresh.lock().await;
        match self.cached() {
            Some(cached) => Ok(cached.keys),
            None => self.fetch().await,
        }
    }

    /// Returns keys newer than `seen`, fetched at most once per [`REFRESH_INTERVAL`].
    pub(super) async fn newer_than(&self, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let mut last_refresh = self.last_refresh.lock().await;
        if let Some(cached) = self.cached().filter(|cached| !Arc::ptr_eq(&cached.keys, seen)) {
            return Some(cached.keys);
        }
        if last_refresh.is_some_and(|begun| begun.elapsed() < REFRESH_INTERVAL) {
            return None;
        }
        *last_refresh = Some(Instant::now());
        self.fetch()
            .await
            .inspect_err(|error| {
                tracing::warn!(cause = %ErrorChain(error), "keys not refreshed");
            })
            .ok()
    }

    fn cached(&self) -> Option<CachedKeys> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch(&self) -> Result<Arc<KeySet>, JwksUnavailable> {
        let begun = Instant::now();
        let keys = self.request_within_timeout().await;
        metrics::attempted(Dependency::JwksEndpoint, begun.elapsed(), keys.is_err());
        let keys = Arc::new(keys?);
        metrics::keys_refreshed();
        let cached = CachedKeys { keys: Arc::clone(&keys), fetched_at: Instant::now() };
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some(cached);
        Ok(keys)
    }

    #[tracing::instrument(level = "debug", name = "jwks", skip_all)]
    async fn request_within_timeout(&self) -> Result<KeySet, JwksUnavailable> {
        let body = tokio::time::timeout(FETCH_TIMEOUT, self.request()).await??;
        let keys = KeySet::parse(&body)?;
        if self.trusts_published_key || !keys.has_published_key() {
            return Ok(keys);
        }
        tracing::warn!("the JWKS endpoint has the published key of local tokens; it is dropped");
        Ok(keys.without_published_key()?)
    }

    async fn request(&self) -> Result<Bytes, JwksUnavailable> {
        let response = https::connector().call(HttpRequest::get(self.url.to_string())?).await?;
        let status = response.status();
        if status.as_u16() != StatusCode::OK {
            return Err(JwksUnavailable::Status(status.as_u16()));
        }
        let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES);
        Ok(body.collect().await.map_err(JwksUnavailable::Body)?.to_bytes())
    }
}
