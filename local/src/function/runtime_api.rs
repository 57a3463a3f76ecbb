//! The Lambda Runtime API for one process.
//!
//! See <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use crate::server::Server;

/// An event and its context, as the process receives them.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    /// Deadline of the response, in milliseconds since the Unix epoch.
    pub(super) deadline_ms: u128,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) payload: Bytes,
}

/// A request from the process to the Runtime API.
#[derive(Debug)]
pub(super) enum RuntimeRequest {
    /// Requests the next event. Initialization or the previous event is finished.
    NextInvocation,
    /// Responds to an event.
    InvocationResponse { request_id: String, payload: Bytes },
    /// Responds to an event with more bytes than Lambda accepts.
    ResponseTooLarge { request_id: String },
    /// Reports that the function failed to handle an event.
    InvocationError { request_id: String, message: String },
    /// Reports that the initialization failed.
    InitError { message: String },
}

/// A running Runtime API for one process.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    server: Server,
    invocations: mpsc::Sender<Invocation>,
    requests: mpsc::Receiver<RuntimeRequest>,
}

/// The other ends of [`RuntimeApi`]'s channels.
#[derive(Clone)]
struct Channels {
    invocations: Arc<Mutex<mpsc::Receiver<Invocation>>>,
    requests: mpsc::Sender<RuntimeRequest>,
}

impl RuntimeApi {
    /// Serves the API on a free port. Accepts responses of at most `payload_bytes`.
    pub(super) async fn start(payload_bytes: usize) -> io::Result<Self> {
        let (invocations, next_invocations) = mpsc::channel(1);
        let (request_sender, requests) = mpsc::channel(1);
        let channels = Channels {
            invocations: Arc::new(Mutex::new(next_invocations)),
            requests: request_sender,
        };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_invocation))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(invocation_response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(invocation_error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::max(payload_bytes))
            .with_state(channels);
        Ok(Self { server: Server::start(router).await?, invocations, requests })
    }

    /// Returns the value of `AWS_LAMBDA_RUNTIME_API`.
    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Queues an event until the process requests it.
    pub(super) async fn send(&self, invocation: Invocation) {
        // This cannot fail: the server owns the receiver, and `self` owns the server.
        drop(self.invocations.send(invocation).await);
    }

    /// Waits for the next request of the process.
    pub(super) async fn receive(&mut self) -> Option<RuntimeRequest> {
        self.requests.recv().await
    }
}

async fn next_invocation(State(channels): State<Channels>) -> Response {
    let mut invocations = channels.invocations.lock().await;
    if channels.requests.send(RuntimeRequest::NextInvocation).await.is_err() {
        return StatusCode::GONE.into_response();
    }
    let Some(invocation) = invocations.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", invocation.request_id),
        ("lambda-runtime-deadline-ms", invocation.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", invocation.function_arn),
        ("lambda-runtime-trace-id", invocation.trace_id),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, invocation.payload).into_response()
}

async fn invocation_response(
    State(channels): State<Channels>,
    Path(request_id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> (StatusCode, Json<Value>) {
    if let Ok(payload) = body {
        channels.forward(RuntimeRequest::InvocationResponse { request_id, payload }).await;
        accepted()
    } else {
        channels.forward(RuntimeRequest::ResponseTooLarge { request_id }).await;
        let error = json!({ "errorType": "RequestEntityTooLarge" });
        (StatusCode::PAYLOAD_TOO_LARGE, Json(error))
    }
}

async fn invocation_error(
    State(channels): State<Channels>,
    Path(request_id): Path<String>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let message = error_message(&body);
    channels.forward(RuntimeRequest::InvocationError { request_id, message }).await;
    accepted()
}

async fn init_error(State(channels): State<Channels>, body: Bytes) -> (StatusCode, Json<Value>) {
    channels.forward(RuntimeRequest::InitError { message: error_message(&body) }).await;
    accepted()
}

impl Channels {
    async fn forward(&self, request: RuntimeRequest) {
        // The receiver does not exist while the process is being killed.
        drop(self.requests.send(request).await);
    }
}

fn accepted() -> (StatusCode, Json<Value>) {
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" })))
}

/// Body of the requests `InvocationError` and `InitError`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorRequest {
    error_message: String,
}

fn error_message(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(ErrorRequest { error_message }) => error_message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}
