//! Trust stores: the certificate authorities that may issue a server's certificate.

use std::sync::Arc;

use rustls::{CipherSuite, ClientConfig, RootCertStore, crypto::ring};

const AES_128: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

/// Variables that configure other root certificates, as for OpenSSL.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Returns true if the environment configures root certificates.
pub(super) fn is_configured() -> bool {
    VARIABLES.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Trusts Mozilla's roots, compiled in and already parsed.
pub(super) fn compiled() -> ClientConfig {
    client_config(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
}

/// Trusts the machine's roots, or those that the environment configures.
pub(super) fn system() -> ClientConfig {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(cause = %error, "a root certificate cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    client_config(roots)
}

fn client_config(roots: RootCertStore) -> ClientConfig {
    let mut provider = ring::default_provider();
    // The cheapest cipher suite first: AES-128 needs no SHA-384.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != AES_128);
    let provider = Arc::new(provider);
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // The provider supports the default versions, so there is no error.
    let builder = builder.unwrap_or_else(|_| ClientConfig::builder());
    builder.with_root_certificates(roots).with_no_client_auth()
}
