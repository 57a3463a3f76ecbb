//! Responses, and their compression.

mod encoding;

use ::http::{HeaderValue, StatusCode, header};
use serde::Serialize;

pub use self::encoding::{EncodedResponse, EncodingError, GZIP_TAG_SUFFIX};

/// A response whose body is JSON.
pub type Response = ::http::Response<String>;

/// A response cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// The body cannot be serialized.
    #[error("the response body cannot be serialized")]
    Body(#[from] serde_json::Error),
    /// A header value has characters that HTTP does not allow.
    #[error("the response has a header that HTTP does not allow")]
    Header(#[from] ::http::header::InvalidHeaderValue),
}

/// Builds a response with `body` as JSON.
///
/// # Errors
///
/// [`ResponseError::Body`]
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, ResponseError> {
    let mut response = Response::new(serde_json::to_string(body)?);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// Builds a response without content.
#[must_use]
pub fn no_content() -> Response {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Adds the security headers of every response: browsers must not guess the content type, and
/// caches must not store the response unless it has another `Cache-Control`.
#[must_use]
pub fn with_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
