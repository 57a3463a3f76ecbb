//! Readable errors: from problem documents (RFC 9457), and from the other error formats of API
//! Gateway and S3.

use std::fmt;

use serde::Deserialize;

use super::http::{HttpError, HttpResponse};
use crate::{credentials::CredentialsError, output::printable};

/// A request to the service failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The service responded with an error.
    #[error(transparent)]
    Service(Box<ServiceError>),
    /// S3 responded with an error.
    #[error("S3 responds with {status}{}", .code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Storage {
        /// The status.
        status: u16,
        /// The code of the error, such as `AccessDenied`.
        code: Option<String>,
    },
    /// The service sent no response.
    #[error("the service cannot be reached")]
    Http(#[from] HttpError),
    /// The response is not one of the service.
    #[error("unexpected response ({0}); is the URL that of the service?")]
    Unexpected(String),
    /// The token is missing or not valid.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

impl ApiError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Service(error) => match error.status {
                401 | 403 => 4,
                404 => 3,
                429 | 500.. => 5,
                _ => 1,
            },
            Self::Storage { .. } | Self::Http(_) | Self::Unexpected(_) => 5,
            Self::Credentials(error) => error.exit_code(),
        }
    }

    /// Returns true if the request certainly had no effect.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Service(error) => error.status < 500,
            Self::Storage { .. } | Self::Credentials(_) => true,
            Self::Http(_) | Self::Unexpected(_) => false,
        }
    }

    /// An error response of the service.
    #[must_use]
    pub fn service(response: &HttpResponse) -> Self {
        Self::Service(Box::new(ServiceError::new(response)))
    }

    /// An error response of S3.
    #[must_use]
    pub fn storage(response: &HttpResponse) -> Self {
        let body = String::from_utf8_lossy(&response.body);
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map(|(code, _)| printable(code)).filter(|code| code.len() <= 64);
        Self::Storage { status: response.status.as_u16(), code }
    }
}

/// An error response of the service.
#[derive(Debug, thiserror::Error)]
pub struct ServiceError {
    status: u16,
    title: String,
    detail: Option<String>,
    violations: Vec<Violation>,
    request_id: Option<String>,
    gateway_id: Option<String>,
    /// Advice that the problem document does not give.
    pub(super) hint: Option<String>,
}

/// A rule that the request breaks.
#[derive(Debug, Deserialize)]
struct Violation {
    field: String,
    message: String,
}

/// A problem document. API Gateway's own errors have only a `message`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    message: Option<String>,
    instance: Option<String>,
    violations: Vec<Violation>,
}

impl ServiceError {
    fn new(response: &HttpResponse) -> Self {
        let problem: Problem = serde_json::from_slice(&response.body).unwrap_or_default();
        let request_id = response.header("x-amzn-requestid");
        let instance = problem.instance.as_deref();
        let instance = instance.map(|instance| instance.trim_start_matches("urn:uuid:"));
        Self {
            status: response.status.as_u16(),
            title: problem.title.unwrap_or_else(|| response.status.to_string()),
            detail: problem.detail.or(problem.message),
            violations: problem.violations,
            request_id: request_id.or(instance).map(str::to_owned),
            gateway_id: response.header("x-amz-apigw-id").map(str::to_owned),
            hint: None,
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, detail, violations, request_id, gateway_id, hint, .. } = self;
        write!(f, "{}", printable(title))?;
        if let Some(detail) = detail {
            write!(f, ": {}", printable(detail))?;
        }
        for Violation { field, message } in violations {
            write!(f, "\n  {}: {}", printable(field), printable(message))?;
        }
        if let Some(hint) = hint {
            write!(f, "\n{hint}")?;
        }
        for (name, id) in [("request id", request_id), ("API Gateway id", gateway_id)] {
            if let Some(id) = id {
                write!(f, "\n{name}: {}", printable(id))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::{StatusCode, header::HeaderMap};

    use super::*;

    fn error(status: u16, body: &'static str) -> ApiError {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-apigw-id", "Zx1".parse().unwrap());
        let response = HttpResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::from_static(body.as_bytes()),
        };
        ApiError::service(&response)
    }

    #[test]
    fn a_problem_document_becomes_lines() {
        let body = r#"{"title": "Validation error", "status": 400, "detail": "There was an error.",
            "instance": "urn:uuid:10cd8cd0-e401-493a-9601-7b04567cd245",
            "violations": [{"field": "filter.branch", "message": "needs\u001b filter.product_key"}]}"#;
        let error = error(400, body);
        assert_eq!(
            error.to_string(),
            "Validation error: There was an error.\n  \
             filter.branch: needs\\u{1b} filter.product_key\n\
             request id: 10cd8cd0-e401-493a-9601-7b04567cd245\n\
             API Gateway id: Zx1"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn other_responses_have_their_status() {
        for (status, body, text, code) in [
            (
                413,
                r#"{"message": "Request Too Long"}"#,
                "413 Payload Too Large: Request Too Long",
                1,
            ),
            (404, "<html>", "404 Not Found", 3),
            (502, "", "502 Bad Gateway", 5),
            (403, r#"{"message": "Forbidden"}"#, "403 Forbidden: Forbidden", 4),
        ] {
            let error = error(status, body);
            assert_eq!(error.to_string(), format!("{text}\nAPI Gateway id: Zx1"));
            assert_eq!(error.exit_code(), code);
        }
    }
}
