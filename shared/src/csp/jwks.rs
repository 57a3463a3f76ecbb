//! JWKS documents (RFC 7517): the public keys that RS256 signatures are verified with.

use std::ops::RangeInclusive;

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

use crate::domain::Digest;

/// The maximum number of keys of one set that are used. It limits the time to refuse a bad token,
/// which may be checked with each key.
const MAX_KEYS: usize = 16;

/// The accepted sizes of a modulus in bytes, without leading zeros: 2048 to 8192 bits, as ring
/// requires. A key of another size would verify no token.
const MODULUS_BYTES: RangeInclusive<usize> = 256..=1024;

/// The SHA-256 of the modulus of the key in `local/csp/insecure-keys.json`. Its private half is
/// published, so anybody can sign tokens with it.
const PUBLISHED_MODULUS: &str = "870b90949b888a7b6148f01b4aa10c2fbd9a8d6a12a6d3e11c5fabd6655d16ab";

/// A set of public keys for RS256.
#[derive(Debug)]
pub struct KeySet(Vec<PublicKey>);

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    key: DecodingKey,
    is_published: bool,
}

/// The document is not a usable JWKS.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySet {
    /// It is not a JWKS. The error does not repeat text of the document, which is untrusted and can
    /// have any length.
    #[error("not a JWKS (line {line}, column {column})")]
    Malformed {
        /// The line of the error, from 1.
        line: usize,
        /// The column of the error in bytes, from 1.
        column: usize,
    },
    /// It holds no RSA key for RS256 of a safe size.
    #[error("no RSA key of 2048 to 8192 bits for RS256 signatures")]
    NoUsableKey,
}

impl From<serde_json::Error> for InvalidKeySet {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed { line: error.line(), column: error.column() }
    }
}

/// The members of a JWK that are used here (RFC 7517, section 4; RFC 7518, section 6.3).
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
    /// Parses a JWKS. Skips keys of other types or for other uses, and entries that are not keys
    /// (RFC 7517, section 5).
    pub(super) fn parse(jwks: &[u8]) -> Result<Self, InvalidKeySet> {
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

    /// Returns true if the set holds the key that signs the tokens of `local`.
    pub(super) fn has_published_key(&self) -> bool {
        self.0.iter().any(|key| key.is_published)
    }

    /// Removes the key that signs the tokens of `local`.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet::NoUsableKey`] if no key is left.
    pub(super) fn without_published_key(mut self) -> Result<Self, InvalidKeySet> {
        self.0.retain(|key| !key.is_published);
        if self.0.is_empty() { Err(InvalidKeySet::NoUsableKey) } else { Ok(self) }
    }

    /// The keys that may have signed a token with the key identifier `id`. A key without an
    /// identifier may have signed any token. Any key may have signed a token without an identifier.
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
        let is_for_rs256 = jwk.kty == "RSA"
            && jwk.r#use.is_none_or(|r#use| r#use == "sig")
            && jwk.alg.is_none_or(|alg| alg == "RS256");
        let modulus = URL_SAFE_NO_PAD.decode_to_vec(jwk.n?).ok()?;
        let exponent = URL_SAFE_NO_PAD.decode_to_vec(jwk.e?).ok()?;
        let is_safe_size = MODULUS_BYTES.contains(&modulus.len()) && modulus.first() != Some(&0);
        let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
        let is_published = Digest::of(&modulus).to_string() == PUBLISHED_MODULUS;
        (is_for_rs256 && is_safe_size).then_some(Self { id: jwk.kid, key, is_published })
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
    fn a_key_of_an_unsafe_size_is_skipped() {
        for bytes in [256, 1024] {
            assert_eq!(parse(&[jwk(&vec![0xff; bytes])]).unwrap().0.len(), 1, "{bytes} bytes");
        }
        let mut padded = [0xff; 257];
        padded[0] = 0;
        for modulus in [&[0xff; 255][..], &[0xff; 1025], &padded, &[]] {
            let bytes = modulus.len();
            let result = parse(&[jwk(modulus)]);
            assert!(matches!(result, Err(InvalidKeySet::NoUsableKey)), "{bytes} bytes");
        }
    }

    #[test]
    fn the_published_key_is_recognized_by_its_modulus() {
        let jwks = include_str!("../../../local/csp/insecure-keys.json");
        let published: Value = serde_json::from_str(jwks).unwrap();
        let mut renamed = published["keys"][0].clone();
        renamed["kid"] = json!("another");
        for key in [&published["keys"][0], &renamed] {
            let keys = parse(&[key.clone(), jwk(&[0xff; 256])]).unwrap();
            assert!(keys.has_published_key());
            assert_eq!(keys.without_published_key().unwrap().0.len(), 1);
            let alone = parse(std::slice::from_ref(key)).unwrap().without_published_key();
            assert!(matches!(alone, Err(InvalidKeySet::NoUsableKey)));
        }
        assert!(!parse(&[jwk(&[0xff; 256])]).unwrap().has_published_key());
    }

    #[test]
    fn keys_past_the_limit_are_skipped() {
        let mut keys = vec![jwk(&[0xff; 256]); MAX_KEYS + 1];
        assert_eq!(parse(&keys).unwrap().0.len(), MAX_KEYS);
        keys[0] = json!("not a key");
        keys[1]["use"] = json!("enc");
        assert_eq!(parse(&keys).unwrap().0.len(), MAX_KEYS - 1);
    }
}
