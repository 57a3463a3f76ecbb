//! The adapter turns every result, panic or timeout of a handler into a response, and logs the
//! cause of each error.

use std::{
    any::Any,
    convert::Infallible,
    error::Error,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::FutureExt;
use lambda_runtime::{Context, LambdaEvent, Runtime, service_fn};
use tracing::Instrument;
use uuid::Uuid;

use super::{event::Event, proxy_response::ProxyResponse};
use crate::{
    error::{ErrorChain, HandlerError},
    metrics,
    problem::Problem,
    request::Request,
    response::{EncodedResponse, Response, with_security_headers},
    telemetry::{self, RequestIds},
};

/// The part of an invocation's time that is reserved for the response.
const RESPONSE_MARGIN: Duration = Duration::from_secs(1);

/// API Gateway's integration timeout.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(29);

/// Turns events into requests for a handler, and its results into responses.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The prefix of problem types, without a slash at the end.
    pub problem_type_base: String,
}

/// Serves `handler` until the process ends.
///
/// # Errors
///
/// Returns an error if Lambda's Runtime API cannot be reached.
pub async fn serve(
    adapter: Adapter,
    handler: impl AsyncFn(&Request) -> Result<Response, Problem>,
) -> Result<(), lambda_runtime::Error> {
    let (adapter, handler, cold) = (&adapter, &handler, &AtomicBool::new(true));
    let service = service_fn(move |event: LambdaEvent<Event>| async move {
        let LambdaEvent { payload, context } = event;
        let invocation = Invocation::new(&payload, &context, cold.swap(false, Ordering::Relaxed));
        let response = adapter.respond(payload, &invocation, handler).await;
        metrics::flush(&context.request_id);
        Ok::<_, Infallible>(response)
    });
    Runtime::new(service).run().await
}

/// The time until `deadline_ms` (milliseconds since 1970), at most [`GATEWAY_TIMEOUT`]. A deadline
/// in the past is ignored, because `cargo lambda watch` sends such deadlines.
fn time_left(deadline_ms: u64) -> Duration {
    let deadline = UNIX_EPOCH + Duration::from_millis(deadline_ms);
    let left = deadline.duration_since(SystemTime::now()).unwrap_or(GATEWAY_TIMEOUT);
    left.min(GATEWAY_TIMEOUT)
}

/// An invocation's metadata.
struct Invocation<'a> {
    ids: RequestIds<'a>,
    /// The time that the handler may take.
    time_limit: Duration,
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
            time_limit: time_left(context.deadline).saturating_sub(RESPONSE_MARGIN),
            cold_start,
        }
    }
}

impl Adapter {
    async fn respond(
        &self,
        event: Event,
        invocation: &Invocation<'_>,
        handler: &impl AsyncFn(&Request) -> Result<Response, Problem>,
    ) -> ProxyResponse {
        let Event { request, method, route, version, .. } = event;
        let Invocation { ids, time_limit, cold_start } = invocation;
        let span = telemetry::request_span(ids, method.as_str(), &route, *cold_start);
        let started = Instant::now();
        let result = run(&request, *time_limit, handler).instrument(span.clone()).await;
        span.in_scope(|| log(&result, started.elapsed()));
        count(&result, *cold_start);
        let encoded = result.unwrap_or_else(|problem| {
            EncodedResponse::identity(problem.response(&self.problem_type_base, ids.request_id))
        });
        ProxyResponse::new(encoded, version)
    }
}

/// Runs `handler` within `time_limit`, and catches its panics.
async fn run(
    request: &Request,
    time_limit: Duration,
    handler: &impl AsyncFn(&Request) -> Result<Response, Problem>,
) -> Result<EncodedResponse, Problem> {
    let work = async {
        let response = handler(request).await?;
        Ok(EncodedResponse::new(with_security_headers(response), &request.headers)?)
    };
    // Boxed: the future is large and would be copied on each move.
    let work = AssertUnwindSafe(Box::pin(work)).catch_unwind();
    match tokio::time::timeout(time_limit, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(HandlerError::Panic(panic_message(&*panic)).into()),
        Err(_) => Err(HandlerError::DeadlineExceeded.into()),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Writes the summary line of a request.
fn log(result: &Result<EncodedResponse, Problem>, duration: Duration) {
    let duration_ms = telemetry::milliseconds(duration);
    let problem = match result {
        Ok(encoded) => {
            let status = encoded.response.status().as_u16();
            tracing::info!(status, duration_ms, "responded");
            return;
        }
        Err(problem) => problem,
    };
    let (status, slug) = (problem.status(), problem.slug());
    let cause = problem.source().map(|cause| ErrorChain(cause).to_string());
    let (failed, status) = (status.is_server_error(), status.as_u16());
    if failed {
        tracing::error!(status, duration_ms, problem = slug, cause, "failed");
    } else {
        tracing::info!(status, duration_ms, problem = slug, cause, "refused");
    }
}

fn count(result: &Result<EncodedResponse, Problem>, cold_start: bool) {
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

    /// Returns the log lines that are written for a request.
    fn lines(handler: &impl AsyncFn(&Request) -> Result<Response, Problem>) -> Vec<Value> {
        lines_within(GATEWAY_TIMEOUT, handler)
    }

    /// Like `lines`, with a time limit for the handler.
    fn lines_within(
        time_limit: Duration,
        handler: &impl AsyncFn(&Request) -> Result<Response, Problem>,
    ) -> Vec<Value> {
        let mut context = Context::default();
        context.request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned();
        context.xray_trace_id = Some("Root=1-5759e988-bd862e3f;Parent=x;Sampled=1".to_owned());
        let adapter = Adapter { problem_type_base: String::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        telemetry::capture(|| {
            let event = event();
            let invocation = Invocation { time_limit, ..Invocation::new(&event, &context, true) };
            runtime.block_on(adapter.respond(event, &invocation, handler));
        })
    }

    #[test]
    fn a_panic_is_logged_with_its_location() {
        panic::set_hook(Box::new(telemetry::log_panic));
        let (line_number, lines) = (line!(), lines(&async |_| panic!("on purpose")));
        drop(panic::take_hook());
        let [panicked, failed] = &lines[..] else { panic!("{lines:?}") };
        let location = panicked["location"].as_str().unwrap();
        assert!(location.starts_with(&format!("{}:{line_number}:", file!())), "{location}");
        let common_fields = json!({
            "level": "ERROR",
            "service": "service",
            "function_request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "xray_trace_id": "1-5759e988-bd862e3f",
            "cold_start": true,
            "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "method": "POST",
            "route": "/catalogs/{catalog_id}/customizations",
        });
        let with_common_fields = |mut line: Value| {
            line.as_object_mut().unwrap().extend(common_fields.as_object().unwrap().clone());
            line
        };
        let panic_fields = json!({
            "message": "panicked",
            "timestamp": panicked["timestamp"],
            "location": location,
            "cause": "on purpose",
        });
        assert_eq!(*panicked, with_common_fields(panic_fields));
        let request_fields = json!({
            "message": "failed",
            "timestamp": failed["timestamp"],
            "status": 500,
            "duration_ms": failed["duration_ms"],
            "problem": "internal-error",
            "cause": "panic: on purpose",
        });
        assert_eq!(*failed, with_common_fields(request_fields));
    }

    #[test]
    fn a_panic_becomes_a_problem_and_the_next_request_succeeds() {
        let adapter = Adapter { problem_type_base: "https://example.com".to_owned() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let context = Context::default();
        let invocation = Invocation::new(&event(), &context, false);
        // This test needs a subscriber, like every test that logs. If a thread without a subscriber
        // reached a log statement first, tracing would cache the statement as disabled for the
        // other tests too.
        let respond = |handler: &dyn Fn() -> Result<Response, Problem>| {
            let mut response = Value::Null;
            telemetry::capture(|| {
                let handler = async |_: &Request| handler();
                let respond = adapter.respond(event(), &invocation, &handler);
                response = json!(runtime.block_on(respond));
            });
            response
        };
        let panicked = respond(&|| panic!("on purpose"));
        let problem = Problem::Internal("x".into());
        let expected = problem.response(&adapter.problem_type_base, invocation.ids.request_id);
        let expected = ProxyResponse::new(EncodedResponse::identity(expected), event().version);
        assert_eq!(panicked, json!(expected));
        assert_eq!(panicked["statusCode"], 500);

        let succeeded = respond(&|| Ok(Response::new("fine".to_owned())));
        assert_eq!((&succeeded["statusCode"], &succeeded["body"]), (&json!(200), &json!("fine")));
    }

    #[test]
    fn a_request_past_its_deadline_is_interrupted() {
        let lines = lines_within(Duration::from_millis(1), &async |_| std::future::pending().await);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line["problem"], "service-unavailable");
        assert_eq!(line["cause"], "the request exceeded its time limit");
    }
}
