//! HTTP servers on loopback ports.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, serve::ListenerExt};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use crate::browser_guard::{AllowedHosts, refuse_cross_origin, refuse_foreign_hosts};

/// Listens on a port of 127.0.0.1. Port 0 selects any free port.
pub(crate) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// A running server. When dropped, it accepts no more connections, and closes those that are idle.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves `router` on a free port. Refuses requests from web pages.
    pub(crate) async fn start(router: Router) -> io::Result<Self> {
        Self::start_on(listen(0).await?, refuse_cross_origin(router), AllowedHosts::default())
    }

    /// Serves `router` on `listener` to requests that name one of `hosts`.
    pub(crate) fn start_on(
        listener: TcpListener,
        router: Router,
        hosts: AllowedHosts,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (shutdown, shutdown_requested) = oneshot::channel();
        // With Nagle's algorithm, the second part of a response would wait for a delayed
        // acknowledgement of the first.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let server = axum::serve(listener, refuse_foreign_hosts(router, hosts))
            .with_graceful_shutdown(async move { drop(shutdown_requested.await) });
        Ok(Self { address, shutdown, task: tokio::spawn(server.into_future()) })
    }

    /// Returns the address that the server listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Shuts down gracefully: waits for the requests in flight, but not longer than `grace`.
    pub(crate) async fn stop(self, grace: Duration) {
        drop(self.shutdown);
        drop(timeout(grace, self.task).await);
    }
}
