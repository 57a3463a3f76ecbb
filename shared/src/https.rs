//! The HTTPS client for all outgoing requests, to AWS and to the JWKS endpoint: HTTP/1.1 over
//! rustls, with one connection pool per trust store.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
//! use shared::https;
//!
//! let request = HttpRequest::get("https://dynamodb.us-east-1.amazonaws.com/ping")?;
//! let response = https::connector().call(request).await?;
//! println!("{}", response.status());
//! # Ok(())
//! # }
//! ```
//!
//! A cold start must not read the machine's root certificates: that takes longer than everything
//! else. So the client first trusts Mozilla's roots, whose parsed form is compiled in. If a
//! certificate's issuer is unknown (such as a private CA of a custom endpoint), the client logs
//! this, reads the machine's roots once, and retries. `SSL_CERT_FILE` or `SSL_CERT_DIR` replaces
//! all roots.
//!
//! The client does what AWS's services and a JWKS endpoint need, and no more: no HTTP/2, no proxy,
//! no redirects, no client certificates, and it does not close a connection after a 5xx.

mod connect;
mod error;
mod trust;

use std::{
    net::IpAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::http::Uri;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::HttpError,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;

use self::connect::Connect;

/// The lifetime of an idle connection. Lambda may freeze a process for minutes. The next request
/// must not waste its attempts on connections that the server has closed meanwhile.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of bytes that [`preconnect`] reads of a response. Real responses have a few
/// hundred bytes.
const MAX_DENIAL_BYTES: usize = 4 * 1024;

type HttpsClient = Client<Connect, SdkBody>;

/// The client that trusts the compiled-in roots.
static COMPILED: LazyLock<HttpsClient> = LazyLock::new(|| client(trust::compiled()));

/// The client that trusts the machine's roots, or those that the environment configures.
static SYSTEM: LazyLock<HttpsClient> = LazyLock::new(|| client(trust::system()));

static CONNECTOR: LazyLock<SharedHttpConnector> =
    LazyLock::new(|| SharedHttpConnector::new(Connector::new(trust::is_configured())));

/// The shared connector.
#[must_use]
pub fn connector() -> SharedHttpConnector {
    CONNECTOR.clone()
}

/// Returns true if `url` is on this machine: 127.0.0.0/8, `[::1]` or `localhost`.
#[must_use]
pub fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Opens a connection to `origin` ahead of the first request, ignoring failures.
///
/// The request is unsigned, so it is denied; only the connection matters. It returns to the pool
/// once the response is read.
pub async fn preconnect(origin: &str) {
    if let Ok(request) = HttpRequest::get(origin)
        && let Ok(response) = connector().call(request).await
    {
        let _ = Limited::new(response.into_body(), MAX_DENIAL_BYTES).collect().await;
    }
}

/// Uses the client [`COMPILED`] until a server's issuer is unknown, and [`SYSTEM`] from then on.
#[derive(Debug)]
struct Connector {
    trusts_system: Arc<AtomicBool>,
}

impl Connector {
    fn new(trusts_system: bool) -> Self {
        Self { trusts_system: Arc::new(trusts_system.into()) }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let trusts_system = Arc::clone(&self.trusts_system);
        HttpConnectorFuture::new(async move {
            if trusts_system.load(Ordering::Relaxed) {
                return send(&SYSTEM, request).await;
            }
            // Every request can be cloned, because no body is streamed.
            let again = request.try_clone();
            match (send(&COMPILED, request).await, again) {
                (Err(error), Some(again)) if error::is_unknown_issuer(&error) => {
                    tracing::info!("reading the machine's root certificates");
                    trusts_system.store(true, Ordering::Relaxed);
                    send(&SYSTEM, again).await
                }
                (result, _) => result,
            }
        })
    }
}

async fn send(client: &HttpsClient, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let invalid = |error: HttpError| ConnectorError::user(error.into());
    let request = request.try_into_http1x().map_err(invalid)?;
    let response = client.request(request).await.map_err(error::classify)?;
    let response = response.map(SdkBody::from_body_1_x);
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}

fn client(tls: ClientConfig) -> HttpsClient {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build(Connect::new(tls))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tls_proxy::{Authority, Certificate, TlsProxy};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// The environment variable that marks the child process and gives it the URL to request.
    const CHILD_URL: &str = "HTTPS_TEST_URL";

    const NAME: &str = "https::tests::an_unknown_issuer_makes_the_client_read_the_machines_roots";

    #[tokio::test]
    async fn an_unknown_issuer_makes_the_client_read_the_machines_roots() {
        if let Ok(url) = std::env::var(CHILD_URL) {
            return request_with_fallback(&url).await;
        }
        let authority = Authority::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = listener.local_addr().unwrap().to_string();
        let proxy = TlsProxy::start(&upstream, &authority, Certificate::Valid).await.unwrap();
        let url = proxy.url().to_owned();
        let roots = std::env::temp_dir().join(format!("{}.pem", uuid::Uuid::new_v4()));
        std::fs::write(&roots, authority.pem()).unwrap();
        let path = roots.clone();
        // An environment variable replaces the machine's roots, so the test needs a separate
        // process.
        let child = tokio::task::spawn_blocking(move || {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", NAME, "--nocapture"]);
            child.env(CHILD_URL, url).env("SSL_CERT_FILE", path).output().unwrap()
        });
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            std::future::pending::<()>().await;
        };
        let output = tokio::select! {
            output = child => output.unwrap(),
            () = serve => unreachable!(),
        };
        std::fs::remove_file(roots).unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    }

    async fn request_with_fallback(url: &str) {
        let connector = Connector::new(false);
        let request = HttpRequest::get(url).unwrap();
        let response = connector.call(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 204);
        assert!(connector.trusts_system.load(Ordering::Relaxed));
    }
}
