//! API Gateway on this machine: HTTP requests in, events to the functions, their answers out.
//!
//! Its own answers are the problem documents that the deployment's template shapes.

mod event;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, header::CONTENT_LENGTH, request::Parts},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use shared::{
    error::ErrorChain,
    problem::Problem,
    routes::{BASE_PATH, Operation, Route},
    violation::Violation,
};
use tokio::{
    net::TcpListener,
    time::{error::Elapsed, timeout},
};
use tracing::error;
use uuid::Uuid;

pub use self::event::MalformedAnswer;
use crate::{
    function::{Function, FunctionName, InvocationError},
    limits::Limits,
    reference,
    server::Server,
};

/// The route of a request, and the parameters in its path, decoded.
fn find_route(method: &Method, path: &str) -> Option<(Route, BTreeMap<&'static str, String>)> {
    let path = path.strip_prefix(BASE_PATH)?;
    let decode = |value| percent_decode_str(value).decode_utf8_lossy().into_owned();
    Operation::ALL.iter().map(|operation| operation.route()).find_map(|route| {
        let parameters = route.parameters(path).filter(|_| route.method == *method)?;
        let parameters = parameters.into_iter().map(|(name, value)| (name, decode(value)));
        Some((route, parameters.collect()))
    })
}

/// The functions behind the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Functions {
    pub(crate) write_customizations: Arc<Function>,
    pub(crate) read_customizations: Arc<Function>,
}

impl Functions {
    fn get(&self, name: FunctionName) -> &Arc<Function> {
        match name {
            FunctionName::WriteCustomizations => &self.write_customizations,
            FunctionName::ReadCustomizations => &self.read_customizations,
        }
    }

    /// Ends the processes of both.
    pub(crate) fn stop(&self) {
        for name in FunctionName::ALL {
            self.get(name).stop();
        }
    }
}

/// A running gateway. Dropped, it takes no more requests.
#[derive(Debug)]
pub(crate) struct Gateway(Server);

impl Gateway {
    /// Hands what comes to `listener` on to `functions`.
    pub(crate) fn start(
        listener: TcpListener,
        functions: Functions,
        limits: Limits,
        problem_type_base: String,
    ) -> io::Result<Self> {
        let api = Arc::new(Api { functions, limits, problem_type_base });
        let router = Router::new().fallback(answer).with_state(api);
        Server::start_on(listener, router).map(Self)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    pub(crate) async fn stop(self, grace: Duration) {
        self.0.stop(grace).await;
    }
}

struct Api {
    functions: Functions,
    limits: Limits,
    problem_type_base: String,
}

/// Why a function's answer did not reach the client.
#[derive(Debug, thiserror::Error)]
enum IntegrationError {
    #[error(transparent)]
    Invocation(#[from] InvocationError),
    #[error(transparent)]
    Answer(#[from] MalformedAnswer),
    #[error("the function did not answer in time")]
    TimedOut(#[from] Elapsed),
    #[error("the request cannot be made an event")]
    Event(#[from] serde_json::Error),
}

impl From<IntegrationError> for Problem {
    /// As the template reshapes them: API Gateway's 502 into 500, its 504 into 503.
    fn from(error: IntegrationError) -> Self {
        match error {
            IntegrationError::TimedOut(_)
            | IntegrationError::Invocation(InvocationError::Stopping) => {
                Self::ServiceUnavailable(error.into())
            }
            IntegrationError::Invocation(_)
            | IntegrationError::Answer(_)
            | IntegrationError::Event(_) => Self::Internal(error.into()),
        }
    }
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    if let Some(page) = reference::find(request.method(), request.uri().path()) {
        return page;
    }
    let id = Uuid::new_v4();
    let (parts, body) = request.into_parts();
    let mut response = match api.forward(id, &parts, body).await {
        Ok(response) => response,
        Err(problem) => api.refuse(id, &parts, &problem),
    };
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

impl Api {
    async fn forward(&self, id: Uuid, parts: &Parts, body: Body) -> Result<Response, Problem> {
        let (route, path_parameters) =
            find_route(&parts.method, parts.uri.path()).ok_or(Problem::NotFound)?;
        let body = read(parts, body, self.limits.body_bytes).await?;
        let event = event::Incoming {
            id,
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
            body: &body,
            resource: route.resource,
            path_parameters,
        };
        let event = Bytes::from(event.event().map_err(IntegrationError::from)?);
        if event.len() > self.limits.payload_bytes {
            return Err(Problem::PayloadTooLarge);
        }
        drop(body);
        Ok(self.invoke(FunctionName::of(route.permission), event).await?)
    }

    async fn invoke(
        &self,
        function: FunctionName,
        event: Bytes,
    ) -> Result<Response, IntegrationError> {
        let invocation = self.functions.get(function).invoke(event);
        let answer = timeout(self.limits.integration, invocation).await??;
        Ok(event::response(&answer)?)
    }

    fn refuse(&self, id: Uuid, parts: &Parts, problem: &Problem) -> Response {
        if problem.status().is_server_error() {
            let cause = ErrorChain(problem).to_string();
            error!(request = %id, method = %parts.method, path = parts.uri.path(), cause);
        }
        problem.response(&self.problem_type_base, id).map(Body::from)
    }
}

/// The body of a request, if it is not too large.
async fn read(parts: &Parts, body: Body, limit: usize) -> Result<Bytes, Problem> {
    /// How much more of a body that is too large is read for a client that would not read an
    /// answer before it has sent all, in bytes.
    const PATIENCE_BYTES: usize = 64 * 1024 * 1024;

    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced: usize = announced.and_then(|length| length.parse().ok()).unwrap_or_default();
    let waits = parts.headers.contains_key("expect");
    if announced > limit && waits {
        return Err(Problem::PayloadTooLarge);
    }
    let mut bytes = BytesMut::with_capacity(announced.min(limit));
    let mut received = 0_usize;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        // The client has gone, or does not keep to the framing that it announced.
        let chunk = chunk.map_err(|_| {
            Problem::Validation(vec![Violation::new(
                "body",
                "The gateway cannot read it; send it again as openapi.yaml says.",
            )])
        })?;
        received = received.saturating_add(chunk.len());
        if received <= limit {
            bytes.extend_from_slice(&chunk);
        } else if received > limit.saturating_add(PATIENCE_BYTES) {
            break;
        }
    }
    if received > limit { Err(Problem::PayloadTooLarge) } else { Ok(bytes.freeze()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_route() {
        for (method, path, operation, parameters) in [
            (
                Method::POST,
                "/v1/catalogs/c/customizations",
                Operation::CreateCustomization,
                &["c"][..],
            ),
            (
                Method::GET,
                "/v1/catalogs/c/customizations/i",
                Operation::GetCustomization,
                &["c", "i"],
            ),
            (
                Method::GET,
                "/v1/catalogs/a%20b/files/%2E%2F%FF",
                Operation::GetFile,
                &["a b", "./\u{fffd}"],
            ),
        ] {
            let (route, found) = find_route(&method, path).expect(path);
            assert_eq!(route.operation, operation, "{path}");
            assert_eq!(found.into_values().collect::<Vec<_>>(), parameters, "{path}");
        }
    }

    #[test]
    fn other_paths_and_methods_find_none() {
        for (method, path) in [
            (Method::GET, "/v1/catalogs/c/customizations"),
            (Method::HEAD, "/v1/catalogs/c/customizations/i"),
            (Method::POST, "/v1/catalogs/c/customizations/"),
            (Method::POST, "/v1/catalogs//customizations"),
            (Method::POST, "/v1/catalogs/c/customizations/i"),
            (Method::POST, "/v2/catalogs/c/customizations"),
            (Method::POST, "/v1catalogs/c/customizations"),
            (Method::POST, "//v1/catalogs/c/customizations"),
            (Method::POST, "/catalogs/c/customizations"),
            (Method::GET, "*"),
            (Method::GET, "/"),
        ] {
            assert!(find_route(&method, path).is_none(), "{method} {path}");
        }
    }
}
