//! Storage errors.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::error::BoxError;

/// A store did not carry out an operation.
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
    /// The store refused; a retry does not help.
    #[error("{operation}: refused")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// An item does not have the attributes that its key promises.
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

/// The error code of a write that conflicts with a transaction.
pub(super) const TRANSACTION_CONFLICT: &str = "TransactionConflictException";

/// Error codes that are transient, although their HTTP status says otherwise.
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
    /// Classifies the SDK's `error`, which remains after the SDK's own retries.
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
                // A successful response that is an error could not be parsed.
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
