//! The HTTPS client for all outgoing requests, to AWS and to the JWKS endpoint: one connection pool,
//! and this machine's root certificates read once.

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

/// The limit for opening a connection. AWS's endpoints take a few milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The time that an idle connection is kept. Lambda freezes a process between requests for minutes,
/// and connections that the server closed meanwhile must not use up the next request's attempts.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a denied [`preconnect`] response that are read; real ones have a few hundred.
const MAX_DENIAL_BYTES: usize = 4 * 1024;

static CONNECTOR: LazyLock<SharedHttpConnector> = LazyLock::new(|| {
    SharedHttpConnector::new(ByScheme {
        http: trusting(TrustStore::empty()),
        https: LazyLock::new(|| trusting(TrustStore::default())),
    })
});

/// The shared connector.
#[must_use]
pub fn connector() -> SharedHttpConnector {
    CONNECTOR.clone()
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

/// Chooses the connector by the URL's scheme.
#[derive(Debug)]
struct ByScheme {
    http: Connector,
    /// Created when it is first needed: reading a hundred root certificates takes longer than the
    /// rest of a cold start, and servers on loopback do not need them.
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
    // Building fails only for an invalid server name, and none is set.
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
