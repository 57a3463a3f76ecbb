//! Logs: one JSON object a line on standard output, where Lambda collects it.
//!
//! A request has one line of its own, written by the edge inside [`request_span`], so that whatever
//! else is logged on its way bears its identifiers too. The keys are those that Powertools for AWS
//! Lambda made known: <https://docs.aws.amazon.com/powertools/python/latest/core/logger/>. At
//! `DEBUG` each step of a request (`token`, `form`, `archive`, each call to a store) has a line as
//! well, that says how long it took.
//!
//! The trace of a request goes on to the stores without our doing: Lambda's runtime puts it into
//! the environment, and the AWS SDK sends it from there as `x-amzn-trace-id`.

mod lines;

use std::{
    error::Error,
    fmt,
    panic::{self, PanicHookInfo},
    sync::LazyLock,
    time::Duration,
};

use tracing::{
    Level, Span,
    field::{Empty, display},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    filter::{FilterExt, Targets, filter_fn},
    layer::{Layer, SubscriberExt},
    util::SubscriberInitExt,
};
use uuid::Uuid;

use self::lines::Lines;
pub(crate) use self::lines::print;
#[cfg(test)]
pub(crate) use self::lines::written_by;
use crate::id::{CustomizationId, Id};

/// Where Lambda's advanced logging controls put the level to log at.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

static CONFIGURED: LazyLock<Level> = LazyLock::new(|| {
    let level = std::env::var(LEVEL).ok().and_then(|level| level.parse().ok());
    level.unwrap_or(Level::INFO)
});

/// The least level that is logged: `AWS_LAMBDA_LOG_LEVEL`, else `INFO`.
#[must_use]
pub fn level() -> Level {
    *CONFIGURED
}

/// Begins to log on behalf of `service`; further calls do nothing.
pub fn init(service: &'static str) {
    let lines = Lines::new(service, print);
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter(level()))).try_init();
    panic::set_hook(Box::new(log_panic));
}

/// Logs a panic with its place, inside the span of the request that it is of. The default hook writes
/// plain text, of several lines.
pub(crate) fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, cause = panic.payload_as_str(), "panicked");
}

/// What is logged at `level`.
///
/// It is for this product's own lines. Of the libraries' only warnings are logged: at finer levels
/// they print requests, and with them what must not be in a log. But the AWS SDK's span of each
/// call to a store is as good as one of ours: its fields are the operation's name and numbers.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method is not general enough for the filter"
)]
fn filter<S>(level: Level) -> impl tracing_subscriber::layer::Filter<S> {
    let level = LevelFilter::from_level(level);
    let lines = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        // It complains of each value of a metric past the hundredth in one request.
        .with_target("metrics_cloudwatch_embedded", LevelFilter::OFF)
        .with_target("shared", level)
        .with_target("write_customizations", level)
        .with_target("read_customizations", level);
    let calls = Targets::new()
        .with_target("aws_sdk_dynamodb::operation", level)
        .with_target("aws_sdk_s3::operation", level);
    lines.or(calls.and(filter_fn(|what| what.is_span())))
}

/// What names a request, from its first moment on.
#[derive(Debug)]
pub struct RequestIds<'a> {
    /// The gateway's identifier of the request: the `instance` of a problem, and the answer's
    /// header `x-amzn-requestid`.
    pub request_id: Uuid,
    /// Lambda's identifier of the invocation.
    pub function_request_id: &'a str,
    /// The header that X-Ray's trace comes in, such as `Root=1-5759e988-bd862e3fe1be46a994272793;…`.
    pub trace_header: Option<&'a str>,
}

/// The span of a request: its fields are in every line that is written within. What the request is
/// about is noted once it is known.
#[must_use]
pub fn request_span(ids: &RequestIds<'_>, method: &str, route: &str, cold_start: bool) -> Span {
    let &RequestIds { request_id, function_request_id, trace_header } = ids;
    let trace = trace_header
        .and_then(|header| header.split(';').find_map(|part| part.strip_prefix("Root=")));
    // Of the highest level, so that it is there whatever the level.
    tracing::error_span!(
        "request",
        function_request_id,
        xray_trace_id = trace,
        cold_start,
        %request_id,
        method,
        route,
        org_id = Empty,
        catalog_id = Empty,
        customization_id = Empty,
    )
}

/// Notes whose request it is, as a token that was checked says.
pub fn note_organization(organization: &str) {
    Span::current().record("org_id", organization);
}

/// Notes which catalog the request is about.
pub fn note_catalog(id: &Id) {
    Span::current().record("catalog_id", id.as_str());
}

/// Notes which customization the request is about.
pub fn note_customization(id: &CustomizationId) {
    Span::current().record("customization_id", display(id));
}

/// `duration` in milliseconds, to the microsecond.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// An error with all its causes, on one line.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
