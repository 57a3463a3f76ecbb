//! Builder of tokens with a forged header, forged claims or a forged signature.
//!
//! ```no_run
//! use tests::jwt::{Jwt, TestKey};
//!
//! let wrong_key = Jwt::default().signed_by(TestKey::ATTACKER);
//! let unsigned = Jwt::default().header("alg", "none").signed_with(|_| String::new());
//! ```

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use local::csp::Token;
use ring::signature::{KeyPair, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Map, Value, json};
use shared::csp::install_crypto_provider;

/// An RSA key pair of the tests. Its private key is public.
#[derive(Clone, Copy, Debug)]
pub struct TestKey {
    /// PKCS #1, DER.
    der: &'static [u8],
}

impl TestKey {
    /// The key that the local stack trusts.
    pub const ISSUER: Self =
        Self { der: include_bytes!("../../local/csp/insecure-signing-key.der") };

    /// A key that the local stack does not trust, made with `openssl genrsa`.
    pub const ATTACKER: Self = Self { der: include_bytes!("../csp/insecure-attackers-key.der") };

    fn pair(self) -> RsaKeyPair {
        RsaKeyPair::from_der(self.der).expect("the key is valid DER")
    }

    /// The public key as PKCS #1, DER.
    pub fn public_der(self) -> Vec<u8> {
        self.pair().public_key().as_ref().to_vec()
    }

    /// The public key as a JWK, with `id` as its `kid` if there is one.
    pub fn jwk(self, id: Option<&str>) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.pair().public_key());
        let base64 = |number: &[u8]| URL_SAFE_NO_PAD.encode_to_string(number);
        let mut jwk = json!({"kty": "RSA", "n": base64(&public.n), "e": base64(&public.e)});
        if let Some(id) = id {
            jwk["kid"] = json!(id);
        }
        jwk
    }

    /// The RS256 signature of `message` in base64url.
    fn sign(self, message: &str) -> String {
        install_crypto_provider();
        let key = EncodingKey::from_rsa_der(self.der);
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::RS256)
            .expect("the key can sign")
    }
}

/// Builder of a token. The default is a valid token of the sample catalog's organization.
#[derive(Clone, Debug)]
pub struct Jwt {
    header: Map<String, Value>,
    claims: String,
}

impl Default for Jwt {
    fn default() -> Self {
        Self::from_token(Token::default())
    }
}

impl Jwt {
    /// A token with the header and the claims of `token`.
    pub fn from_token(token: Token) -> Self {
        let token = token.sign().expect("the token can be signed");
        let mut parts = token
            .split('.')
            .map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode_to_vec(part).unwrap_or_default()));
        let mut next_part =
            || parts.next().expect("a token has three parts").expect("JSON is UTF-8");
        let header = serde_json::from_str(&next_part()).expect("the header is an object");
        Self { header, claims: next_part() }
    }

    /// Sets the member `name` of the header. `null` removes it.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self.header.retain(|_, value| !value.is_null());
        self
    }

    /// Inserts `members` before the other claims, unparsed: duplicate members, or invalid JSON.
    #[must_use]
    pub fn prepend_claims(mut self, members: &str) -> Self {
        self.claims.insert_str(1, members);
        self
    }

    /// The token with a signature of `key`.
    pub fn signed_by(&self, key: TestKey) -> String {
        self.signed_with(|message| key.sign(message))
    }

    /// The token with the signature that `sign` returns for the message.
    pub fn signed_with(&self, sign: impl FnOnce(&str) -> String) -> String {
        let header = serde_json::to_vec(&self.header).expect("the header is JSON");
        let base64 = |part: &[u8]| URL_SAFE_NO_PAD.encode_to_string(part);
        let message = format!("{}.{}", base64(&header), base64(self.claims.as_bytes()));
        let signature = sign(&message);
        format!("{message}.{signature}")
    }
}
