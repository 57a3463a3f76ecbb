//! Tokens put together part by part, as no honest issuer makes them.

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use local::csp::Token;
use ring::signature::{KeyPair, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Map, Value, json};
use shared::csp::install_crypto_provider;

/// An RSA key pair that everybody has.
#[derive(Clone, Copy, Debug)]
pub struct KeyOf {
    /// PKCS #1 in DER.
    der: &'static [u8],
}

impl KeyOf {
    /// The key that the stack trusts.
    pub const ISSUER: Self =
        Self { der: include_bytes!("../../local/csp/insecure-signing-key.der") };

    /// A key that it does not, made once with `openssl genrsa`.
    pub const ATTACKER: Self = Self { der: include_bytes!("../csp/insecure-attackers-key.der") };

    fn pair(self) -> RsaKeyPair {
        RsaKeyPair::from_der(self.der).expect("the key is whole")
    }

    /// The public half, PKCS #1 in DER.
    pub fn public_der(self) -> Vec<u8> {
        self.pair().public_key().as_ref().to_vec()
    }

    /// The public half as a JWK, named `id` if that is a name.
    pub fn jwk(self, id: Option<&str>) -> Value {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.pair().public_key());
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode_to_string(number);
        let mut jwk = json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)});
        if let Some(id) = id {
            jwk["kid"] = json!(id);
        }
        jwk
    }

    /// The RS256 signature of `message`, in base64.
    fn sign(self, message: &str) -> String {
        install_crypto_provider();
        let key = EncodingKey::from_rsa_der(self.der);
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::RS256).expect("a signature")
    }
}

/// A token in the making; at first an honest one of the sample catalog's organization.
#[derive(Clone, Debug)]
pub struct Jwt {
    header: Map<String, Value>,
    claims: String,
}

impl Default for Jwt {
    fn default() -> Self {
        Self::of(Token::default())
    }
}

impl Jwt {
    /// With the header and the claims of an honest token.
    pub fn of(token: Token) -> Self {
        let token = token.sign().expect("a token is signed");
        let mut parts = token
            .split('.')
            .map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode_to_vec(part).unwrap_or_default()));
        let mut text = || parts.next().expect("a token has three parts").expect("JSON is text");
        let header = serde_json::from_str(&text()).expect("a header is an object");
        Self { header, claims: text() }
    }

    /// With this member of the header; `null` leaves it out.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self.header.retain(|_, value| !value.is_null());
        self
    }

    /// With `members` before the other claims, as they are: doubled, or no JSON at all.
    #[must_use]
    pub fn claims_begin(mut self, members: &str) -> Self {
        self.claims.insert_str(1, members);
        self
    }

    /// The token, signed by `key`.
    pub fn signed_by(&self, key: KeyOf) -> String {
        self.signed(|message| key.sign(message))
    }

    /// The token, with whatever `sign` makes of the message as the signature.
    pub fn signed(&self, sign: impl FnOnce(&str) -> String) -> String {
        let header = serde_json::to_vec(&self.header).expect("a header is JSON");
        let part = |text: &[u8]| URL_SAFE_NO_PAD.encode_to_string(text);
        let message = format!("{}.{}", part(&header), part(self.claims.as_bytes()));
        let signature = sign(&message);
        format!("{message}.{signature}")
    }
}
