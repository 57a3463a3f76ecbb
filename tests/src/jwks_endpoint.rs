//! A server of token keys that rotates, hangs and lies.

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

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// It sends these bytes.
    Send(Vec<u8>),
    /// It sends these bytes, one by one.
    Drip(Vec<u8>),
    /// It sends these bytes, and then spaces without end.
    Flood(Vec<u8>),
    /// It sends nothing, and keeps the connection.
    Hang,
    /// It closes the connection.
    Close,
}

impl Behaviour {
    /// It answers these keys.
    pub fn keys(keys: impl IntoIterator<Item = Value>) -> Self {
        let keys: Vec<Value> = keys.into_iter().collect();
        Self::body(&json!({ "keys": keys }).to_string())
    }

    /// It answers this text, as if it were keys.
    pub fn body(body: &str) -> Self {
        Self::Send(answer("200 OK", &format!("content-length: {}\r\n", body.len()), body))
    }
}

/// An HTTP answer, after which the connection ends.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n{body}").into_bytes()
}

/// A running server. Dropped, it ends.
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
    /// A server that does this at first.
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let state = Arc::new(State { behaviour: Mutex::new(behaviour), requests: 0.into() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Self { url, state, accepting }
    }

    /// Where the keys are.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it does this.
    pub fn set(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A client that has had enough closes the connection: what is left to send is lost.
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
