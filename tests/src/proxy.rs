//! What stands between the functions and a store: it hands everything on, and sees what is asked.

use std::{
    convert::Infallible,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header::CONNECTION};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

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
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
    asked: Mutex<Vec<String>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// A proxy before the store at `endpoint`.
    pub async fn before(endpoint: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let store = Arc::new(Store { endpoint, client, asked: Mutex::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&store))).abort_handle();
        Self { url, store, accepting }
    }

    /// Where to ask for what the store has.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The operations that the store was asked for since the last call, in the order of their
    /// names: which of several at once comes first is chance.
    pub fn asked(&self) -> Vec<String> {
        let mut asked =
            mem::take(&mut *self.store.asked.lock().unwrap_or_else(PoisonError::into_inner));
        asked.sort();
        asked
    }
}

async fn accept(listener: TcpListener, store: Arc<Store>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&store)));
    }
}

async fn serve(stream: TcpStream, store: Arc<Store>) {
    let answer = service_fn(move |request| {
        let store = Arc::clone(&store);
        async move { Ok::<_, Infallible>(store.answer(request).await) }
    });
    // A client that goes away ends the connection with an error, which is no fault.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}

impl Store {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let operation = operation(&request);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
        self.hand_on(request).await.unwrap_or_else(|error| {
            let mut response = Response::new(Full::from(error.to_string()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }

    async fn hand_on(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("{}{path}", self.endpoint).parse::<Uri>()?;
        parts.headers.remove(CONNECTION);
        let body = Full::from(body.collect().await?.to_bytes());
        let response = self.client.request(Request::from_parts(parts, body)).await?;
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, Full::from(body.collect().await?.to_bytes())))
    }
}

/// What a store is asked for: DynamoDB by the name of its operation, S3 by the method.
fn operation(request: &Request<Incoming>) -> String {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    match target.and_then(|target| target.split_once('.')) {
        Some((_, operation)) => operation.to_owned(),
        None => request.method().to_string(),
    }
}
