//! Where data is kept: records in one DynamoDB [`Table`], bytes in one S3 [`Bucket`].
//!
//! Bytes go before the record that points at them, and nothing here ever deletes.

mod bucket;
mod item;
mod receipt;
mod references;
mod table;

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

pub use self::{
    bucket::Bucket,
    item::Record,
    receipt::Receipt,
    references::{References, Wanted},
    table::{CreateError, RecordError, Table},
};
use crate::problem::{Cause, Problem};

/// How long a connection may take to open. AWS's own endpoints take a few milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one attempt may take: long enough for the largest upload.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an operation may take with all its attempts. The gateway gives up after 29 s.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(9);

/// What AWS's clients are configured with: the environment's region, credentials and endpoints,
/// one HTTPS client for all of them, and an end to every wait.
pub async fn sdk_config() -> SdkConfig {
    let http_client = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts)
        .load()
        .await
}

/// Why a store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is out of reach, overloaded, or too slow; trying again later helps.
    #[error("{operation}: not available")]
    Unavailable {
        /// What it was asked for.
        operation: &'static str,
        /// What went wrong.
        #[source]
        source: Cause,
    },
    /// It refused; trying again does not help.
    #[error("{operation}: refused")]
    Refused {
        /// What it was asked for.
        operation: &'static str,
        /// What went wrong.
        #[source]
        source: Cause,
    },
    /// An item is not of the shape that its key promises.
    #[error("the item {key} is corrupt")]
    Corrupt {
        /// The item's key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: serde_dynamo::Error,
    },
    /// An item that another one refers to is not there.
    #[error("the item {key} is missing")]
    Dangling {
        /// The key that is referred to.
        key: String,
    },
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::ServiceUnavailable(error.into()),
            StoreError::Refused { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Dangling { .. } => Self::Internal(error.into()),
        }
    }
}

/// The error codes by which AWS says "not now", whatever the HTTP status.
const TRANSIENT: [&str; 11] = [
    "ConditionalRequestConflict",
    "InternalServerError",
    "LimitExceededException",
    "OperationAborted",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

impl StoreError {
    /// What the SDK's `error` of `operation` means, after its own retries.
    fn new<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let unavailable = match &error {
            SdkError::TimeoutError(_)
            | SdkError::DispatchFailure(_)
            | SdkError::ResponseError(_) => true,
            SdkError::ServiceError(context) => {
                context.raw().status().is_server_error()
                    || context.err().code().is_some_and(|code| TRANSIENT.contains(&code))
            }
            _ => false,
        };
        let source = Cause::from(error);
        if unavailable {
            Self::Unavailable { operation, source }
        } else {
            Self::Refused { operation, source }
        }
    }
}
