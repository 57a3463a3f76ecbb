//! A JWKS endpoint for tests of key rotation and of faults.
//!
//! ```no_run
//! use tests::{
//!     jwks_endpoint::{Behaviour, JwksEndpoint},
//!     jwt::TestKey,
//! };
//!
//! # async fn example() {
//! let keys = JwksEndpoint::start(Behaviour::keys([TestKey::ISSUER.jwk(None)])).await;
//! keys.set_behaviour(Behaviour::keys([TestKey::ATTACKER.jwk(None)])); // rotates the key
//! keys.set_behaviour(Behaviour::Hang);
//! # }
//! ```

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// Response of the endpoint to each request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes slowly: one every 100 ms.
    Drip(Vec<u8>),
    /// Sends these bytes and then spaces without end.
    Flood(Vec<u8>),
    /// Sends nothing and keeps the connection open.
    Hang,
    /// Closes the connection without a response.
    Close,
}

impl Behaviour {
    /// Sends a JWKS of these keys.
    pub fn keys(keys: impl IntoIterator<Item = Value>) -> Self {
        let keys: Vec<Value> = keys.into_iter().collect();
        Self::body(&json!({ "keys": keys }).to_string())
    }

    /// Sends a 200 with this body, which may be no JWKS.
    pub fn body(body: &str) -> Self {
        Self::Send(http_response("200 OK", &format!("content-length: {}\r\n", body.len()), body))
    }
}

/// An HTTP/1.1 response with `connection: close`. Each line of `headers` ends with `\r\n`.
pub fn http_response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n{body}").into_bytes()
}

/// A running JWKS endpoint. Dropping it stops it.
#[derive(Debug)]
pub struct JwksEndpoint {
    url: String,
    state: Arc<State>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct State {
    behaviour: Mutex<Behaviour>,
    requests: AtomicUsize,
}

impl Drop for JwksEndpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl JwksEndpoint {
    /// Starts an endpoint on a free port.
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let state = Arc::new(State { behaviour: Mutex::new(behaviour), requests: 0.into() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Self { url, state, accepting }
    }

    /// The URL of the JWKS.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Replaces the behaviour for later requests.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// The number of received requests.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // The client closes the connection at its timeout or size limit: such an error is expected.
        tokio::spawn(async move { drop(serve(stream, &state).await) });
    }
}

async fn serve(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    state.requests.fetch_add(1, Ordering::SeqCst);
    let behaviour = state.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match behaviour {
        Behaviour::Send(bytes) => stream.write_all(&bytes).await?,
        Behaviour::Drip(bytes) => {
            for byte in bytes {
                stream.write_u8(byte).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Behaviour::Flood(bytes) => {
            stream.write_all(&bytes).await?;
            loop {
                stream.write_all(&[b' '; 16 * 1024]).await?;
            }
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Close => {}
    }
    stream.shutdown().await
}
