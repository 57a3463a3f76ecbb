//! Storage errors.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::error::BoxError;

/// An operation of a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The store is unreachable, overloaded or too slow; a later retry may succeed.
    #[error("{operation}: not available")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The store refused the operation; a retry does not help.
    #[error("{operation}: refused")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// An item does not have the attributes that its record needs.
    #[error("the item {key} is corrupt")]
    Corrupt {
        /// The item's key.
        key: String,
        /// The cause.
        #[source]
        source: serde_dynamo::Error,
    },
    /// An item refers to another item that does not exist.
    #[error("the item {key} is missing")]
    Dangling {
        /// The key of the missing item.
        key: String,
    },
}

/// The error code of a conflict with another transaction.
pub(super) const TRANSACTION_CONFLICT: &str = "TransactionConflictException";

/// Error codes of temporary faults that have an HTTP status below 500.
const TRANSIENT_CODES: [&str; 10] = [
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

impl StorageError {
    /// Classifies an error of the SDK. The SDK has already retried the operation, if it is
    /// retryable.
    pub(super) fn new<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let unavailable = match &error {
            SdkError::TimeoutError(_)
            | SdkError::DispatchFailure(_)
            | SdkError::ResponseError(_) => true,
            SdkError::ServiceError(context) => {
                let status = context.raw().status();
                // An error with a successful status means that the response cannot be parsed.
                status.is_success()
                    || status.is_server_error()
                    || status.as_u16() == 429
                    || context.err().code().is_some_and(|code| TRANSIENT_CODES.contains(&code))
            }
            _ => false,
        };
        let source = BoxError::from(error);
        if unavailable {
            Self::Unavailable { operation, source }
        } else {
            Self::Refused { operation, source }
        }
    }

    pub(super) fn refused(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Refused { operation, source: source.into() }
    }

    pub(super) fn unavailable(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Unavailable { operation, source: source.into() }
    }
}
