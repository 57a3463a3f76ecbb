//! TLS-terminating proxy with a temporary certificate authority. It adds TLS, as in production, to
//! a server that speaks plain HTTP.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tls_proxy::{Authority, Certificate, TlsProxy};
//!
//! let authority = Authority::new()?;
//! std::fs::write("ca.pem", authority.pem())?;
//! let proxy = TlsProxy::start("127.0.0.1:9000", &authority, Certificate::Valid).await?;
//! println!("SSL_CERT_FILE=ca.pem curl {}", proxy.url());
//! # Ok(())
//! # }
//! ```

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use time::{Duration, OffsetDateTime};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

/// The proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum TlsProxyError {
    /// A certificate cannot be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// The certificate cannot be used.
    #[error("the certificate cannot be used")]
    Tls(#[from] rustls::Error),
    /// There is no free port.
    #[error("there is no free port")]
    Listen(#[from] io::Error),
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The certificate of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Valid for 127.0.0.1.
    Valid,
    /// Valid for another host.
    WrongHost,
    /// Expired an hour ago.
    Expired,
}

impl Authority {
    /// Makes a certificate authority.
    ///
    /// # Errors
    ///
    /// [`TlsProxyError::Certificate`]
    pub fn new() -> Result<Self, TlsProxyError> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let mut params = CertificateParams::default();
        // Each authority has a unique name, because clients look up trusted roots by name.
        let name = format!("temporary authority {}", NEXT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        Ok(Self(CertifiedIssuer::self_signed(params, rsa_key()?)?))
    }

    /// The authority's certificate, for `SSL_CERT_FILE`.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn server_config(&self, certificate: Certificate) -> Result<ServerConfig, TlsProxyError> {
        let host = if certificate == Certificate::WrongHost { "example.com" } else { "127.0.0.1" };
        let mut params = CertificateParams::new([host.to_owned()])?;
        if certificate == Certificate::Expired {
            let now = OffsetDateTime::now_utc();
            params.not_before = now - Duration::hours(2);
            params.not_after = now - Duration::hours(1);
        }
        let key = rsa_key()?;
        let certificate = params.signed_by(&key, &self.0)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(config)
    }
}

/// Returns the key of all certificates: RSA with 2048 bits, like the keys of AWS's certificates. The
/// client's cost depends on the kind of key. `ring` cannot generate RSA keys, so this is the
/// published key of local tokens.
fn rsa_key() -> Result<KeyPair, rcgen::Error> {
    const PKCS1: &[u8] = include_bytes!("../../../local/csp/insecure-signing-key.der");
    /// The algorithm `rsaEncryption` of PKCS #8, and the tag of the key that follows.
    const ALGORITHM: &[u8] =
        b"\x02\x01\0\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\0\x04";
    let field = |contents: &[u8]| {
        let length = u16::try_from(contents.len()).unwrap_or_default().to_be_bytes();
        [&[0x82], &length[..], contents].concat()
    };
    let pkcs8 = [b"\x30", &*field(&[ALGORITHM, &field(PKCS1)].concat())].concat();
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_RSA_SHA256)
}

/// A running proxy. Dropping it stops it from accepting connections.
#[derive(Debug)]
pub struct TlsProxy {
    url: String,
    accepting: AbortHandle,
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl TlsProxy {
    /// Starts a proxy for the server at `upstream`, such as `127.0.0.1:9000`, on a free port.
    ///
    /// # Errors
    ///
    /// [`TlsProxyError`]
    pub async fn start(
        upstream: &str,
        authority: &Authority,
        certificate: Certificate,
    ) -> Result<Self, TlsProxyError> {
        let acceptor = TlsAcceptor::from(Arc::new(authority.server_config(certificate)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("https://{}", listener.local_addr()?);
        let accepting = tokio::spawn(accept(listener, acceptor, upstream.to_owned()));
        Ok(Self { url, accepting: accepting.abort_handle() })
    }

    /// The proxy's URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, upstream: String) {
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
        // A client that refuses the certificate closes the connection.
        tokio::spawn(async move { drop(forward(client, &acceptor, &upstream).await) });
    }
}

async fn forward(client: TcpStream, acceptor: &TlsAcceptor, upstream: &str) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
