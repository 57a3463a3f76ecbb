//! An HTTP server on a loopback port, for as long as its handle lives.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, serve::ListenerExt};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

/// Takes a port of 127.0.0.1; 0 takes any free one.
pub(crate) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// A running server. Dropped, it takes no more connections and closes those that are idle.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves `router` on a free port.
    pub(crate) async fn start(router: Router) -> io::Result<Self> {
        Self::start_on(listen(0).await?, router)
    }

    /// Serves `router` to those who come to `listener`.
    pub(crate) fn start_on(listener: TcpListener, router: Router) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        // An answer in two writes would otherwise wait for the first one's acknowledgement.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let server = axum::serve(listener, router)
            .with_graceful_shutdown(async move { drop(stopped.await) });
        Ok(Self { address, stop, task: tokio::spawn(server.into_future()) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops once the requests at work are answered, or after `grace`.
    pub(crate) async fn stop(self, grace: Duration) {
        drop(self.stop);
        // What is still at work then is left to end with the process.
        drop(timeout(grace, self.task).await);
    }
}
