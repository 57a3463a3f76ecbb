//! The one way out of a process, to AWS and to the key server: one pool of connections, and this
//! machine's root certificates read once.

use std::{sync::LazyLock, time::Duration};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use http_body_util::{BodyExt, Limited};

/// How long a connection may take to open. AWS's own endpoints take a few milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an idle connection is kept. Lambda freezes a process between requests, for minutes:
/// what the other side has closed meanwhile must not cost the next request all of its attempts.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read for nothing but its connection, in bytes; real ones have a few
/// hundred.
const MAX_ANSWER_BYTES: usize = 4 * 1024;

static CONNECTOR: LazyLock<SharedHttpConnector> = LazyLock::new(|| {
    SharedHttpConnector::new(ByScheme {
        http: trusting(TrustStore::empty()),
        https: LazyLock::new(|| trusting(TrustStore::default())),
    })
});

/// What sends requests.
#[must_use]
pub fn connector() -> SharedHttpConnector {
    CONNECTOR.clone()
}

/// Opens a connection to `origin` ahead of the first request that goes there; whether that works
/// out is not told.
///
/// What is answered does not matter: it is asked as nobody, by whom nothing is allowed. Once it has
/// been read, the connection is free.
pub async fn open(origin: &str) {
    if let Ok(request) = HttpRequest::get(origin)
        && let Ok(answer) = connector().call(request).await
    {
        let _ = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
    }
}

/// Sends requests as their URLs want it.
#[derive(Debug)]
struct ByScheme {
    http: Connector,
    /// Made when it is first needed: to read a hundred root certificates takes longer than all else
    /// that a start does, and embedded stores and key servers on loopback have no use for them.
    https: LazyLock<Connector>,
}

impl HttpConnector for ByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().starts_with("http:") {
            self.http.call(request)
        } else {
            self.https.call(request)
        }
    }
}

fn trusting(roots: TrustStore) -> Connector {
    // This cannot fail: no server name is configured.
    let tls = TlsContext::builder().with_trust_store(roots).build().unwrap_or_default();
    Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .connector_settings(
            HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build(),
        )
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build()
}
