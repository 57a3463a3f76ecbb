//! RS256 signatures with ring. jsonwebtoken gets no other algorithm, so the header of a token
//! cannot select one (algorithm confusion).

use std::sync::LazyLock;

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents},
};
use signature::{Signer, Verifier};

static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(|| CryptoProvider {
    signer_factory: |algorithm, key| {
        only_rs256(*algorithm)?;
        let pair = RsaKeyPair::from_der(key.as_bytes());
        Ok(Box::new(Rs256Signer(pair.map_err(|_| ErrorKind::InvalidKeyFormat)?)))
    },
    verifier_factory: |algorithm, key| {
        only_rs256(*algorithm)?;
        Ok(Box::new(Rs256Verifier(key.clone())))
    },
    key_utils: KeyUtils::new_unimplemented(),
});

/// Installs this module as jsonwebtoken's crypto provider. Further calls do nothing.
pub fn install_crypto_provider() {
    // An error means that it is already installed.
    let _ = PROVIDER.install_default();
}

fn only_rs256(algorithm: Algorithm) -> Result<(), Error> {
    if algorithm == Algorithm::RS256 { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

/// Signs with a private key in DER (PKCS #1). Only `local` and the tests sign tokens.
struct Rs256Signer(RsaKeyPair);

impl Signer<Vec<u8>> for Rs256Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|ring::error::Unspecified| signature::Error::new())?;
        Ok(signature)
    }
}

impl JwtSigner for Rs256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

/// Verifies with a public key of 2048 to 8192 bits, given as modulus and exponent.
struct Rs256Verifier(DecodingKey);

impl Verifier<Vec<u8>> for Rs256Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let DecodingKeyKind::RsaModulusExponent { n, e } = self.0.kind() else {
            return Err(signature::Error::new());
        };
        RsaPublicKeyComponents { n, e }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|ring::error::Unspecified| signature::Error::new())
    }
}

impl JwtVerifier for Rs256Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
