//! Where data is kept: records in one DynamoDB [`Table`], bytes in one S3 [`Bucket`].
//!
//! Bytes go before the record that points at them, and nothing here ever deletes.

mod attempts;
mod backoff;
mod bucket;
mod connection;
mod item;
mod receipt;
mod references;
mod table;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

pub use self::{
    bucket::Bucket,
    connection::{Access, http_client, retries, timeouts},
    item::Record,
    receipt::Receipt,
    references::{References, Wanted},
    table::{CreateError, RecordError, Table, WriteError},
};
use crate::problem::{Cause, Problem};

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

/// The error code of what a transaction at work stands in the way of.
const TRANSACTION_CONFLICT: &str = "TransactionConflictException";

/// The error codes by which AWS says "not now" under a status that says "not so".
const TRANSIENT: [&str; 10] = [
    "ConditionalRequestConflict",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "Throttling",
    "ThrottlingException",
    TRANSACTION_CONFLICT,
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
                let status = context.raw().status();
                // A success that is an error is one that cannot be read.
                status.is_success()
                    || status.is_server_error()
                    || status.as_u16() == 429
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
