//! Metrics: what is counted, in CloudWatch's embedded metric format, one line an invocation and one
//! more for each value of a second dimension.
//!
//! CloudWatch takes metrics out of log lines, so they must not fall to Lambda's log level filter:
//! it drops what is below the configured level, and takes a line without a level and a time for
//! `INFO`. So they are lines of their own, each of the level that is configured, `INFO` at most.
//!
//! The namespace is `CatalogCustomizations`, the dimension `function_name`: the function's name on
//! Lambda, which tells the functions of one stack from those of another.
//!
//! | metric | unit | counts |
//! | --- | --- | --- |
//! | `ColdStarts` | count | processes that answer their first request |
//! | `Creates` | count | new customizations; an answer given again is none |
//! | `ArtifactBytes` | bytes | the file of each new customization |
//! | `Refusals`, by `problem` | count | requests answered with that problem, our own faults included |
//! | `ArchiveRefusals`, by `rule` | count | archives that break that rule |
//! | `DynamoDbLatency`, `S3Latency`, `JwksEndpointLatency` | ms | each attempt, from request to answer |
//! | `DynamoDbFaults`, `S3Faults`, `JwksEndpointFaults` | count | attempts that were worth another one |
//! | `JwksRefreshes` | count | fetches that brought the issuer's keys |

use std::{sync::OnceLock, time::Duration};

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing::Level;

use crate::{domain::Timestamp, error::BoxError, telemetry};

/// Where the template's alarms and dashboard look.
const NAMESPACE: &str = "CatalogCustomizations";

const COLD_STARTS: &str = "ColdStarts";
const CREATES: &str = "Creates";
const ARTIFACT_BYTES: &str = "ArtifactBytes";
const REFUSALS: &str = "Refusals";
const ARCHIVE_REFUSALS: &str = "ArchiveRefusals";
const JWKS_REFRESHES: &str = "JwksRefreshes";

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Something outside that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The records.
    DynamoDb,
    /// The bytes.
    S3,
    /// The issuer's keys.
    JwksEndpoint,
}

impl Dependency {
    const ALL: [Self; 3] = [Self::DynamoDb, Self::S3, Self::JwksEndpoint];

    const fn latency(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDbLatency",
            Self::S3 => "S3Latency",
            Self::JwksEndpoint => "JwksEndpointLatency",
        }
    }

    const fn faults(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDbFaults",
            Self::S3 => "S3Faults",
            Self::JwksEndpoint => "JwksEndpointFaults",
        }
    }
}

/// Begins to count on behalf of the function that Lambda calls `function_name`. In a process that
/// never does, nothing is counted.
///
/// # Errors
///
/// If it has begun before.
pub fn init(function_name: String) -> Result<(), BoxError> {
    let collector = Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension("function_name", function_name)
        .init()?;
    for count in [COLD_STARTS, CREATES, REFUSALS, ARCHIVE_REFUSALS, JWKS_REFRESHES] {
        describe_counter!(count, Unit::Count, "");
    }
    describe_histogram!(ARTIFACT_BYTES, Unit::Bytes, "");
    for dependency in Dependency::ALL {
        describe_histogram!(dependency.latency(), Unit::Milliseconds, "");
        describe_counter!(dependency.faults(), Unit::Count, "");
    }
    let level = Level::INFO.min(telemetry::level());
    collector.set_property("level", level.as_str());
    COLLECTOR.set(collector).map_err(|_| "metrics are counted already".into())
}

/// Writes what was counted since the last call, on behalf of Lambda's invocation
/// `function_request_id`.
pub fn flush(function_request_id: &str) {
    let Some(collector) = COLLECTOR.get() else { return };
    collector.set_property("timestamp", Timestamp::now().to_string());
    collector.set_property("function_request_id", function_request_id.to_owned());
    let mut lines = Vec::new();
    // Numbers and texts always serialize, and a vector takes them.
    if collector.flush(&mut lines).is_ok() {
        telemetry::print(&lines);
    }
}

/// A process has its first request.
pub fn cold_start() {
    counter!(COLD_STARTS).increment(1);
}

/// There is a new customization, whose file has this many bytes.
pub fn created(bytes: usize) {
    counter!(CREATES).increment(1);
    histogram!(ARTIFACT_BYTES).record(u32::try_from(bytes).unwrap_or(u32::MAX));
}

/// A request is answered with the problem of this slug.
pub fn refused(problem: &'static str) {
    counter!(REFUSALS, "problem" => problem).increment(1);
}

/// An archive breaks the rule of this name.
pub fn archive_refused(rule: &'static str) {
    counter!(ARCHIVE_REFUSALS, "rule" => rule).increment(1);
}

/// The issuer's keys were fetched.
pub fn keys_refreshed() {
    counter!(JWKS_REFRESHES).increment(1);
}

/// Records an attempt at a request to `dependency`. `retryable`: the attempt failed and a retry may
/// succeed.
pub fn attempted(dependency: Dependency, duration: Duration, retryable: bool) {
    histogram!(dependency.latency()).record(telemetry::milliseconds(duration));
    if retryable {
        counter!(dependency.faults()).increment(1);
    }
}
