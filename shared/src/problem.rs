//! Every error that a client can see, as an RFC 9457 problem document.
//!
//! A [`Problem`] keeps what the client is told (its type, title and detail) apart from what the
//! operator is told (its [source](std::error::Error::source), which is only ever logged).

use ::http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use crate::csp::Refusal;

/// The cause of a problem: for the log, never for the client.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error answer. `Display` is the `detail` that the client reads.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The request breaks rules; all that it breaks are listed.
    #[error("There was an error validating the request.")]
    Validation(Vec<Violation>),
    /// There is no token, or not a good one. Which check failed is not told.
    #[error("A valid CSP access token is required.")]
    Unauthenticated(#[source] Refusal),
    /// The token's user lacks the permission.
    #[error("The requesting user is not authorized for this operation.")]
    Forbidden,
    /// There is no such catalog, or it is another organization's.
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
    /// The answer fits only compressed, and the client does not take it so.
    #[error("The answer is too large to be sent uncompressed; send Accept-Encoding: gzip.")]
    NotAcceptable,
    /// The filter matches no released application.
    #[error("No application that matches the filter has been released yet.")]
    ApplicationNotReleased,
    /// The idempotency key came with another request before.
    #[error("The idempotency key was used for another request; use a new one.")]
    IdempotencyKeyReused,
    /// The upload is larger than can be taken.
    #[error("The upload is too large: a file may have up to 4,500,000 bytes.")]
    PayloadTooLarge,
    /// The body is not a form.
    #[error("The request's content type must be multipart/form-data.")]
    UnsupportedMediaType,
    /// Something is wrong on our side.
    #[error("The request could not be answered because of an internal error.")]
    Internal(#[source] Cause),
    /// The answer does not fit, even compressed.
    #[error("The answer is too large to be sent.")]
    ResponseTooLarge,
    /// Something that we depend on does not answer, or not in time.
    #[error("The service is temporarily unavailable; try again later.")]
    ServiceUnavailable(#[source] Cause),
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The part of the request that breaks it, such as `filter.branch`.
    pub field: String,
    /// What to do about it.
    pub message: String,
}

impl Violation {
    /// A broken rule of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// What does not vary among problems of one type.
struct Kind {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
}

const fn kind(status: StatusCode, slug: &'static str, title: &'static str) -> Kind {
    Kind { status, slug, title }
}

impl Problem {
    /// When a client may try again after a [`Problem::ServiceUnavailable`], in seconds.
    pub const RETRY_AFTER_SECONDS: u32 = 5;

    /// The one place where errors become HTTP.
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
            Self::ApplicationNotReleased => {
                kind(StatusCode::CONFLICT, "application-not-released", "Application not released")
            }
            Self::IdempotencyKeyReused => kind(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "Idempotency key reused",
            ),
            Self::PayloadTooLarge => {
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

    /// The last part of the type's URI.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        self.kind().slug
    }

    /// The document to send: of a type below `type_base`, about the request `request_id`.
    #[must_use]
    pub fn document(&self, type_base: &str, request_id: Uuid) -> Document<'_> {
        let Kind { status, slug, title } = self.kind();
        let violations = match self {
            Self::Validation(violations) => violations.as_slice(),
            _ => &[],
        };
        Document {
            r#type: format!("{type_base}/{slug}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            instance: request_id.urn().to_string(),
            violations,
        }
    }
}

/// A problem document (RFC 9457, section 3.1).
#[derive(Debug, Serialize)]
pub struct Document<'a> {
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
    use crate::validation::form::Limits;

    #[test]
    fn how_large_a_file_may_be_is_told_as_it_is() {
        let digits = Limits::PRODUCTION.file_bytes.to_string();
        let (millions, rest) = digits.split_at(digits.len() - 6);
        let (thousands, ones) = rest.split_at(3);
        let detail = Problem::PayloadTooLarge.to_string();
        assert!(detail.contains(&format!(" {millions},{thousands},{ones} bytes")), "{detail}");
    }
}
