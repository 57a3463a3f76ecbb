//! Metrics in CloudWatch's embedded metric format: one log line per invocation, and one more per
//! value of a second dimension.
//!
//! CloudWatch extracts metrics from log lines. Lambda's log level filter drops lines below the
//! configured level, and treats a line without level and timestamp as `INFO`. So that the filter
//! drops no metric, metric lines have the configured level if it is above `INFO`, and `INFO`
//! otherwise.
//!
//! The namespace is `CatalogCustomizations`. The dimension is `function_name`, the function's name
//! on Lambda, which differs between stacks.
//!
//! | metric | unit | value |
//! | --- | --- | --- |
//! | `ColdStarts` | count | processes that serve their first request |
//! | `Creates` | count | new customizations, without replays of idempotency records |
//! | `NewVersions` | count | new versions of customizations, without replays of idempotency records |
//! | `Removals` | count | removed customizations |
//! | `ArtifactBytes` | bytes | the size of the file of each new customization and new version |
//! | `Refusals`, by `problem` | count | requests that end with that problem, including internal errors |
//! | `ArchiveRefusals`, by `rule` | count | archives refused by that rule |
//! | `DynamoDbLatency`, `S3Latency`, `JwksEndpointLatency` | ms | the duration of each attempt |
//! | `DynamoDbFaults`, `S3Faults`, `JwksEndpointFaults` | count | attempts that failed and are retryable |
//! | `JwksRefreshes` | count | successful fetches of the issuer's keys |

use std::{sync::OnceLock, time::Duration};

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing::Level;

use crate::{domain::Timestamp, error::BoxError, telemetry};

/// The namespace that the template's alarms and dashboard use.
const NAMESPACE: &str = "CatalogCustomizations";

const COLD_STARTS: &str = "ColdStarts";
const CREATES: &str = "Creates";
const NEW_VERSIONS: &str = "NewVersions";
const REMOVALS: &str = "Removals";
const ARTIFACT_BYTES: &str = "ArtifactBytes";
const REFUSALS: &str = "Refusals";
const ARCHIVE_REFUSALS: &str = "ArchiveRefusals";
const JWKS_REFRESHES: &str = "JwksRefreshes";

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// A service that requests depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The DynamoDB table.
    DynamoDb,
    /// The S3 bucket.
    S3,
    /// The issuer's JWKS endpoint.
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

/// Starts recording metrics of the function `function_name`. Without this call, nothing is
/// recorded.
///
/// # Errors
///
/// Returns an error if it was called before.
pub fn init(function_name: String) -> Result<(), BoxError> {
    let collector = Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension("function_name", function_name)
        .init()?;
    for count in
        [COLD_STARTS, CREATES, NEW_VERSIONS, REMOVALS, REFUSALS, ARCHIVE_REFUSALS, JWKS_REFRESHES]
    {
        describe_counter!(count, Unit::Count, "");
    }
    describe_histogram!(ARTIFACT_BYTES, Unit::Bytes, "");
    for dependency in Dependency::ALL {
        describe_histogram!(dependency.latency(), Unit::Milliseconds, "");
        describe_counter!(dependency.faults(), Unit::Count, "");
    }
    let level = Level::INFO.min(telemetry::level());
    collector.set_property("level", level.as_str());
    COLLECTOR.set(collector).map_err(|_| "metrics are initialized already".into())
}

/// Writes the metrics since the last call, for Lambda's invocation `function_request_id`.
pub fn flush(function_request_id: &str) {
    let Some(collector) = COLLECTOR.get() else { return };
    collector.set_property("timestamp", Timestamp::now().to_string());
    collector.set_property("function_request_id", function_request_id.to_owned());
    let mut lines = Vec::new();
    // Numbers and strings always serialize, and writing to a vector does not fail.
    if collector.flush(&mut lines).is_ok() {
        telemetry::print(&lines);
    }
}

/// Records the first request of a process.
pub fn cold_start() {
    counter!(COLD_STARTS).increment(1);
}

/// Records a new customization and the size of its file.
pub fn created(bytes: u64) {
    counter!(CREATES).increment(1);
    artifact_bytes(bytes);
}

/// Records a new version of a customization and the size of its file.
pub fn new_version(bytes: u64) {
    counter!(NEW_VERSIONS).increment(1);
    artifact_bytes(bytes);
}

fn artifact_bytes(bytes: u64) {
    histogram!(ARTIFACT_BYTES).record(u32::try_from(bytes).unwrap_or(u32::MAX));
}

/// Records a removed customization.
pub fn removed() {
    counter!(REMOVALS).increment(1);
}

/// Records a request that ends with the problem of this slug.
pub fn refused(problem: &'static str) {
    counter!(REFUSALS, "problem" => problem).increment(1);
}

/// Records an archive that is refused by the rule of this name.
pub fn archive_refused(rule: &'static str) {
    counter!(ARCHIVE_REFUSALS, "rule" => rule).increment(1);
}

/// Records a successful fetch of the issuer's keys.
pub fn keys_refreshed() {
    counter!(JWKS_REFRESHES).increment(1);
}

/// Records an attempt of a request to `dependency`. `retryable`: the attempt failed and a retry may
/// succeed.
pub fn attempted(dependency: Dependency, duration: Duration, retryable: bool) {
    histogram!(dependency.latency()).record(telemetry::milliseconds(duration));
    if retryable {
        counter!(dependency.faults()).increment(1);
    }
}
