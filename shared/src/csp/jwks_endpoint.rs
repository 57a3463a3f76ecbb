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

/// The limit for a whole fetch. It is short, because a request waits for the fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// The maximum size of a response in bytes. Real responses have a few thousand bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The limits that decide when cached keys are fetched again.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefreshLimits {
    /// The age at which keys are fetched again. After a successful fetch, a key that the issuer has
    /// withdrawn is refused.
    max_age: Duration,
    /// The minimum time between two refreshes. It is a rate limit: without it, each token that no
    /// cached key verifies would cause a fetch.
    interval: Duration,
}

impl RefreshLimits {
    pub(super) const PRODUCTION: Self =
        Self { max_age: Duration::from_hours(1), interval: Duration::from_mins(1) };
}

/// The keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum JwksUnavailable {
    /// The endpoint cannot be reached.
    #[error("the JWKS endpoint does not respond")]
    Connection(#[from] ConnectorError),
    /// The URL does not make a valid request.
    #[error("the JWKS request cannot be built")]
    Request(#[from] HttpError),
    /// The endpoint responded with a status other than 200. Redirects are not followed.
    #[error("the JWKS endpoint responds with status {0}")]
    Status(u16),
    /// The response is incomplete or exceeds the limit.
    #[error("the response of the JWKS endpoint cannot be read")]
    Body(#[source] BoxError),
    /// The response is not a usable JWKS.
    #[error("the response of the JWKS endpoint is not usable")]
    InvalidKeySet(#[from] InvalidKeySet),
    /// The endpoint did not respond in time.
    #[error("the JWKS endpoint does not respond within {} s", FETCH_TIMEOUT.as_secs())]
    TimedOut(#[from] tokio::time::error::Elapsed),
}

/// A JWKS endpoint and the keys that it last returned.
#[derive(Debug)]
pub struct JwksEndpoint {
    url: Uri,
    trusts_published_key: bool,
    limits: RefreshLimits,
    cached: RwLock<Option<CachedKeys>>,
    /// The time when the last refresh began. It is locked during a fetch, so that concurrent
    /// requests share the fetch. The first fetch does not set it, so that a refresh is possible
    /// immediately afterwards.
    last_refresh: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug)]
struct CachedKeys {
    keys: Arc<KeySet>,
    fetched_at: Instant,
}

impl JwksEndpoint {
    pub(super) fn new(url: Uri, trusts_published_key: bool, limits: RefreshLimits) -> Self {
        let (cached, last_refresh) = (RwLock::new(None), Mutex::new(None));
        Self { url, trusts_published_key, limits, cached, last_refresh }
    }

    /// Returns the cached keys. Fetches them first if there are none, and refreshes them if they
    /// are old.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, JwksUnavailable> {
        match self.cached() {
            None => self.fetch_first().await,
            Some(cached) if cached.fetched_at.elapsed() < self.limits.max_age => Ok(cached.keys),
            Some(cached) => Ok(self.newer_than(&cached.keys).await.unwrap_or(cached.keys)),
        }
    }

    /// Fetches the first keys. There is no rate limit, because no request can succeed without keys.
    async fn fetch_first(&self) -> Result<Arc<KeySet>, JwksUnavailable> {
        let _fetching = self.last_refresh.lock().await;
        match self.cached() {
            Some(cached) => Ok(cached.keys),
            None => self.fetch().await,
        }
    }

    /// Returns keys newer than `seen`, fetched at most once per [`RefreshLimits::interval`].
    pub(super) async fn newer_than(&self, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let mut last_refresh = self.last_refresh.lock().await;
        if let Some(cached) = self.cached().filter(|cached| !Arc::ptr_eq(&cached.keys, seen)) {
            return Some(cached.keys);
        }
        if last_refresh.is_some_and(|started| started.elapsed() < self.limits.interval) {
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
        let started = Instant::now();
        let keys = self.request_within_timeout().await;
        metrics::attempted(Dependency::JwksEndpoint, started.elapsed(), keys.is_err());
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
        tracing::warn!("dropped the published key of local tokens from the JWKS response");
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use base64_simd::URL_SAFE_NO_PAD;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    /// Serves a JWKS of at least `bytes` bytes, and counts the requests.
    async fn serve(bytes: usize) -> (Uri, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let modulus = URL_SAFE_NO_PAD.encode_to_string([0xff; 256]);
        let body = format!(r#"{{"keys":[{{"kty":"RSA","n":"{modulus}","e":"AQAB"}}]}}"#);
        let padding = " ".repeat(bytes.saturating_sub(body.len()));
        let body = body + &padding;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
                counter.fetch_add(1, Ordering::SeqCst);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        (url, requests)
    }

    #[tokio::test]
    async fn keys_are_refreshed_at_their_maximum_age() {
        for (max_age, expected) in [(LONG, 1), (Duration::ZERO, 3)] {
            let (url, requests) = serve(0).await;
            let limits = RefreshLimits { max_age, interval: Duration::ZERO };
            let endpoint = JwksEndpoint::new(url, false, limits);
            for _ in 0..3 {
                endpoint.current().await.unwrap();
            }
            assert_eq!(requests.load(Ordering::SeqCst), expected, "{max_age:?}");
        }
    }

    #[tokio::test]
    async fn refreshes_are_rate_limited() {
        for (interval, expected) in [(LONG, 2), (Duration::ZERO, 4)] {
            let (url, requests) = serve(0).await;
            let endpoint = JwksEndpoint::new(url, false, RefreshLimits { max_age: LONG, interval });
            let mut keys = endpoint.current().await.unwrap();
            for _ in 0..3 {
                keys = endpoint.newer_than(&keys).await.unwrap_or(keys);
            }
            assert_eq!(requests.load(Ordering::SeqCst), expected, "{interval:?}");
        }
    }
    #[tokio::test]
    async fn a_response_has_at_most_64_kibibytes() {
        for (bytes, accepted) in [(MAX_RESPONSE_BYTES, true), (MAX_RESPONSE_BYTES + 1, false)] {
            let (url, _) = serve(bytes).await;
            let limits = RefreshLimits { max_age: LONG, interval: LONG };
            let keys = JwksEndpoint::new(url, false, limits).current().await;
            assert_eq!(keys.is_ok(), accepted, "{bytes} bytes");
            assert!(accepted || matches!(keys, Err(JwksUnavailable::Body(_))));
        }
    }
}
