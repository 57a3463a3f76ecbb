//! API Gateway on this machine: converts HTTP requests to events for the functions, and their
//! responses to HTTP responses.
//!
//! Its own error responses are the problem documents that template.yaml defines. A response that no
//! template can define is as AWS's documentation says.

mod event;
mod limits;
mod refusal;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, Method,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT},
        request::Parts,
    },
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use shared::{
    problem::Problem,
    routes::{BASE_PATH, Operation, Route},
    violation::Violation,
};
use tokio::{net::TcpListener, time::timeout};
use uuid::Uuid;

use self::refusal::{IntegrationError, Refusal};
pub use self::{event::MalformedResponse, limits::GatewayLimits};
use crate::{
    browser_guard::AllowedHosts,
    function::{Function, FunctionName},
    reference,
    server::Server,
};

/// Finds the route of a request, and decodes the parameters in its path.
///
/// A path with a slash at its end matches no route. AWS does not document this case for REST APIs,
/// and users' reports disagree.
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

    /// Kills the processes of both functions.
    pub(crate) fn stop(&self) {
        for name in FunctionName::ALL {
            self.get(name).stop();
        }
    }
}

/// A running gateway. Dropping it stops it from accepting requests.
#[derive(Debug)]
pub(crate) struct Gateway(Server);

impl Gateway {
    /// Forwards requests for one of `hosts` from `listener` to `functions`.
    pub(crate) fn start(
        listener: TcpListener,
        hosts: AllowedHosts,
        functions: Functions,
        limits: GatewayLimits,
        problem_type_base: String,
    ) -> io::Result<Self> {
        let api = Arc::new(Api { functions, limits, problem_type_base });
        let router = Router::new().fallback(handle).with_state(api);
        Server::start_on(listener, router, hosts).map(Self)
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
    limits: GatewayLimits,
    problem_type_base: String,
}

async fn handle(State(api): State<Arc<Api>>, request: Request) -> Response {
    if let Some(page) = reference::find(request.method(), request.uri().path()) {
        return page;
    }
    let id = Uuid::new_v4();
    let (parts, body) = request.into_parts();
    match api.forward(id, &parts, body).await {
        Ok(response) => refusal::with_request_id(response, id),
        Err(refusal) => {
            refusal.log(id, parts.method.as_str(), parts.uri.path());
            refusal.response(&api.problem_type_base, id, &api.limits)
        }
    }
}

impl Api {
    async fn forward(&self, id: Uuid, parts: &Parts, body: Body) -> Result<Response, Refusal> {
        check_headers(&parts.headers, self.limits.header_bytes)?;
        let (route, path_parameters) =
            find_route(&parts.method, parts.uri.path()).ok_or(Problem::NotFound)?;
        let body = read_body(parts, body, self.limits.body_bytes).await?;
        let event = event::ProxyRequest {
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
        drop(body);
        Ok(self.invoke(FunctionName::of(route.permission), event).await?)
    }

    async fn invoke(
        &self,
        function: FunctionName,
        event: Bytes,
    ) -> Result<Response, IntegrationError> {
        let invocation = self.functions.get(function).invoke(event);
        let response = timeout(self.limits.integration_timeout, invocation).await??;
        Ok(event::response(&response)?)
    }
}

/// Checks the headers before anything else.
///
/// The gateway decompresses a body only if compression is configured; otherwise it refuses a
/// compressed body with 415
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-enable-compression.html>).
fn check_headers(headers: &HeaderMap, limit: usize) -> Result<(), Refusal> {
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if bytes.sum::<usize>() > limit {
        return Err(Refusal::HeadersTooLarge);
    }
    let encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.into_iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Problem::UnsupportedMediaType.into());
    }
    Ok(())
}

/// Reads the body of a request, up to `limit` bytes.
async fn read_body(parts: &Parts, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    /// Number of bytes beyond the limit that are read and discarded: many clients read the response
    /// only after they have sent the whole request.
    const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or_default();
    // A client that sends `Expect: 100-continue` reads the response before it sends the body.
    if length > limit && parts.headers.contains_key(EXPECT) {
        return Err(Refusal::BodyTooLarge);
    }
    let mut bytes = BytesMut::with_capacity(length.min(limit));
    let mut received = 0_usize;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        // The connection was closed, or the framing is malformed.
        let chunk = chunk.map_err(|_| {
            Problem::Validation(vec![Violation::new(
                "body",
                "The gateway cannot read the body; send it as openapi.yaml says.",
            )])
        })?;
        received = received.saturating_add(chunk.len());
        if received <= limit {
            bytes.extend_from_slice(&chunk);
        } else if received > limit.saturating_add(MAX_DISCARDED_BYTES) {
            break;
        }
    }
    if received > limit { Err(Refusal::BodyTooLarge) } else { Ok(bytes.freeze()) }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, header::ACCEPT};

    use super::*;

    #[test]
    fn a_path_matches_its_route() {
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
    fn headers_have_a_total_limit() {
        let headers = |bytes: usize| {
            let [first, second] = ["a".repeat(bytes / 2), "b".repeat(bytes - bytes / 2 - 7)];
            HeaderMap::from_iter([
                (ACCEPT, first.parse().unwrap()),
                (HeaderName::from_static("b"), second.parse().unwrap()),
            ])
        };
        assert!(check_headers(&headers(10_240), 10_240).is_ok());
        let refused = check_headers(&headers(10_241), 10_240);
        assert!(matches!(refused, Err(Refusal::HeadersTooLarge)));
    }

    #[test]
    fn a_compressed_body_is_refused() {
        for (encoding, accepted) in
            [("identity", true), ("Identity", true), ("gzip", false), ("br", false)]
        {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())]);
            assert_eq!(check_headers(&headers, 10_240).is_ok(), accepted, "{encoding}");
        }
    }

    #[test]
    fn other_paths_and_methods_match_no_route() {
        for (method, path) in [
            (Method::GET, "/v1/catalogs/c/uploads"),
            (Method::HEAD, "/v1/catalogs/c/customizations/i"),
            (Method::OPTIONS, "/v1/catalogs/c/customizations"),
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
