//! What stands between the functions and a store: it hands everything on, sees what is asked, and
//! does such fault as a network or a store does, to those requests that a test names.
//!
//! It speaks HTTP by hand, as no server library breaks its own answers.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use http::{
    HeaderMap, Method, Request, Response, Uri,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

use crate::iam::{self, Permission};

/// A running proxy. Dropped, it takes no more connections.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    store: Arc<Store>,
    accepting: AbortHandle,
}

/// The store behind it.
#[derive(Debug)]
struct Store {
    endpoint: Mutex<String>,
    client: Client<HttpConnector, Full<Bytes>>,
    asked: Mutex<Vec<String>>,
    traces: Mutex<Vec<String>>,
    needed: Mutex<BTreeSet<Permission>>,
    rules: Mutex<Vec<Rule>>,
    idle: watch::Sender<Idle>,
    connections: AtomicUsize,
}

/// What is done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset; the store gets nothing of the request.
    Reset,
    /// The connection is reset when half of the request's body is sent.
    ResetInRequest,
    /// The store does what it is asked; then the connection is reset.
    LoseResponse,
    /// The store does what it is asked; the connection is reset in the midst of its answer.
    ResetInResponse,
    /// The store does what it is asked; the connection ends in the midst of its answer.
    Truncate,
    /// The store does what it is asked; its answer is made a page of somebody else's.
    ForeignResponse,
    /// The store does what it is asked; its answer is made no HTTP.
    InvalidHttp,
    /// The store does what it is asked, after this time.
    Delay(Duration),
    /// Nobody answers; the store gets nothing of the request.
    Stall,
    /// The store gets the request's body with one byte changed.
    Corrupt,
    /// The store's answer is this error, and it does nothing: a status and a code.
    Fail(u16, &'static str),
    /// The store cancels a transaction: with these reasons, one for each action.
    Cancel(&'static [&'static str]),
    /// The store does what it is asked, and answers that another transaction is in the way.
    FalseConflict,
    /// The store does nothing of a batch, and answers that all of it is left to be done.
    Unprocessed,
}

/// Which requests fault is done to: those for an operation whose paths or bodies hold these texts.
#[derive(Clone, Debug)]
pub struct Call {
    /// As [`Proxy::take_operations`] names it.
    pub operation: &'static str,
    /// All of them.
    pub texts: Vec<String>,
}

/// How many requests fault is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The first one.
    Once,
    /// All of them, until the end.
    Always,
}

#[derive(Debug)]
struct Rule {
    call: Call,
    fault: Fault,
    times: Times,
    done: Arc<AtomicUsize>,
}

/// Fault that is being done.
#[derive(Debug)]
pub struct InjectedFault {
    store: Arc<Store>,
    done: Arc<AtomicUsize>,
}

impl InjectedFault {
    /// How many requests it was done to.
    pub fn times(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Ends it.
    pub fn stop(&self) {
        lock(&self.store.rules).retain(|rule| !Arc::ptr_eq(&rule.done, &self.done));
    }
}

/// What becomes of the connections that wait for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// They are closed, as servers do that wait no longer.
    Close,
    /// They are forgotten: whatever comes on one of them resets it.
    Reset,
    /// They are forgotten, and whatever comes on one of them is lost, as behind a NAT.
    Lose,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// A proxy before the store at `endpoint`.
    pub async fn start(endpoint: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let store = Arc::new(Store {
            endpoint: Mutex::new(endpoint),
            client: Client::builder(TokioExecutor::new()).build_http(),
            asked: Mutex::default(),
            traces: Mutex::default(),
            needed: Mutex::default(),
            rules: Mutex::default(),
            idle: watch::Sender::new(Idle::Close),
            connections: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&store))).abort_handle();
        Self { url, store, accepting }
    }

    /// Where to ask for what the store has.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on the store is at `endpoint`.
    pub fn set_endpoint(&self, endpoint: String) {
        *lock(&self.store.endpoint) = endpoint;
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.store.connections.load(Ordering::SeqCst)
    }

    /// The operations that the store was asked for since the last call, in the order of their
    /// names: which of several at once comes first is chance.
    pub fn take_operations(&self) -> Vec<String> {
        let mut asked = mem::take(&mut *lock(&self.store.asked));
        asked.sort();
        asked
    }

    /// The headers that name the trace of what was asked since the last call; empty if there was
    /// none.
    pub fn traces(&self) -> Vec<String> {
        mem::take(&mut *lock(&self.store.traces))
    }

    /// What IAM must allow for what was asked since the last call.
    pub fn needed(&self) -> BTreeSet<Permission> {
        mem::take(&mut *lock(&self.store.needed))
    }

    /// From now on `fault` is done to requests.
    pub fn inject(&self, fault: Fault, call: Call, times: Times) -> InjectedFault {
        let done = Arc::<AtomicUsize>::default();
        lock(&self.store.rules).push(Rule { call, fault, times, done: Arc::clone(&done) });
        InjectedFault { store: Arc::clone(&self.store), done }
    }

    /// Does this to all connections that wait for a request now.
    pub fn idle(&self, idle: Idle) {
        self.store.idle.send_replace(idle);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, store: Arc<Store>) {
    while let Ok((stream, _)) = listener.accept().await {
        store.connections.fetch_add(1, Ordering::SeqCst);
        let store = Arc::clone(&store);
        // A client or a store that goes away ends the connection with an error, as in life.
        tokio::spawn(async move { drop(store.serve(stream).await) });
    }
}

/// A client's connection, and what has come on it.
struct Connection {
    stream: TcpStream,
    received: BytesMut,
}

/// A request without its body.
struct Head {
    method: Method,
    path: String,
    headers: HeaderMap,
    body_bytes: usize,
}

impl Connection {
    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = Head::parse(&self.received)? {
                self.received.advance(length);
                return Ok(head);
            }
            self.more().await?;
        }
    }

    async fn body(&mut self, bytes: usize) -> io::Result<Bytes> {
        while self.received.len() < bytes {
            self.more().await?;
        }
        Ok(self.received.split_to(bytes).freeze())
    }

    async fn send(&mut self, answer: &[u8]) -> io::Result<()> {
        self.stream.write_all(answer).await
    }

    async fn end(mut self, idle: Idle) -> io::Result<()> {
        match idle {
            Idle::Close => Ok(()),
            Idle::Reset => {
                self.more().await?;
                self.reset()
            }
            Idle::Lose => loop {
                self.more().await?;
            },
        }
    }

    /// Ends the connection in a way that its client cannot take for an orderly end.
    fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }
}

impl Head {
    /// The head at the beginning of `bytes`, and its length, once it is there.
    fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = request.parse(bytes).map_err(io::Error::other)?
        else {
            return Ok(None);
        };
        let mut headers = HeaderMap::new();
        for header in request.headers {
            let name: http::HeaderName = header.name.parse().map_err(io::Error::other)?;
            let value = http::HeaderValue::from_bytes(header.value).map_err(io::Error::other)?;
            headers.append(name, value);
        }
        let body_bytes = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let head = Self {
            method: request.method.unwrap_or_default().parse().map_err(io::Error::other)?,
            path: request.path.unwrap_or_default().to_owned(),
            body_bytes: body_bytes.and_then(|length| length.parse().ok()).unwrap_or_default(),
            headers,
        };
        assert!(!head.headers.contains_key(TRANSFER_ENCODING), "a body has a length");
        Ok(Some((head, length)))
    }

    /// What a store is asked for: DynamoDB by the name of its operation, S3 by the method.
    fn operation(&self) -> &str {
        match self.dynamodb_operation() {
            Some(operation) => operation,
            None => self.method.as_str(),
        }
    }

    /// The trace that it belongs to.
    fn trace(&self) -> &str {
        let trace = self.headers.get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok());
        trace.unwrap_or_default()
    }

    fn dynamodb_operation(&self) -> Option<&str> {
        let (_, operation) = self.headers.get("x-amz-target")?.to_str().ok()?.split_once('.')?;
        Some(operation)
    }
}

impl Store {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut connection = Connection { stream, received: BytesMut::new() };
        let mut idle = self.idle.subscribe();
        loop {
            let head = tokio::select! {
                head = connection.head() => head?,
                Ok(()) = idle.changed() => {
                    let idle = *idle.borrow_and_update();
                    return connection.end(idle).await;
                }
            };
            lock(&self.asked).push(head.operation().to_owned());
            lock(&self.traces).push(head.trace().to_owned());
            if self.fault(&head, b"", |fault| fault == Fault::ResetInRequest).is_some() {
                connection.body(head.body_bytes / 2).await?;
                return connection.reset();
            }
            let body = connection.body(head.body_bytes).await?;
            let needed = iam::permissions(&head.method, &head.path, &head.headers, &body);
            lock(&self.needed).extend(needed);
            let fault = self.fault(&head, &body, |fault| fault != Fault::ResetInRequest);
            let Some(next) = self.answer(connection, &head, body, fault).await? else {
                return Ok(());
            };
            connection = next;
        }
    }

    /// The fault to be done to a request, of those kinds.
    fn fault(&self, head: &Head, body: &[u8], kinds: impl Fn(Fault) -> bool) -> Option<Fault> {
        let text = format!("{}\n{}", head.path, String::from_utf8_lossy(body));
        let rules = lock(&self.rules);
        let rule = rules.iter().find(|rule| {
            kinds(rule.fault)
                && rule.call.operation == head.operation()
                && rule.call.texts.iter().all(|part| text.contains(part))
                && (rule.times == Times::Always || rule.done.load(Ordering::SeqCst) == 0)
        })?;
        rule.done.fetch_add(1, Ordering::SeqCst);
        Some(rule.fault)
    }

    /// Answers a request; the connection comes back if it can take another one.
    async fn answer(
        &self,
        mut connection: Connection,
        head: &Head,
        body: Bytes,
        fault: Option<Fault>,
    ) -> io::Result<Option<Connection>> {
        let answer = match fault {
            None => self.hand_on(head, body).await?,
            Some(Fault::Reset | Fault::ResetInRequest) => {
                connection.reset()?;
                return Ok(None);
            }
            Some(Fault::LoseResponse) => {
                self.hand_on(head, body).await?;
                connection.reset()?;
                return Ok(None);
            }
            Some(fault @ (Fault::ResetInResponse | Fault::Truncate)) => {
                let answer = self.hand_on(head, body).await?;
                connection.send(&answer[..answer.len() - answer.len() / 4]).await?;
                if fault == Fault::ResetInResponse {
                    connection.reset()?;
                }
                return Ok(None);
            }
            Some(Fault::ForeignResponse) => {
                self.hand_on(head, body).await?;
                serialize(head, 200, &HeaderMap::new(), b"<html>Sign in to the network</html>")
            }
            Some(Fault::InvalidHttp) => {
                self.hand_on(head, body).await?;
                b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()
            }
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                self.hand_on(head, body).await?
            }
            Some(Fault::Stall) => loop {
                // Until the client has had enough.
                connection.more().await?;
            },
            Some(Fault::Corrupt) => {
                let mut body = body.to_vec();
                let middle = body.len() / 2;
                body[middle] ^= 1;
                self.hand_on(head, body.into()).await?
            }
            Some(Fault::Unprocessed) => postponed(head, &body),
            Some(Fault::FalseConflict) => {
                self.hand_on(head, body).await?;
                failure(head, 400, "TransactionConflictException")
            }
            Some(Fault::Fail(status, code)) => failure(head, status, code),
            Some(Fault::Cancel(reasons)) => cancellation(head, reasons),
        };
        connection.send(&answer).await?;
        Ok(Some(connection))
    }

    /// What the store answers, as it goes over the wire.
    async fn hand_on(&self, head: &Head, body: Bytes) -> io::Result<Vec<u8>> {
        let uri = format!("{}{}", lock(&self.endpoint), head.path);
        let uri: Uri = uri.parse().map_err(io::Error::other)?;
        let mut request = Request::new(Full::from(body));
        request.method_mut().clone_from(&head.method);
        *request.uri_mut() = uri;
        *request.headers_mut() = head.headers.clone();
        request.headers_mut().remove(CONNECTION);
        let response = self.client.request(request).await.map_err(io::Error::other)?;
        let (parts, body) = Response::into_parts(response);
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(serialize(head, parts.status.as_u16(), &parts.headers, &body))
    }
}

/// An answer as it goes over the wire.
fn serialize(head: &Head, status: u16, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} x\r\n");
    let of_connection = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];
    for (name, value) in headers.iter().filter(|(name, _)| !of_connection.contains(name)) {
        let value = value.to_str().expect("a store's header is text");
        write!(answer, "{name}: {value}\r\n").expect("a string takes all");
    }
    // To a HEAD, the store tells the length of what it does not send.
    let told = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = match told {
        Some(length) if head.method == Method::HEAD => length.to_owned(),
        _ => body.len().to_string(),
    };
    write!(answer, "content-length: {length}\r\n\r\n").expect("a string takes all");
    let body = if head.method == Method::HEAD { b"" } else { body };
    [answer.as_bytes(), body].concat()
}

/// An error in the form of the store that is asked.
fn failure(head: &Head, status: u16, code: &str) -> Vec<u8> {
    let body = if head.dynamodb_operation().is_some() {
        json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "not now"})
            .to_string()
    } else {
        format!("<Error><Code>{code}</Code><Message>not now</Message></Error>")
    };
    serialize(head, status, &HeaderMap::new(), body.as_bytes())
}

/// The answer that all of a batch is left to be done.
fn postponed(head: &Head, batch: &[u8]) -> Vec<u8> {
    let batch: serde_json::Value = serde_json::from_slice(batch).expect("a batch is JSON");
    let [items, keys] = ["UnprocessedItems", "UnprocessedKeys"].map(|name| {
        let named = json!({ name: batch["RequestItems"] });
        serialize(head, 200, &HeaderMap::new(), named.to_string().as_bytes())
    });
    if head.operation() == "BatchWriteItem" { items } else { keys }
}

fn cancellation(head: &Head, reasons: &[&str]) -> Vec<u8> {
    let reasons: Vec<_> = reasons.iter().map(|code| json!({"Code": code})).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    });
    serialize(head, 400, &HeaderMap::new(), body.to_string().as_bytes())
}
