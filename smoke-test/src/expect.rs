//! Expectations of responses.

use std::fmt::{self, Debug, Display};

use cli::{
    api::{ApiError, HttpError, HttpResponse},
    error::ErrorChain,
};
use serde::de::DeserializeOwned;

/// The reason why a check failed: what was expected, and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A response or a value differs from the expected one.
    pub fn new(expected: impl Display, actual: impl Display) -> Self {
        Self(format!("expected {expected}, got {actual}"))
    }

    /// A check failed for this reason.
    #[must_use]
    pub fn because(reason: String) -> Self {
        Self(reason)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::new("a response", ErrorChain(&error))
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(ErrorChain(&error).to_string())
    }
}

/// Describes a response of the service. It never quotes a body: a link in it would be a secret.
pub(crate) fn describe(response: &HttpResponse) -> String {
    let status = response.status;
    if status.is_client_error() || status.is_server_error() {
        let error = ApiError::service(response).to_string().replace('\n', "; ");
        return format!("{} ({error})", status.as_u16());
    }
    match response.header("content-type") {
        Some(content_type) => format!("{} with {content_type}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// Expects a status of the service.
///
/// # Errors
///
/// [`Failure`]
pub fn status(response: &HttpResponse, expected: u16) -> Result<(), Failure> {
    if response.status.as_u16() == expected {
        return Ok(());
    }
    Err(Failure::new(expected, describe(response)))
}

/// Expects a status of S3.
///
/// # Errors
///
/// [`Failure`]
pub fn storage_status(response: &HttpResponse, expected: u16) -> Result<(), Failure> {
    if response.status.as_u16() == expected {
        return Ok(());
    }
    let expected = format!("{expected} of S3");
    Err(Failure(format!("expected {expected}, but {}", ApiError::storage(response))))
}

/// Expects a status and a JSON document.
///
/// # Errors
///
/// [`Failure`]
pub fn document<T: DeserializeOwned>(response: &HttpResponse, expected: u16) -> Result<T, Failure> {
    status(response, expected)?;
    header(response, "content-type", "application/json")?;
    serde_json::from_slice(&response.body)
        .map_err(|error| Failure::new("the documented JSON", error))
}

/// Expects the value of a header.
///
/// # Errors
///
/// [`Failure`]
pub fn header(response: &HttpResponse, name: &str, expected: &str) -> Result<(), Failure> {
    match response.header(name) {
        Some(actual) if actual == expected => Ok(()),
        Some(actual) => Err(Failure::new(format!("{name}: {expected}"), actual)),
        None => Err(Failure::new(format!("{name}: {expected}"), "no such header")),
    }
}

/// Expects a value; `what` names it.
///
/// # Errors
///
/// [`Failure`]
#[expect(clippy::needless_pass_by_value, reason = "callers pass references and values in place")]
pub fn equal<T: Debug + PartialEq>(what: &str, expected: T, actual: T) -> Result<(), Failure> {
    if expected == actual {
        return Ok(());
    }
    Err(Failure::new(format!("{what} {expected:?}"), format!("{actual:?}")))
}

/// Expects a condition; `what` describes it.
///
/// # Errors
///
/// [`Failure`]
pub fn that(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure(format!("expected that {what}"))) }
}
