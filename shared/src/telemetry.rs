//! Logs: one JSON object per line on standard output, where Lambda collects them.
//!
//! For each request, the Lambda adapter writes one summary line inside [`request_span`]. All other
//! log lines of the request have the same identifiers. Field names follow Powertools for AWS
//! Lambda: <https://docs.aws.amazon.com/powertools/python/latest/core/logger/>. At `DEBUG` each
//! step of a request (`token`, `form`, `archive`, each call to a store) has a line with its
//! duration.
//!
//! Traces need no code here: Lambda's runtime puts the trace header into the environment, and the
//! AWS SDK sends it on as `x-amzn-trace-id`.

mod lines;

use std::{
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
#[cfg(test)]
pub(crate) use self::lines::capture;
pub(crate) use self::lines::print;
use crate::domain::{CustomizationId, Id, OrganizationId};

/// The environment variable for the log level. Lambda's advanced logging controls set it.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

static CONFIGURED: LazyLock<Level> = LazyLock::new(|| {
    let level = std::env::var(LEVEL).ok().and_then(|level| level.parse().ok());
    level.unwrap_or(Level::INFO)
});

/// The log level: `AWS_LAMBDA_LOG_LEVEL`, or `INFO`.
#[must_use]
pub fn level() -> Level {
    *CONFIGURED
}

/// Starts logging for `service`. Further calls do nothing.
pub fn init(service: &'static str) {
    let lines = Lines::new(service, print);
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter(level()))).try_init();
    panic::set_hook(Box::new(log_panic));
}

/// Logs a panic with its location, inside the span of its request. The default hook writes several
/// lines of plain text.
pub(crate) fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, cause = panic.payload_as_str(), "panicked");
}

/// Selects the lines that are logged.
///
/// `level` applies to this product's own lines. Libraries log warnings only: at finer levels they
/// print requests, and with them secrets. The AWS SDK's spans for store calls are an exception:
/// they contain only numbers and the operation's name.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "`Metadata::is_span` accepts only one lifetime"
)]
fn filter<S>(level: Level) -> impl tracing_subscriber::layer::Filter<S> {
    let level = LevelFilter::from_level(level);
    let lines = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        // The library warns about every metric value after a request's first 100.
        .with_target("metrics_cloudwatch_embedded", LevelFilter::OFF)
        .with_target("shared", level)
        .with_target("write_customizations", level)
        .with_target("read_customizations", level);
    let calls = Targets::new()
        .with_target("aws_sdk_dynamodb::operation", level)
        .with_target("aws_sdk_s3::operation", level);
    lines.or(calls.and(filter_fn(|metadata| metadata.is_span())))
}

/// The identifiers of a request.
#[derive(Debug)]
pub struct RequestIds<'a> {
    /// The gateway's identifier of the request. It is also the `instance` of a problem and the
    /// value of the response header `x-amzn-requestid`.
    pub request_id: Uuid,
    /// Lambda's identifier of the invocation.
    pub function_request_id: &'a str,
    /// The X-Ray trace header, such as `Root=1-5759e988-bd862e3fe1be46a994272793;…`.
    pub trace_header: Option<&'a str>,
}

/// Creates the span of a request. Every log line inside the span has its fields. The organization,
/// the catalog and the customization are recorded later, when they are known.
#[must_use]
pub fn request_span(ids: &RequestIds<'_>, method: &str, route: &str, cold_start: bool) -> Span {
    let &RequestIds { request_id, function_request_id, trace_header } = ids;
    let trace = trace_header
        .and_then(|header| header.split(';').find_map(|part| part.strip_prefix("Root=")));
    // At the highest level, so that no log level disables the span.
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

/// Records the organization of a verified token in the request's span.
pub fn record_organization(id: &OrganizationId) {
    Span::current().record("org_id", id.as_str());
}

/// Records the catalog in the request's span.
pub fn record_catalog(id: &Id) {
    Span::current().record("catalog_id", id.as_str());
}

/// Records the customization in the request's span.
pub fn record_customization(id: &CustomizationId) {
    Span::current().record("customization_id", display(id));
}

/// Converts `duration` to milliseconds, rounded to the microsecond.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
