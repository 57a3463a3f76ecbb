//! HTTP servers on loopback ports.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, serve::ListenerExt};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use crate::browser_guard::{AllowedHosts, refuse_cross_origin, refuse_foreign_hosts};

/// Binds a port of 127.0.0.1; 0 takes any free one.
pub(crate) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// A running server. Dropped, it takes no more connections and closes those that are idle.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves `router` on a free port, to programs but not to web pages.
    pub(crate) async fn start(router: Router) -> io::Result<Self> {
        Self::start_on(listen(0).await?, refuse_cross_origin(router), AllowedHosts::default())
    }

    /// Serves `router` on `listener` under the names `hosts`.
    pub(crate) fn start_on(
        listener: TcpListener,
        router: Router,
        hosts: AllowedHosts,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (shutdown, shutdown_requested) = oneshot::channel();
        // With Nagle's algorithm, a response in two writes waits for a delayed acknowledgement.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let server = axum::serve(listener, refuse_foreign_hosts(router, hosts))
            .with_graceful_shutdown(async move { drop(shutdown_requested.await) });
        Ok(Self { address, shutdown, task: tokio::spawn(server.into_future()) })
    }

    /// Returns the address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its base URL, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Shuts down gracefully: waits for requests in flight, at most for `grace`.
    pub(crate) async fn stop(self, grace: Duration) {
        drop(self.shutdown);
        drop(timeout(grace, self.task).await);
    }
}
