//! The edge: whatever happens in a handler, the client gets an answer, and the log its cause, once.

use std::{
    any::Any,
    convert::Infallible,
    error::Error,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ::http::{HeaderValue, StatusCode, header};
use futures_util::FutureExt;
use lambda_runtime::{Context, LambdaEvent, Runtime, service_fn};
use tracing::Instrument;
use uuid::Uuid;

use super::{Event, Request, Response, coding::Coded, proxy_response::ProxyResponse};
use crate::{
    metrics,
    problem::Problem,
    telemetry::{self, Chain, RequestIds},
};

/// What of an invocation's time is kept for the answer itself.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

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
    let (edge, handler, cold) = (&edge, &handler, &AtomicBool::new(true));
    let service = service_fn(move |event: LambdaEvent<Event>| async move {
        let LambdaEvent { payload, context } = event;
        let invocation = Invocation::new(&payload, &context, cold.swap(false, Ordering::Relaxed));
        let answer = edge.answer(payload, &invocation, handler).await;
        metrics::flush(&context.request_id);
        Ok::<_, Infallible>(answer)
    });
    Runtime::new(service).run().await
}

/// The time until `deadline`, in milliseconds since 1970, but no longer than the gateway waits. A
/// deadline that is past already is none: `cargo lambda watch` gives such.
fn time_left(deadline: u64) -> Duration {
    let deadline = UNIX_EPOCH + Duration::from_millis(deadline);
    let left = deadline.duration_since(SystemTime::now()).unwrap_or(GATEWAY_TIMEOUT);
    left.min(GATEWAY_TIMEOUT)
}

/// What is known of one invocation besides its event.
struct Invocation<'a> {
    ids: RequestIds<'a>,
    time: Duration,
    cold_start: bool,
}

impl<'a> Invocation<'a> {
    fn new(event: &Event, context: &'a Context, cold_start: bool) -> Self {
        let id = event.request_id.or_else(|| context.request_id.parse().ok());
        Self {
            ids: RequestIds {
                request_id: id.unwrap_or_else(Uuid::new_v4),
                function_request_id: &context.request_id,
                trace_header: context.xray_trace_id.as_deref(),
            },
            time: time_left(context.deadline).saturating_sub(ANSWER_MARGIN),
            cold_start,
        }
    }
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
        invocation: &Invocation<'_>,
        handler: &impl AsyncFn(&Request) -> Result<Response, Problem>,
    ) -> ProxyResponse {
        let Event { request, route, shape, .. } = event;
        let Invocation { ids, time, cold_start } = invocation;
        let method = request.method().as_str();
        let span = telemetry::request_span(ids, method, &route, *cold_start);
        let outcome = outcome(&request, *time, handler).instrument(span.clone()).await;
        span.in_scope(|| log(&outcome));
        count(&outcome.result, *cold_start);
        let coded = outcome
            .result
            .unwrap_or_else(|problem| Coded::identity(self.problem(&problem, ids.request_id)));
        ProxyResponse::new(coded, shape)
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

/// What became of a request.
struct Outcome {
    result: Result<Coded, Problem>,
    duration: Duration,
}

/// What `handler` makes of `request` within this time; whatever happens, there is an answer.
async fn outcome(
    request: &Request,
    time: Duration,
    handler: &impl AsyncFn(&Request) -> Result<Response, Problem>,
) -> Outcome {
    let started = Instant::now();
    let work = async {
        let response = handler(request).await?;
        Coded::new(guarded(response), request.headers())
    };
    // On the heap: it is large, and what it would be a part of is moved about.
    let work = AssertUnwindSafe(Box::pin(work)).catch_unwind();
    let result = match tokio::time::timeout(time, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(Problem::Internal(Interruption::Panic(message(&*panic)).into())),
        Err(_) => Err(Problem::ServiceUnavailable(Interruption::Deadline.into())),
    };
    Outcome { result, duration: started.elapsed() }
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

/// Writes the one log line of a request, inside of its span.
fn log(outcome: &Outcome) {
    let duration_ms = telemetry::milliseconds(outcome.duration);
    let problem = match &outcome.result {
        Ok(coded) => {
            let status = coded.response.status().as_u16();
            tracing::info!(status, duration_ms, "answered");
            return;
        }
        Err(problem) => problem,
    };
    let (status, slug) = (problem.status(), problem.slug());
    let cause = problem.source().map(|cause| Chain(cause).to_string());
    let (failed, status) = (status.is_server_error(), status.as_u16());
    if failed {
        tracing::error!(status, duration_ms, problem = slug, cause, "failed");
    } else {
        tracing::info!(status, duration_ms, problem = slug, cause, "refused");
    }
}

/// Counts what every request is counted by.
fn count(result: &Result<Coded, Problem>, cold_start: bool) {
    if cold_start {
        metrics::cold_start();
    }
    if let Err(problem) = result {
        metrics::refused(problem.slug());
    }
}

#[cfg(test)]
mod tests {
    use std::panic;

    use serde_json::{Value, json};

    use super::*;

    fn event() -> Event {
        let event = json!({
            "resource": "/catalogs/{catalog_id}/customizations",
            "httpMethod": "POST",
            "requestContext": {"requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"},
        });
        serde_json::from_str(&event.to_string()).unwrap()
    }

    /// The lines that are written of a request.
    fn lines(handler: &impl AsyncFn(&Request) -> Result<Response, Problem>) -> Vec<Value> {
        lines_within(GATEWAY_TIMEOUT, handler)
    }

    /// The same, where the handler may take this long.
    fn lines_within(
        time: Duration,
        handler: &impl AsyncFn(&Request) -> Result<Response, Problem>,
    ) -> Vec<Value> {
        let mut context = Context::default();
        context.request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned();
        context.xray_trace_id = Some("Root=1-5759e988-bd862e3f;Parent=x;Sampled=1".to_owned());
        let edge = Edge { problem_type_base: String::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        telemetry::written_by(|| {
            let event = event();
            let invocation = Invocation { time, ..Invocation::new(&event, &context, true) };
            runtime.block_on(edge.answer(event, &invocation, handler));
        })
    }

    #[test]
    fn a_panic_has_a_line_with_its_place_beside_that_of_its_request() {
        panic::set_hook(Box::new(telemetry::log_panic));
        let (place, lines) = (line!(), lines(&async |_| panic!("on purpose")));
        drop(panic::take_hook());
        let [panicked, failed] = &lines[..] else { panic!("{lines:?}") };
        let location = panicked["location"].as_str().unwrap();
        assert!(location.starts_with(&format!("{}:{place}:", file!())), "{location}");
        let of_both = json!({
            "level": "ERROR",
            "service": "service",
            "function_request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "xray_trace_id": "1-5759e988-bd862e3f",
            "cold_start": true,
            "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "method": "POST",
            "route": "/catalogs/{catalog_id}/customizations",
        });
        let with = |mut line: Value| {
            line.as_object_mut().unwrap().extend(of_both.as_object().unwrap().clone());
            line
        };
        let of_panic = json!({
            "message": "panicked",
            "timestamp": panicked["timestamp"],
            "location": location,
            "cause": "on purpose",
        });
        assert_eq!(*panicked, with(of_panic));
        let of_request = json!({
            "message": "failed",
            "timestamp": failed["timestamp"],
            "status": 500,
            "duration_ms": failed["duration_ms"],
            "problem": "internal-error",
            "cause": "panic: on purpose",
        });
        assert_eq!(*failed, with(of_request));
    }

    #[test]
    fn a_panic_is_answered_as_a_problem_and_the_next_request_as_ever() {
        let edge = Edge { problem_type_base: "https://example.com".to_owned() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let context = Context::default();
        let invocation = Invocation::new(&event(), &context, false);
        let panicking = async |_: &Request| -> Result<Response, Problem> { panic!("on purpose") };
        let panicked = runtime.block_on(edge.answer(event(), &invocation, &panicking));
        let expected = edge.problem(&Problem::Internal("x".into()), invocation.ids.request_id);
        let expected = ProxyResponse::new(Coded::identity(expected), event().shape);
        assert_eq!(json!(panicked), json!(expected));
        assert_eq!(json!(panicked)["statusCode"], 500);

        let working = async |_: &Request| Ok(Response::new("fine".to_owned()));
        let worked = runtime.block_on(edge.answer(event(), &invocation, &working));
        assert_eq!(
            (&json!(worked)["statusCode"], &json!(worked)["body"]),
            (&json!(200), &json!("fine"))
        );
    }

    #[test]
    fn a_request_that_takes_too_long_is_interrupted() {
        let lines = lines_within(Duration::from_millis(1), &async |_| std::future::pending().await);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line["problem"], "service-unavailable");
        assert_eq!(line["cause"], "the request took longer than its invocation may");
    }
}
