//! The edge: whatever happens in a handler, the client gets an answer, and the log its cause, once.

use std::{
    any::Any,
    convert::Infallible,
    error::Error,
    panic::AssertUnwindSafe,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ::http::{HeaderValue, StatusCode, header};
use futures_util::FutureExt;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use uuid::Uuid;

use super::{Event, Request, Response, coding::Coded, proxy_response::ProxyResponse};
use crate::{problem::Problem, telemetry::Chain};

/// What of an invocation's time is kept for the answer itself.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// How long API Gateway waits for an answer.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(29);

/// What the edge needs to know to answer errors.
#[derive(Clone, Debug)]
pub struct Edge {
    /// What the types of problems begin with.
    pub problem_type_base: String,
}

/// Serves `handler` until the process ends.
///
/// # Errors
///
/// If Lambda's Runtime API cannot be reached.
pub async fn run(
    edge: Edge,
    handler: impl AsyncFn(&Request) -> Result<Response, Problem>,
) -> Result<(), lambda_runtime::Error> {
    let (edge, handler) = (&edge, &handler);
    let service = service_fn(move |event: LambdaEvent<Event>| async move {
        let invocation = Invocation {
            id: event.payload.request_id.or_else(|| event.context.request_id.parse().ok()),
            time: time_left(event.context.deadline).saturating_sub(ANSWER_MARGIN),
        };
        Ok::<_, Infallible>(edge.answer(event.payload, &invocation, handler).await)
    });
    Runtime::new(service).run().await
}

/// The time until `deadline`, in milliseconds since 1970. A deadline that is past already is none:
/// `cargo lambda watch` gives such.
fn time_left(deadline: u64) -> Duration {
    let deadline = UNIX_EPOCH + Duration::from_millis(deadline);
    deadline.duration_since(SystemTime::now()).unwrap_or(GATEWAY_TIMEOUT)
}

/// What is known of one invocation besides its event.
struct Invocation {
    id: Option<Uuid>,
    time: Duration,
}

/// What ended a handler early.
#[derive(Debug, thiserror::Error)]
enum Interruption {
    #[error("the request took longer than its invocation may")]
    Deadline,
    #[error("panic: {0}")]
    Panic(String),
}

impl Edge {
    async fn answer(
        &self,
        event: Event,
        invocation: &Invocation,
        handler: &impl AsyncFn(&Request) -> Result<Response, Problem>,
    ) -> ProxyResponse {
        let started = Instant::now();
        let id = invocation.id.unwrap_or_else(Uuid::new_v4);
        let work = AssertUnwindSafe(handler(&event.request)).catch_unwind();
        let outcome = match tokio::time::timeout(invocation.time, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Problem::Internal(Interruption::Panic(message(&panic)).into())),
            Err(_) => Err(Problem::ServiceUnavailable(Interruption::Deadline.into())),
        };
        let headers = event.request.headers();
        let outcome = outcome.and_then(|response| Coded::new(guarded(response), headers));
        log(&event, id, started.elapsed(), &outcome);
        let coded = outcome.unwrap_or_else(|problem| Coded::identity(self.problem(&problem, id)));
        ProxyResponse::new(coded, event.shape)
    }

    /// `problem` as a response.
    #[must_use]
    pub fn problem(&self, problem: &Problem, request_id: Uuid) -> Response {
        let document = problem.document(&self.problem_type_base, request_id);
        // Strings and numbers always serialize; a bare status says enough if they ever do not.
        let mut response = Response::new(serde_json::to_string(&document).unwrap_or_default());
        *response.status_mut() = problem.status();
        let headers = response.headers_mut();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem_json);
        match problem.status() {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, Problem::RETRY_AFTER_SECONDS.into());
            }
            _ => {}
        }
        guarded(response)
    }
}

/// `response` with the headers that every answer carries: it is what it says it is, and nobody
/// keeps it unless it says that they may.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// The one log line of a request.
fn log(event: &Event, id: Uuid, duration: Duration, outcome: &Result<Coded, Problem>) {
    let duration_ms = duration.as_secs_f64() * 1000.0;
    let method = event.request.method().as_str();
    let route = event.route.as_str();
    match outcome {
        Ok(coded) => {
            let status = coded.response.status().as_u16();
            tracing::info!(request_id = %id, method, route, status, duration_ms, "answered");
        }
        Err(problem) => {
            let (status, slug) = (problem.status(), problem.slug());
            let cause = problem.source().map(|cause| Chain(cause).to_string());
            if status.is_server_error() {
                let status = status.as_u16();
                tracing::error!(request_id = %id, method, route, status, duration_ms, problem = slug, cause, "failed");
            } else {
                let status = status.as_u16();
                tracing::info!(request_id = %id, method, route, status, duration_ms, problem = slug, cause, "refused");
            }
        }
    }
}
