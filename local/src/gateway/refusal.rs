//! Requests that the gateway refuses, or that its integration fails.
//!
//! template.yaml shapes most of these responses as problem documents. Some cannot be shaped; for
//! `REQUEST_TOO_LARGE` the documentation says so:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html>.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use shared::{error::ErrorChain, problem::Problem};
use tokio::time::error::Elapsed;
use tracing::error;
use uuid::Uuid;

use super::{event::MalformedResponse, limits::GatewayLimits};
use crate::function::InvocationError;

/// A refused request.
#[derive(Debug)]
pub(super) enum Refusal {
    /// template.yaml shapes the response.
    Problem(Problem),
    /// The body exceeds the gateway's limit.
    BodyTooLarge,
    /// The event exceeds Lambda's limit.
    EventTooLarge,
    /// The headers exceed the gateway's limit.
    HeadersTooLarge,
}

/// Failure of the Lambda integration: the function gives no HTTP response.
#[derive(Debug, thiserror::Error)]
pub(super) enum IntegrationError {
    #[error(transparent)]
    Invocation(#[from] InvocationError),
    #[error(transparent)]
    Response(#[from] MalformedResponse),
    #[error("the function did not respond in time")]
    TimedOut(#[from] Elapsed),
    #[error("the event cannot be serialized")]
    Event(#[from] serde_json::Error),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<IntegrationError> for Refusal {
    /// Maps errors as template.yaml does: 500 replaces API Gateway's 502, and 503 replaces its 504.
    fn from(error: IntegrationError) -> Self {
        match error {
            IntegrationError::Invocation(InvocationError::RequestTooLarge(_)) => {
                Self::EventTooLarge
            }
            IntegrationError::TimedOut(_)
            | IntegrationError::Invocation(InvocationError::ShuttingDown) => {
                Self::Problem(Problem::ServiceUnavailable(error.into()))
            }
            IntegrationError::Invocation(_)
            | IntegrationError::Response(_)
            | IntegrationError::Event(_) => Self::Problem(Problem::Internal(error.into())),
        }
    }
}

impl Refusal {
    /// Logs the cause of a server error.
    pub(super) fn log(&self, id: Uuid, method: &str, path: &str) {
        if let Self::Problem(problem) = self
            && problem.status().is_server_error()
        {
            error!(request = %id, method, path, cause = ErrorChain(problem).to_string());
        }
    }

    /// Returns the response. Those to too large bodies and headers have no request id, because the
    /// gateway refuses them before it assigns one.
    pub(super) fn response(
        &self,
        problem_type_base: &str,
        id: Uuid,
        limits: &GatewayLimits,
    ) -> Response {
        match self {
            Self::Problem(problem) => {
                with_request_id(problem.response(problem_type_base, id).map(Body::from), id)
            }
            Self::EventTooLarge => {
                let body = r#"{"message":"Request Too Long"}"#.to_owned();
                let response = fixed(StatusCode::PAYLOAD_TOO_LARGE, "application/json", body);
                with_request_id(response, id)
            }
            Self::BodyTooLarge => fixed(
                StatusCode::PAYLOAD_TOO_LARGE,
                "text/plain",
                format!("HTTP content length exceeded {} bytes.", limits.body_bytes),
            ),
            // The limit is documented; users have reported the text and the status.
            Self::HeadersTooLarge => fixed(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "text/plain",
                format!("HTTP header is larger than {} bytes.", limits.header_bytes),
            ),
        }
    }
}

fn fixed(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Adds the request id.
pub(super) fn with_request_id(mut response: Response, id: Uuid) -> Response {
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}
