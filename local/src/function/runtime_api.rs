//! The Lambda Runtime API, as one process sees it.
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

/// An event for the process.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    /// When the process has to be done with it, in milliseconds since 1970.
    pub(super) deadline_ms: u128,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) payload: Bytes,
}

/// What the process tells.
#[derive(Debug)]
pub(super) enum Report {
    /// It asks for an event: its start, or the event before, is done.
    Ready,
    /// Its answer to the event of this id.
    Answer(String, Bytes),
    /// It failed to answer the event of this id.
    Failed(String, String),
    /// Its answer to the event of this id is too large.
    TooLarge(String),
    /// It cannot start.
    InitFailed(String),
}

/// The API for one process.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    server: Server,
    events: mpsc::Sender<Event>,
    reports: mpsc::Receiver<Report>,
}

#[derive(Clone)]
struct Process {
    events: Arc<Mutex<mpsc::Receiver<Event>>>,
    reports: mpsc::Sender<Report>,
}

impl RuntimeApi {
    /// Serves the API on a free port, taking answers of up to `payload_bytes`.
    pub(super) async fn start(payload_bytes: usize) -> io::Result<Self> {
        let (events, waiting) = mpsc::channel(1);
        let (told, reports) = mpsc::channel(1);
        let process = Process { events: Arc::new(Mutex::new(waiting)), reports: told };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::max(payload_bytes))
            .with_state(process);
        Ok(Self { server: Server::start(router).await?, events, reports })
    }

    /// What the process finds in `AWS_LAMBDA_RUNTIME_API`.
    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Has an event ready for when the process asks for one.
    pub(super) async fn send(&self, event: Event) {
        // The other end lives in the server, and that as long as this.
        drop(self.events.send(event).await);
    }

    /// What the process tells next.
    pub(super) async fn report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }
}

async fn next(State(process): State<Process>) -> Response {
    let mut events = process.events.lock().await;
    if process.reports.send(Report::Ready).await.is_err() {
        return StatusCode::GONE.into_response();
    }
    let Some(event) = events.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", event.id),
        ("lambda-runtime-deadline-ms", event.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", event.function_arn),
        ("lambda-runtime-trace-id", event.trace_id),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event.payload).into_response()
}

async fn response(
    State(process): State<Process>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> (StatusCode, Json<Value>) {
    let (report, answer) = if let Ok(body) = body {
        (Report::Answer(id, body), accepted())
    } else {
        let error = json!({ "errorType": "RequestEntityTooLarge" });
        (Report::TooLarge(id), (StatusCode::PAYLOAD_TOO_LARGE, Json(error)))
    };
    process.tell(report).await;
    answer
}

async fn error(
    State(process): State<Process>,
    Path(id): Path<String>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    process.tell(Report::Failed(id, message(&body))).await;
    accepted()
}

async fn init_error(State(process): State<Process>, body: Bytes) -> (StatusCode, Json<Value>) {
    process.tell(Report::InitFailed(message(&body))).await;
    accepted()
}

impl Process {
    async fn tell(&self, report: Report) {
        // Nobody listens once the process is given up.
        drop(self.reports.send(report).await);
    }
}

fn accepted() -> (StatusCode, Json<Value>) {
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" })))
}

/// The Runtime API's error request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorRequest {
    error_message: String,
}

fn message(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(ErrorRequest { error_message }) => error_message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}
