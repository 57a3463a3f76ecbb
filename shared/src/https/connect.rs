//! Opens connections: TCP, then TLS for `https` URLs, within one timeout.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ::http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector as TcpConnector, rt::TokioIo};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::error::BoxError;

/// The limit for name resolution, TCP and TLS together. AWS's endpoints take a few milliseconds.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The connector of the HTTP client.
#[derive(Clone)]
pub(super) struct Connect(HttpsConnector<TcpConnector>);

impl Connect {
    pub(super) fn new(tls: ClientConfig) -> Self {
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        Self(builder.enable_http1().wrap_connector(tcp))
    }
}

impl Service<Uri> for Connect {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(TIMEOUT, self.0.call(uri));
        Box::pin(async { connecting.await? })
    }
}
