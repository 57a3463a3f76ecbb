//! Problem documents (RFC 9457). Only this module converts errors into HTTP responses.
//!
//! A [`Problem`] separates the information for the client (type, title, detail) from the
//! information for the operator: its [source](std::error::Error::source), which is only logged. The
//! errors of the layers below are converted into problems here. A new variant of an error does not
//! compile until it has a problem.
//!
//! ```
//! use shared::{problem::Problem, storage::StorageError};
//!
//! let source = "connection reset by 192.0.2.1".into();
//! let error = StorageError::Unavailable { operation: "get item", source };
//! let problem = Problem::from(error);
//! assert_eq!(problem.status(), 503);
//! let response = problem.response("https://docs.example.com/problems", uuid::Uuid::nil());
//! assert!(!response.body().contains("192.0.2.1"));
//! ```

use ::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    csp::{AuthenticationError, TokenError},
    domain::Removed,
    error::{BoxError, HandlerError},
    form::FormError,
    response::{EncodingError, Response, ResponseError, with_security_headers},
    storage::{StorageError, UpdateError},
    violation::Violation,
};

/// The maximum number of violations in a response. A filter of 8 KB can have a thousand violations.
const MAX_VIOLATIONS: usize = 50;

/// An error response. Its `Display` text is the `detail` that the client reads.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The request breaks rules; the response lists at most 50.
    #[error("There was an error validating the request.")]
    Validation(Vec<Violation>),
    /// The token is missing or refused. The client does not learn which check failed.
    #[error("A valid CSP access token is required.")]
    Unauthenticated(#[source] TokenError),
    /// The token's user lacks the permission.
    #[error("The requesting user is not authorized for this operation.")]
    Forbidden,
    /// The catalog does not exist, or belongs to another organization.
    #[error("The catalog is not found.")]
    CatalogNotFound,
    /// The catalog has no such customization.
    #[error("The customization is not found.")]
    CustomizationNotFound,
    /// The catalog has no such file.
    #[error("The file is not found.")]
    FileNotFound,
    /// The API has no such route.
    #[error("There is no such route.")]
    NotFound,
    /// The response fits only compressed, and the client does not accept gzip.
    #[error("The response is too large to be sent uncompressed; send Accept-Encoding: gzip.")]
    NotAcceptable,
    /// The customization is removed, so it cannot change.
    #[error("The customization is removed; create another one.")]
    CustomizationRemoved,
    /// The filter matches no released application.
    #[error("No application that matches the filter has been released yet.")]
    ApplicationNotReleased,
    /// The idempotency key was used for another request.
    #[error("The idempotency key was used for another request; use a new one.")]
    IdempotencyKeyReused,
    /// The upload exceeds the size limit.
    #[error("The upload is too large: a file may have up to 4,500,000 bytes.")]
    PayloadTooLarge,
    /// A direct upload exceeds the size limit.
    #[error("The upload is too large: a file may have up to 268,435,456 bytes.")]
    UploadTooLarge,
    /// The content type is not that of a form.
    #[error("The request's content type must be multipart/form-data or application/json.")]
    UnsupportedMediaType,
    /// The file was not uploaded, or its upload has expired.
    #[error("There is no uploaded file with this SHA-256; upload it first.")]
    FileNotUploaded,
    /// A fault of this service.
    #[error("The request failed because of an internal error.")]
    Internal(#[source] BoxError),
    /// The response is too large even compressed.
    #[error("The response is too large to be sent.")]
    ResponseTooLarge,
    /// A dependency does not respond, or the request's deadline has passed.
    #[error("The service is temporarily unavailable; try again later.")]
    ServiceUnavailable(#[source] BoxError),
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable { .. } => Self::ServiceUnavailable(error.into()),
            StorageError::Refused { .. }
            | StorageError::Corrupt { .. }
            | StorageError::Dangling { .. } => Self::Internal(error.into()),
        }
    }
}

impl From<UpdateError<Removed>> for Problem {
    fn from(error: UpdateError<Removed>) -> Self {
        match error {
            UpdateError::CustomizationGone => Self::CustomizationNotFound,
            UpdateError::CatalogGone => Self::CatalogNotFound,
            UpdateError::KeyUsed(_) => Self::IdempotencyKeyReused,
            UpdateError::Refused(Removed) => Self::CustomizationRemoved,
            UpdateError::Storage(error) => error.into(),
        }
    }
}

impl From<AuthenticationError> for Problem {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Token(error) => Self::Unauthenticated(error),
            AuthenticationError::NotPermitted => Self::Forbidden,
            AuthenticationError::Keys(error) => Self::ServiceUnavailable(error.into()),
        }
    }
}

impl From<FormError> for Problem {
    fn from(error: FormError) -> Self {
        match error {
            FormError::NotAForm => Self::UnsupportedMediaType,
            FormError::TooLarge => Self::PayloadTooLarge,
            FormError::Malformed(message) => {
                Self::Validation(vec![Violation::new("body", message)])
            }
        }
    }
}

impl From<ResponseError> for Problem {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::Body(_) | ResponseError::Header(_) => Self::Internal(error.into()),
        }
    }
}

impl From<EncodingError> for Problem {
    fn from(error: EncodingError) -> Self {
        match error {
            EncodingError::NotAcceptable => Self::NotAcceptable,
            EncodingError::TooLarge => Self::ResponseTooLarge,
            EncodingError::Compression(_) => Self::Internal(error.into()),
            EncodingError::Response(error) => error.into(),
        }
    }
}

impl From<HandlerError> for Problem {
    fn from(error: HandlerError) -> Self {
        match error {
            HandlerError::DeadlineExceeded => Self::ServiceUnavailable(error.into()),
            HandlerError::Panic(_) => Self::Internal(error.into()),
        }
    }
}

/// The constant part of a problem type.
struct Kind {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
}

const fn kind(status: StatusCode, slug: &'static str, title: &'static str) -> Kind {
    Kind { status, slug, title }
}

impl Problem {
    /// `Retry-After` of a [`Problem::ServiceUnavailable`], in seconds.
    pub const RETRY_AFTER_SECONDS: u32 = 5;

    fn kind(&self) -> Kind {
        match self {
            Self::Validation(_) => {
                kind(StatusCode::BAD_REQUEST, "validation-error", "Validation error")
            }
            Self::Unauthenticated(_) => {
                kind(StatusCode::UNAUTHORIZED, "unauthenticated", "Unauthenticated")
            }
            Self::Forbidden => kind(StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::CatalogNotFound => {
                kind(StatusCode::NOT_FOUND, "catalog-not-found", "Catalog not found")
            }
            Self::CustomizationNotFound => {
                kind(StatusCode::NOT_FOUND, "customization-not-found", "Customization not found")
            }
            Self::FileNotFound => kind(StatusCode::NOT_FOUND, "file-not-found", "File not found"),
            Self::NotFound => kind(StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::NotAcceptable => {
                kind(StatusCode::NOT_ACCEPTABLE, "not-acceptable", "Not acceptable")
            }
            Self::CustomizationRemoved => {
                kind(StatusCode::CONFLICT, "customization-removed", "Customization removed")
            }
            Self::ApplicationNotReleased => {
                kind(StatusCode::CONFLICT, "application-not-released", "Application not released")
            }
            Self::IdempotencyKeyReused => kind(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "Idempotency key reused",
            ),
            Self::FileNotUploaded => {
                kind(StatusCode::CONFLICT, "file-not-uploaded", "File not uploaded")
            }
            Self::PayloadTooLarge | Self::UploadTooLarge => {
                kind(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "Payload too large")
            }
            Self::UnsupportedMediaType => kind(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported media type",
            ),
            Self::Internal(_) => {
                kind(StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "Internal error")
            }
            Self::ResponseTooLarge => {
                kind(StatusCode::INTERNAL_SERVER_ERROR, "response-too-large", "Response too large")
            }
            Self::ServiceUnavailable(_) => {
                kind(StatusCode::SERVICE_UNAVAILABLE, "service-unavailable", "Service unavailable")
            }
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind().status
    }

    /// The slug, which is the last part of the type's URI.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        self.kind().slug
    }

    /// The response for the request `request_id`; `type_base` is the prefix of the type's URI.
    #[must_use]
    pub fn response(&self, type_base: &str, request_id: Uuid) -> Response {
        let Kind { status, slug, title } = self.kind();
        let document = Document {
            r#type: format!("{type_base}/{slug}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            instance: request_id.urn().to_string(),
            violations: match self {
                Self::Validation(violations) => {
                    violations.get(..MAX_VIOLATIONS).unwrap_or(violations)
                }
                _ => &[],
            },
        };
        // Strings and numbers always serialize.
        let mut response = Response::new(serde_json::to_string(&document).unwrap_or_default());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem_json);
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, Self::RETRY_AFTER_SECONDS.into());
            }
            _ => {}
        }
        with_security_headers(response)
    }
}

/// A problem document (RFC 9457, section 3.1).
#[derive(Debug, Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    instance: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    violations: &'a [Violation],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::FormLimits;

    #[test]
    fn a_response_lists_at_most_fifty_violations() {
        let listed = |count: usize| {
            let violations = (0..count).map(|index| Violation::new(index.to_string(), "x"));
            let response = Problem::Validation(violations.collect()).response("", Uuid::nil());
            let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
            body["violations"].as_array().unwrap().len()
        };
        assert_eq!([49, 50, 51, 1000].map(listed), [49, 50, 50, 50]);
    }

    #[test]
    fn the_detail_of_413_names_the_size_limit() {
        let digits = FormLimits::PRODUCTION.file_bytes.to_string();
        let (millions, rest) = digits.split_at(digits.len() - 6);
        let (thousands, ones) = rest.split_at(3);
        let detail = Problem::PayloadTooLarge.to_string();
        assert!(detail.contains(&format!(" {millions},{thousands},{ones} bytes")), "{detail}");
    }
}
