//! The issuer's public keys (a JWKS, RFC 7517): given in the configuration, or fetched and cached.

use std::{
    net::IpAddr,
    ops::RangeInclusive,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use ::http::{StatusCode, Uri};
use aws_smithy_runtime_api::{
    client::{http::HttpConnector, orchestrator::HttpRequest, result::ConnectorError},
    http::HttpError,
};
use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    https,
    metrics::{self, Dependency},
    telemetry::Chain,
};

/// How long a fetch may take in all. It stands in a request's way, so it is short.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// The largest answer read from a key server, in bytes; real ones have a few thousand.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The most keys of one set that are kept: more would only slow down the refusal of a bad token.
const MAX_KEYS: usize = 16;

/// The moduli that signatures are checked with, in bytes and without zeros before them: 2048 to
/// 8192 bits, as `ring` has it. A key of another size would be refused with every token.
const MODULUS_BYTES: RangeInclusive<usize> = 256..=1024;

/// The least time between two refreshes of keys that are there, however many bad tokens come in.
const REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// How long keys are used unasked: a key that the issuer withdraws is refused after this time.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The keys in use.
#[derive(Debug)]
pub enum Keys {
    /// The configuration holds them.
    Fixed(Arc<KeySet>),
    /// A key server answers them.
    Fetched(Box<KeyServer>),
}

/// Why a configured source of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySource {
    /// It is no URL.
    #[error("not a URL")]
    NotAUrl(#[from] ::http::uri::InvalidUri),
    /// Whoever stands in the middle could answer keys of their own.
    #[error("not an https URL (or http on loopback)")]
    NotHttps,
    /// It is no JWKS.
    #[error(transparent)]
    InvalidKeySet(#[from] InvalidKeySet),
}

impl Keys {
    /// The keys in `jwks`, a JWKS.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet`]
    pub fn fixed(jwks: &str) -> Result<Self, InvalidKeySource> {
        Ok(Self::Fixed(Arc::new(KeySet::parse(jwks.as_bytes())?)))
    }

    /// The keys that `url` answers; asked when first needed.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySource`]
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
        Ok(Self::Fetched(Box::new(KeyServer::new(url))))
    }

    /// The keys to check a token with.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, KeysUnavailable> {
        match self {
            Self::Fixed(keys) => Ok(Arc::clone(keys)),
            Self::Fetched(server) => server.current().await,
        }
    }

    /// Keys newer than `seen`, if there are any.
    pub(super) async fn newer_than(&self, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        match self {
            Self::Fixed(_) => None,
            Self::Fetched(server) => server.newer_than(seen).await,
        }
    }
}

/// A set of public keys that RS256 signatures can be checked with.
#[derive(Debug)]
pub struct KeySet(Vec<PublicKey>);

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    key: DecodingKey,
}

/// Why a text is no usable [`KeySet`].
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySet {
    /// It is no JWKS. What it is instead is not told: it could be anything, and of any length.
    #[error("not a JWKS (line {line}, column {column})")]
    Malformed {
        /// The line where that shows, counted from 1.
        line: usize,
        /// The column where that shows, in bytes, counted from 1.
        column: usize,
    },
    /// It holds no key for RS256, of a size that is safe.
    #[error("no RSA key of 2048 to 8192 bits for RS256 signatures")]
    NoUsableKey,
}

impl From<serde_json::Error> for InvalidKeySet {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed { line: error.line(), column: error.column() }
    }
}

/// The members of a JWK that matter here (RFC 7517, section 4; RFC 7518, section 6.3).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    r#use: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl KeySet {
    /// Reads a JWKS, passing over keys of other kinds and for other uses, and what is no key, as
    /// RFC 7517, section 5, wants it.
    fn parse(jwks: &[u8]) -> Result<Self, InvalidKeySet> {
        #[derive(Deserialize)]
        struct Jwks {
            keys: Vec<serde_json::Value>,
        }
        let jwks: Jwks = serde_json::from_slice(jwks)?;
        let jwks = jwks.keys.into_iter().filter_map(|jwk| Jwk::deserialize(jwk).ok());
        let mut keys: Vec<_> = jwks.filter_map(PublicKey::from_jwk).collect();
        if keys.is_empty() {
            return Err(InvalidKeySet::NoUsableKey);
        }
        if keys.len() > MAX_KEYS {
            tracing::warn!("of {} keys only the first {MAX_KEYS} are used", keys.len());
            keys.truncate(MAX_KEYS);
        }
        Ok(Self(keys))
    }

    /// The keys that may have signed a token whose header names the key `id`. A key without a
    /// name, and every key for a token that names none, is worth a try.
    pub(super) fn candidates<'a>(
        &'a self,
        id: Option<&'a str>,
    ) -> impl Iterator<Item = &'a DecodingKey> {
        self.0
            .iter()
            .filter(move |key| id.is_none() || key.id.is_none() || key.id.as_deref() == id)
            .map(|key| &key.key)
    }
}

impl PublicKey {
    fn from_jwk(jwk: Jwk) -> Option<Self> {
        let fits = jwk.kty == "RSA"
            && jwk.r#use.is_none_or(|r#use| r#use == "sig")
            && jwk.alg.is_none_or(|alg| alg == "RS256");
        let modulus = URL_SAFE_NO_PAD.decode_to_vec(jwk.n?).ok()?;
        let exponent = URL_SAFE_NO_PAD.decode_to_vec(jwk.e?).ok()?;
        let safe = MODULUS_BYTES.contains(&modulus.len()) && modulus.first() != Some(&0);
        let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
        (fits && safe).then_some(Self { id: jwk.kid, key })
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysUnavailable {
    /// The key server could not be asked.
    #[error("the key server does not answer")]
    Connection(#[from] ConnectorError),
    /// The request cannot be made.
    #[error("the key server cannot be asked")]
    Request(#[from] HttpError),
    /// The key server answered something other than 200; redirections are not followed.
    #[error("the key server answers {0}")]
    Status(u16),
    /// The answer breaks off, or is larger than it may be.
    #[error("the key server's answer cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer holds no keys.
    #[error("the key server's answer is not usable")]
    InvalidKeySet(#[from] InvalidKeySet),
    /// The key server takes too long.
    #[error("the key server does not answer within {} s", FETCH_TIMEOUT.as_secs())]
    TimedOut(#[from] tokio::time::error::Elapsed),
}

/// A key server, and what it last answered.
#[derive(Debug)]
pub struct KeyServer {
    url: Uri,
    cached: RwLock<Option<Cached>>,
    /// When a refresh was last begun; held while anything is fetched. The first fetch is none: a
    /// rotation just after it is noticed, too.
    last_refresh: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug)]
struct Cached {
    keys: Arc<KeySet>,
    fetched_at: Instant,
}

impl KeyServer {
    fn new(url: Uri) -> Self {
        Self { url, cached: RwLock::new(None), last_refresh: Mutex::new(None) }
    }

    async fn current(&self) -> Result<Arc<KeySet>, KeysUnavailable> {
        match self.cached() {
            None => self.first().await,
            Some(cached) if cached.fetched_at.elapsed() < MAX_AGE => Ok(cached.keys),
            Some(cached) => Ok(self.newer_than(&cached.keys).await.unwrap_or(cached.keys)),
        }
    }

    /// The first keys: without them nothing can be answered, so every request tries.
    async fn first(&self) -> Result<Arc<KeySet>, KeysUnavailable> {
        let _fetching = self.last_refresh.lock().await;
        match self.cached() {
            Some(cached) => Ok(cached.keys),
            None => self.fetch().await,
        }
    }

    async fn newer_than(&self, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
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
                tracing::warn!(cause = %Chain(error), "keys not refreshed");
            })
            .ok()
    }

    fn cached(&self) -> Option<Cached> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch(&self) -> Result<Arc<KeySet>, KeysUnavailable> {
        let begun = Instant::now();
        let keys = self.ask().await;
        metrics::attempted(Dependency::KeyServer, begun.elapsed(), keys.is_err());
        let keys = Arc::new(keys?);
        metrics::keys_refreshed();
        let cached = Cached { keys: Arc::clone(&keys), fetched_at: Instant::now() };
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some(cached);
        Ok(keys)
    }

    #[tracing::instrument(level = "debug", name = "keys", skip_all)]
    async fn ask(&self) -> Result<KeySet, KeysUnavailable> {
        let answer = tokio::time::timeout(FETCH_TIMEOUT, self.answer()).await??;
        Ok(KeySet::parse(&answer)?)
    }

    async fn answer(&self) -> Result<Bytes, KeysUnavailable> {
        let answer = https::connector().call(HttpRequest::get(self.url.to_string())?).await?;
        let status = answer.status();
        if status.as_u16() != StatusCode::OK {
            return Err(KeysUnavailable::Status(status.as_u16()));
        }
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES);
        Ok(body.collect().await.map_err(KeysUnavailable::Body)?.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn jwk(modulus: &[u8]) -> Value {
        json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode_to_string(modulus), "e": "AQAB"})
    }

    fn parse(keys: &[Value]) -> Result<KeySet, InvalidKeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn a_key_that_can_check_no_signature_is_none() {
        for bytes in [256, 1024] {
            assert_eq!(parse(&[jwk(&vec![0xff; bytes])]).unwrap().0.len(), 1, "{bytes} bytes");
        }
        let mut padded = [0xff; 257];
        padded[0] = 0;
        for modulus in [&[0xff; 255][..], &[0xff; 1025], &padded, &[]] {
            let bytes = modulus.len();
            let refusal = parse(&[jwk(modulus)]);
            assert!(matches!(refusal, Err(InvalidKeySet::NoUsableKey)), "{bytes} bytes");
        }
    }

    #[test]
    fn more_keys_than_a_token_is_tried_with_are_left_out() {
        let mut keys = vec![jwk(&[0xff; 256]); MAX_KEYS + 1];
        assert_eq!(parse(&keys).unwrap().0.len(), MAX_KEYS);
        // What is no key does not count.
        keys[0] = json!("no key");
        keys[1]["use"] = json!("enc");
        assert_eq!(parse(&keys).unwrap().0.len(), MAX_KEYS - 1);
    }
}
