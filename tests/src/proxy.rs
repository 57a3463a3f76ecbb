//! Fault-injecting proxy between the functions and a store.
//!
//! It forwards every request, records its operation, its IAM permissions and its trace, and injects
//! faults of a network or a store into the requests that a test selects:
//!
//! ```no_run
//! use local::function::FunctionLimits;
//! use tests::{
//!     form::Form,
//!     proxy::{Fault, RequestMatcher, Times},
//!     stack::ProxiedStack,
//! };
//!
//! # async fn example() {
//! let ProxiedStack { stack, dynamodb, .. } = ProxiedStack::start(FunctionLimits::AWS).await;
//! let matcher = RequestMatcher { operation: "TransactWriteItems", texts: vec![] };
//! let fault = dynamodb.inject(Fault::LoseResponse, matcher, Times::Once);
//! assert_eq!(stack.api().create(Form::upload()).await.status, 201);
//! assert_eq!(fault.count(), 1);
//! # }
//! ```
//!
//! It implements HTTP/1.1 itself: a server library does not send truncated or invalid responses.

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

use crate::{
    capacity::{self, Capacity},
    iam::{self, Permission},
};

/// A running proxy. Dropping it stops it from accepting connections.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    state: Arc<State>,
    accepting: AbortHandle,
}

/// State shared by the connections of a proxy.
#[derive(Debug)]
struct State {
    /// The endpoint of the store.
    endpoint: Mutex<String>,
    client: Client<HttpConnector, Full<Bytes>>,
    operations: Mutex<Vec<String>>,
    traces: Mutex<Vec<String>>,
    permissions: Mutex<BTreeSet<Permission>>,
    capacity: Mutex<Capacity>,
    rules: Mutex<Vec<Rule>>,
    idle_fault: watch::Sender<IdleFault>,
    connections: AtomicUsize,
}

/// A fault of a network or of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Resets the connection. The store does not receive the request.
    Reset,
    /// Resets the connection after half of the request's body. The store does not receive the
    /// request. Only the path is matched.
    ResetInRequest,
    /// The store executes the request. Then the proxy resets the connection before it sends the
    /// response.
    LoseResponse,
    /// The store executes the request. Resets the connection after three quarters of the response.
    ResetInResponse,
    /// The store executes the request. Closes the connection after three quarters of the response.
    Truncate,
    /// The store executes the request. Sends the web page of a captive portal as the response.
    ForeignResponse,
    /// The store executes the request. Sends a response that is not HTTP.
    InvalidHttp,
    /// Forwards the request after this time.
    Delay(Duration),
    /// Sends no response. The store does not receive the request.
    Stall,
    /// Forwards the request with one bit of its body flipped.
    Corrupt,
    /// Sends this error: a status and an error code. The store does not receive the request.
    Fail(u16, &'static str),
    /// Sends `TransactionCanceledException` with one reason for each action of the transaction. The
    /// store does not receive the request.
    Cancel(&'static [&'static str]),
    /// The store executes the request. Sends `TransactionConflictException` as the response.
    FalseConflict,
    /// Reports the whole batch as unprocessed. The store does not receive the request.
    Unprocessed,
}

/// Selects requests by their operation and by texts in their path or body.
#[derive(Clone, Debug)]
pub struct RequestMatcher {
    /// The operation, as in [`Proxy::take_operations`].
    pub operation: &'static str,
    /// Texts that all occur in the path or the body.
    pub texts: Vec<String>,
}

/// The number of matching requests that get the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Only the first one.
    Once,
    /// Every one until [`InjectedFault::stop`].
    Always,
}

#[derive(Debug)]
struct Rule {
    matcher: RequestMatcher,
    fault: Fault,
    times: Times,
    count: Arc<AtomicUsize>,
}

/// Handle of an active fault.
#[derive(Debug)]
pub struct InjectedFault {
    state: Arc<State>,
    count: Arc<AtomicUsize>,
}

impl InjectedFault {
    /// The number of requests that got the fault.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until a request gets the fault.
    ///
    /// # Panics
    ///
    /// Panics if none does within 30 seconds.
    pub async fn wait_for_request(&self) {
        let requested = async {
            while self.count() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), requested)
            .await
            .expect("no request got the fault");
    }

    /// Stops the injection.
    pub fn stop(&self) {
        lock(&self.state.rules).retain(|rule| !Arc::ptr_eq(&rule.count, &self.count));
    }
}

/// A fault of idle connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleFault {
    /// Closes the connections, like a server at its idle timeout.
    Close,
    /// Resets a connection at its next request, like a server that has lost its state.
    Reset,
    /// Ignores later requests on the connections, like a NAT whose entries have expired.
    Lose,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// Starts a proxy for the store at `endpoint`.
    pub async fn start(endpoint: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(State {
            endpoint: Mutex::new(endpoint),
            client: Client::builder(TokioExecutor::new()).build_http(),
            operations: Mutex::default(),
            traces: Mutex::default(),
            permissions: Mutex::default(),
            capacity: Mutex::default(),
            rules: Mutex::default(),
            idle_fault: watch::Sender::new(IdleFault::Close),
            connections: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Self { url, state, accepting }
    }

    /// The endpoint of the proxy, to use in place of the store's.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Forwards later requests to the store at `endpoint`.
    pub fn set_endpoint(&self, endpoint: String) {
        *lock(&self.state.endpoint) = endpoint;
    }

    /// The number of connections that clients have opened.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The operations that the proxy received since the last call of this method. A DynamoDB
    /// operation is given by its name, an S3 operation by its HTTP method.
    ///
    /// Sorted, because the order of concurrent requests is random.
    pub fn take_operations(&self) -> Vec<String> {
        let mut operations = mem::take(&mut *lock(&self.state.operations));
        operations.sort();
        operations
    }

    /// The `X-Amzn-Trace-Id` header of each request since the last call. Empty strings stand for
    /// requests without the header.
    pub fn take_traces(&self) -> Vec<String> {
        mem::take(&mut *lock(&self.state.traces))
    }

    /// The IAM permissions that the requests since the last call require.
    pub fn take_permissions(&self) -> BTreeSet<Permission> {
        mem::take(&mut *lock(&self.state.permissions))
    }

    /// The capacity units that the requests since the last call consumed.
    pub fn take_capacity(&self) -> Capacity {
        mem::take(&mut *lock(&self.state.capacity))
    }

    /// Injects `fault` into later requests that match.
    pub fn inject(&self, fault: Fault, matcher: RequestMatcher, times: Times) -> InjectedFault {
        let count = Arc::<AtomicUsize>::default();
        lock(&self.state.rules).push(Rule { matcher, fault, times, count: Arc::clone(&count) });
        InjectedFault { state: Arc::clone(&self.state), count }
    }

    /// Injects `fault` into all connections that are idle now.
    pub fn inject_idle(&self, fault: IdleFault) {
        self.state.idle_fault.send_replace(fault);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(&state);
        // An error means that the client or the store has closed its connection or stopped. The
        // task then only closes this connection.
        tokio::spawn(async move { drop(state.serve(stream).await) });
    }
}

/// A client's connection.
struct Connection {
    stream: TcpStream,
    /// Received bytes that are not parsed yet.
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
    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn read_head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = Head::parse(&self.received)? {
                self.received.advance(length);
                return Ok(head);
            }
            self.receive().await?;
        }
    }

    async fn read_body(&mut self, bytes: usize) -> io::Result<Bytes> {
        while self.received.len() < bytes {
            self.receive().await?;
        }
        Ok(self.received.split_to(bytes).freeze())
    }

    async fn send(&mut self, response: &[u8]) -> io::Result<()> {
        self.stream.write_all(response).await
    }

    async fn fail_idle(mut self, fault: IdleFault) -> io::Result<()> {
        match fault {
            IdleFault::Close => Ok(()),
            IdleFault::Reset => {
                self.receive().await?;
                self.reset()
            }
            IdleFault::Lose => loop {
                self.receive().await?;
            },
        }
    }

    /// Closes the connection with RST instead of FIN.
    fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }
}

impl Head {
    /// Parses the head at the start of `bytes`. Returns the head and its length, or `None` if it is
    /// incomplete.
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
        assert!(!head.headers.contains_key(TRANSFER_ENCODING), "the proxy reads no chunked body");
        Ok(Some((head, length)))
    }

    /// DynamoDB's operation, or the HTTP method for S3.
    fn operation(&self) -> &str {
        match self.dynamodb_operation() {
            Some(operation) => operation,
            None => self.method.as_str(),
        }
    }

    fn trace(&self) -> &str {
        let trace = self.headers.get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok());
        trace.unwrap_or_default()
    }

    fn dynamodb_operation(&self) -> Option<&str> {
        let (_, operation) = self.headers.get("x-amz-target")?.to_str().ok()?.split_once('.')?;
        Some(operation)
    }
}

impl State {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut connection = Connection { stream, received: BytesMut::new() };
        let mut idle_fault = self.idle_fault.subscribe();
        loop {
            let head = tokio::select! {
                head = connection.read_head() => head?,
                Ok(()) = idle_fault.changed() => {
                    let fault = *idle_fault.borrow_and_update();
                    return connection.fail_idle(fault).await;
                }
            };
            lock(&self.operations).push(head.operation().to_owned());
            lock(&self.traces).push(head.trace().to_owned());
            if self.take_fault(&head, b"", |fault| fault == Fault::ResetInRequest).is_some() {
                connection.read_body(head.body_bytes / 2).await?;
                return connection.reset();
            }
            let body = connection.read_body(head.body_bytes).await?;
            let permissions = iam::permissions(&head.method, &head.path, &head.headers, &body);
            lock(&self.permissions).extend(permissions);
            let fault = self.take_fault(&head, &body, |fault| fault != Fault::ResetInRequest);
            let Some(next) = self.respond(connection, &head, body, fault).await? else {
                return Ok(());
            };
            connection = next;
        }
    }

    /// Returns the fault of the first rule that matches the request and the predicate, and counts
    /// it.
    fn take_fault(
        &self,
        head: &Head,
        body: &[u8],
        predicate: impl Fn(Fault) -> bool,
    ) -> Option<Fault> {
        let request = format!("{}\n{}", head.path, String::from_utf8_lossy(body));
        let rules = lock(&self.rules);
        let rule = rules.iter().find(|rule| {
            predicate(rule.fault)
                && rule.matcher.operation == head.operation()
                && rule.matcher.texts.iter().all(|text| request.contains(text))
                && (rule.times == Times::Always || rule.count.load(Ordering::SeqCst) == 0)
        })?;
        rule.count.fetch_add(1, Ordering::SeqCst);
        Some(rule.fault)
    }

    /// Responds to a request. Returns the connection if it stays open for another request.
    async fn respond(
        &self,
        mut connection: Connection,
        head: &Head,
        body: Bytes,
        fault: Option<Fault>,
    ) -> io::Result<Option<Connection>> {
        let response = match fault {
            None => self.forward(head, body).await?,
            Some(Fault::Reset | Fault::ResetInRequest) => {
                connection.reset()?;
                return Ok(None);
            }
            Some(Fault::LoseResponse) => {
                self.forward(head, body).await?;
                connection.reset()?;
                return Ok(None);
            }
            Some(fault @ (Fault::ResetInResponse | Fault::Truncate)) => {
                let response = self.forward(head, body).await?;
                connection.send(&response[..response.len() - response.len() / 4]).await?;
                if fault == Fault::ResetInResponse {
                    connection.reset()?;
                }
                return Ok(None);
            }
            Some(Fault::ForeignResponse) => {
                self.forward(head, body).await?;
                serialize(head, 200, &HeaderMap::new(), b"<html>Sign in to the network</html>")
            }
            Some(Fault::InvalidHttp) => {
                self.forward(head, body).await?;
                b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()
            }
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                self.forward(head, body).await?
            }
            Some(Fault::Stall) => loop {
                // Returns an error when the client closes the connection.
                connection.receive().await?;
            },
            Some(Fault::Corrupt) => {
                let mut body = body.to_vec();
                let middle = body.len() / 2;
                body[middle] ^= 1;
                self.forward(head, body.into()).await?
            }
            Some(Fault::Unprocessed) => unprocessed_response(head, &body),
            Some(Fault::FalseConflict) => {
                self.forward(head, body).await?;
                error_response(head, 400, "TransactionConflictException")
            }
            Some(Fault::Fail(status, code)) => error_response(head, status, code),
            Some(Fault::Cancel(reasons)) => cancellation_response(head, reasons),
        };
        connection.send(&response).await?;
        Ok(Some(connection))
    }

    /// Forwards a request to the store. Returns the response in wire format.
    async fn forward(&self, head: &Head, body: Bytes) -> io::Result<Vec<u8>> {
        let uri = format!("{}{}", lock(&self.endpoint), head.path);
        let uri: Uri = uri.parse().map_err(io::Error::other)?;
        let operation = head.dynamodb_operation();
        let body = if operation.is_some() { capacity::ask(body) } else { body };
        let mut request = Request::new(Full::from(body));
        request.method_mut().clone_from(&head.method);
        *request.uri_mut() = uri;
        *request.headers_mut() = head.headers.clone();
        request.headers_mut().remove(CONNECTION);
        request.headers_mut().remove(CONTENT_LENGTH);
        let response = self.client.request(request).await.map_err(io::Error::other)?;
        let (parts, body) = Response::into_parts(response);
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if let Some(operation) = operation {
            lock(&self.capacity).add(operation, &body);
        }
        Ok(serialize(head, parts.status.as_u16(), &parts.headers, &body))
    }
}

/// A response to the request `head` in wire format.
fn serialize(head: &Head, status: u16, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 {status} x\r\n");
    let connection_headers = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];
    for (name, value) in headers.iter().filter(|(name, _)| !connection_headers.contains(name)) {
        let value = value.to_str().expect("a store's header is ASCII");
        write!(response, "{name}: {value}\r\n").expect("a write to a string succeeds");
    }
    // The response to a HEAD has the length of the object but no body.
    let object_length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = match object_length {
        Some(length) if head.method == Method::HEAD => length.to_owned(),
        _ => body.len().to_string(),
    };
    write!(response, "content-length: {length}\r\n\r\n").expect("a write to a string succeeds");
    let body = if head.method == Method::HEAD { b"" } else { body };
    [response.as_bytes(), body].concat()
}

/// An error in the format of the requested store: JSON for DynamoDB, XML for S3.
fn error_response(head: &Head, status: u16, code: &str) -> Vec<u8> {
    let body = if head.dynamodb_operation().is_some() {
        json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "not now"})
            .to_string()
    } else {
        format!("<Error><Code>{code}</Code><Message>not now</Message></Error>")
    };
    serialize(head, status, &HeaderMap::new(), body.as_bytes())
}

/// A response that reports every entry of the batch as unprocessed.
fn unprocessed_response(head: &Head, batch: &[u8]) -> Vec<u8> {
    let batch: serde_json::Value = serde_json::from_slice(batch).expect("a batch is JSON");
    let [items, keys] = ["UnprocessedItems", "UnprocessedKeys"].map(|name| {
        let body = json!({ name: batch["RequestItems"] });
        serialize(head, 200, &HeaderMap::new(), body.to_string().as_bytes())
    });
    if head.operation() == "BatchWriteItem" { items } else { keys }
}

fn cancellation_response(head: &Head, reasons: &[&str]) -> Vec<u8> {
    let reasons: Vec<_> = reasons.iter().map(|code| json!({"Code": code})).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    });
    serialize(head, 400, &HeaderMap::new(), body.to_string().as_bytes())
}
