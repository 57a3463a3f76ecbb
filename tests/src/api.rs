//! HTTP client of the API, its responses and expected problems.
//!
//! The client checks each response of the API against the [contract], so that every test tests it
//! too.
//!
//! ```no_run
//! use local::csp::Token;
//! use tests::api::{Api, Problem};
//!
//! # async fn example() {
//! let api = Api::new("http://127.0.0.1:9000".to_owned(), Token::default());
//! api.customization("x").await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
//! let anonymous = api.headers(&[]);
//! anonymous.customization("x").await.assert_problem(&Problem::UNAUTHENTICATED);
//! # }
//! ```

use std::error::Error;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use local::csp::Token;
use serde_json::{Value, json};
use shared::domain::Digest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{contract, form::Form, stack::SAMPLE_CATALOG};

/// A client of the API.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    base_url: String,
    headers: Vec<(String, String)>,
}

impl Api {
    /// A client that sends `token` to the API at `base_url`.
    pub fn new(base_url: String, token: Token) -> Self {
        let token = token.sign().expect("the token can be signed");
        let headers = vec![("authorization".to_owned(), format!("Bearer {token}"))];
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, base_url, headers }
    }

    /// A client that sends exactly these headers, without the token.
    pub fn headers(&self, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Self { headers: headers.collect(), ..self.clone() }
    }

    /// A client that sends this header in addition.
    pub fn header(&self, name: &str, value: &str) -> Self {
        let mut api = self.clone();
        api.headers.push((name.to_owned(), value.to_owned()));
        api
    }

    /// A client that does not send this header.
    pub fn without(&self, name: &str) -> Self {
        let mut api = self.clone();
        api.headers.retain(|(header, _)| header != name);
        api
    }

    /// Creates a customization in the sample catalog.
    pub async fn create(&self, form: Form) -> Response {
        self.create_in(SAMPLE_CATALOG, form).await
    }

    /// Creates a customization in a catalog.
    pub async fn create_in(&self, catalog: &str, form: Form) -> Response {
        let (content_type, body) = form.finish();
        self.post(catalog, &content_type, body).await
    }

    /// Posts any body to the customizations of a catalog.
    pub async fn post(&self, catalog: &str, content_type: &str, body: Vec<u8>) -> Response {
        let path = format!("/v1/catalogs/{catalog}/customizations");
        self.header("content-type", content_type).send(Method::POST, &path, body).await
    }

    /// Gets a customization of the sample catalog.
    pub async fn customization(&self, id: &str) -> Response {
        self.get(&format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations/{id}")).await
    }

    /// Updates a customization of the sample catalog.
    pub async fn update(&self, id: &str, form: Form) -> Response {
        self.update_in(SAMPLE_CATALOG, id, form).await
    }

    /// Updates a customization of a catalog.
    pub async fn update_in(&self, catalog: &str, id: &str, form: Form) -> Response {
        let (content_type, body) = form.finish();
        let path = format!("/v1/catalogs/{catalog}/customizations/{id}");
        self.header("content-type", &content_type).send(Method::PATCH, &path, body).await
    }

    /// Removes a customization of the sample catalog.
    pub async fn remove(&self, id: &str) -> Response {
        self.remove_in(SAMPLE_CATALOG, id).await
    }

    /// Removes a customization of a catalog.
    pub async fn remove_in(&self, catalog: &str, id: &str) -> Response {
        let path = format!("/v1/catalogs/{catalog}/customizations/{id}");
        self.send(Method::DELETE, &path, Vec::new()).await
    }

    /// Lists the customizations of the sample catalog, with this query string.
    pub async fn list(&self, query: &str) -> Response {
        self.get(&format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations?{query}")).await
    }

    /// Lists the versions of a customization of the sample catalog.
    pub async fn versions(&self, id: &str) -> Response {
        self.get(&format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations/{id}/versions")).await
    }

    /// Sends JSON to a path of the sample catalog.
    pub async fn send_json(&self, method: Method, path: &str, body: &Value) -> Response {
        let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/{path}");
        let api = self.header("content-type", "application/json");
        api.send(method, &path, body.to_string().into_bytes()).await
    }

    /// Starts a direct upload to the sample catalog.
    pub async fn start_upload(&self, body: &Value) -> Response {
        self.send_json(Method::POST, "uploads", body).await
    }

    /// Uploads `content` directly, and returns its SHA-256. Does nothing if it is stored already.
    pub async fn upload(&self, content: &[u8]) -> String {
        let sha256 = Digest::of(content).to_string();
        let response = self.start_upload(&json!({"sha256": sha256, "size": content.len()})).await;
        if response.status == 201 {
            let upload = response.json()["upload"].clone();
            let put = self.put_upload(&upload, content).await;
            assert!(matches!(put.status, 200 | 412), "{}: {:?}", put.status, put.body);
        } else {
            assert_eq!(response.status, 200, "{:?}", response.body);
        }
        sha256
    }

    /// Sends the presigned request of an upload with this body.
    pub async fn put_upload(&self, upload: &Value, body: &[u8]) -> Response {
        self.try_put_upload(upload, body).await.expect("S3 responds")
    }

    /// Sends the presigned request of an upload to an S3 that may end before the response.
    pub async fn try_put_upload(
        &self,
        upload: &Value,
        body: &[u8],
    ) -> Result<Response, Box<dyn Error + Send + Sync>> {
        let headers = upload["headers"].as_object().expect("headers");
        // The HTTP client computes the length itself.
        let headers = headers.iter().filter(|(name, _)| *name != "content-length");
        let headers: Vec<_> =
            headers.map(|(name, value)| (&**name, value.as_str().expect("a text"))).collect();
        let url = upload["url"].as_str().expect("a URL");
        self.headers(&headers).try_send(Method::PUT, url, body.to_vec()).await
    }

    /// Gets a path of the API, or an absolute URL.
    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, Vec::new()).await
    }

    /// Sends a request to a path of the API, or to an absolute URL.
    pub async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Response {
        self.try_send(method, path, body).await.expect("the gateway responds")
    }

    /// Sends a request to a gateway that may end before the response.
    ///
    /// Asserts the contract for a path of the API, not for an absolute URL.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response, Box<dyn Error + Send + Sync>> {
        let is_api_path = path.starts_with('/');
        let url = if is_api_path { format!("{}{path}", self.base_url) } else { path.to_owned() };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::from(body)).expect("the request is valid");
        let response = self.client.request(request.clone().map(Full::new)).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        let response = Response { status: parts.status.as_u16(), headers: parts.headers, body };
        if is_api_path {
            contract::assert_conforms(&request, &response).await;
        }
        Ok(response)
    }
}

/// Sends bytes, which may be no valid request, to `base_url` and reads the response.
///
/// Asserts the contract if the head of the request can be parsed.
pub async fn send_raw(base_url: &str, request: &[u8]) -> Response {
    let address = base_url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    stream.write_all(request).await.expect("the gateway reads");
    stream.shutdown().await.expect("the gateway reads to the end");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("the gateway responds");
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let length = head.parse(&bytes).expect("the response is HTTP").unwrap();
    let headers = head.headers.iter().map(|header| {
        let name = header.name.parse::<HeaderName>().expect("a header name");
        (name, HeaderValue::from_bytes(header.value).expect("a header value"))
    });
    let response = Response {
        status: head.code.expect("the response has a status"),
        headers: headers.collect(),
        body: Bytes::copy_from_slice(&bytes[length..]),
    };
    if let Some(request) = parse_request(request) {
        contract::assert_conforms(&request, &response).await;
    }
    response
}

/// Parses a request. Its body keeps the transfer encoding. Returns `None` if the head is invalid.
fn parse_request(bytes: &[u8]) -> Option<Request<Bytes>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).ok()? else { return None };
    let mut request = Request::builder().method(head.method?).uri(head.path?);
    for header in head.headers {
        request = request.header(header.name, header.value);
    }
    request.body(Bytes::copy_from_slice(&bytes[length..])).ok()
}

/// An HTTP response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, still compressed if the response is.
    pub body: Bytes,
}

impl Response {
    /// The value of a header, or an empty string if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header is ASCII"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}: {:?}", self.status, self.body))
    }

    /// The identifier of the created customization. Asserts status 201.
    pub fn id(&self) -> String {
        assert_eq!(self.status, 201, "{:?}", self.body);
        self.json()["id"].as_str().expect("a customization has an id").to_owned()
    }

    /// Asserts that the response is a 204 without content.
    #[track_caller]
    pub fn assert_no_content(&self) {
        assert_eq!((self.status, &self.body[..]), (204, &b""[..]), "{:?}", self.body);
        assert_eq!(self.header("cache-control"), "no-store");
    }

    /// Asserts that the response is exactly this problem: status, headers and body.
    #[track_caller]
    pub fn assert_problem(&self, problem: &Problem) {
        let mut body = json!({
            "type": format!("https://example.com/probs/{}", problem.slug),
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "instance": format!("urn:uuid:{}", self.header("x-amzn-requestid")),
        });
        if !problem.violations.is_empty() {
            let violations = problem.violations.iter();
            body["violations"] = violations
                .map(|(field, message)| json!({"field": field, "message": message}))
                .collect();
        }
        assert_eq!(self.json(), body);
        assert_eq!(self.status, problem.status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        let scheme = if self.status == 401 { "Bearer" } else { "" };
        assert_eq!(self.header("x-amzn-remapped-www-authenticate"), scheme);
        assert_eq!(self.header("retry-after"), if self.status == 503 { "5" } else { "" });
    }
}

/// An expected problem response.
#[derive(Clone, Debug)]
pub struct Problem {
    status: u16,
    slug: &'static str,
    title: &'static str,
    detail: &'static str,
    violations: Vec<(String, String)>,
}

const fn problem(
    status: u16,
    slug: &'static str,
    title: &'static str,
    detail: &'static str,
) -> Problem {
    Problem { status, slug, title, detail, violations: Vec::new() }
}

impl Problem {
    /// The token is missing or invalid.
    pub const UNAUTHENTICATED: Self =
        problem(401, "unauthenticated", "Unauthenticated", "A valid CSP access token is required.");
    /// The user lacks the permission.
    pub const FORBIDDEN: Self = problem(
        403,
        "forbidden",
        "Forbidden",
        "The requesting user is not authorized for this operation.",
    );
    /// The catalog does not exist, or belongs to another organization.
    pub const CATALOG_NOT_FOUND: Self =
        problem(404, "catalog-not-found", "Catalog not found", "The catalog is not found.");
    /// The customization does not exist in the catalog.
    pub const CUSTOMIZATION_NOT_FOUND: Self = problem(
        404,
        "customization-not-found",
        "Customization not found",
        "The customization is not found.",
    );
    /// The file does not exist in the catalog.
    pub const FILE_NOT_FOUND: Self =
        problem(404, "file-not-found", "File not found", "The file is not found.");
    /// The route does not exist.
    pub const NOT_FOUND: Self = problem(404, "not-found", "Not found", "There is no such route.");
    /// The response exceeds Lambda's limit unless the client accepts gzip.
    pub const NOT_ACCEPTABLE: Self = problem(
        406,
        "not-acceptable",
        "Not acceptable",
        "The response is too large to be sent uncompressed; send Accept-Encoding: gzip.",
    );
    /// No application that the filter matches is released.
    pub const NOT_RELEASED: Self = problem(
        409,
        "application-not-released",
        "Application not released",
        "No application that matches the filter has been released yet.",
    );
    /// The customization is removed.
    pub const CUSTOMIZATION_REMOVED: Self = problem(
        409,
        "customization-removed",
        "Customization removed",
        "The customization is removed; create another one.",
    );
    /// The idempotency key was used with another request.
    pub const KEY_REUSED: Self = problem(
        422,
        "idempotency-key-reused",
        "Idempotency key reused",
        "The idempotency key was used for another request; use a new one.",
    );
    /// The file is too large.
    pub const TOO_LARGE: Self = problem(
        413,
        "payload-too-large",
        "Payload too large",
        "The upload is too large: a file may have up to 4,500,000 bytes.",
    );
    /// The content type is not multipart/form-data.
    pub const UNSUPPORTED: Self = problem(
        415,
        "unsupported-media-type",
        "Unsupported media type",
        "The request's content type must be multipart/form-data or application/json.",
    );
    /// A direct upload is too large.
    pub const UPLOAD_TOO_LARGE: Self = problem(
        413,
        "payload-too-large",
        "Payload too large",
        "The upload is too large: a file may have up to 268,435,456 bytes.",
    );
    /// The file was not uploaded.
    pub const NOT_UPLOADED: Self = problem(
        409,
        "file-not-uploaded",
        "File not uploaded",
        "There is no uploaded file with this SHA-256; upload it first.",
    );
    /// Internal error.
    pub const INTERNAL: Self = problem(
        500,
        "internal-error",
        "Internal error",
        "The request failed because of an internal error.",
    );
    /// The response exceeds Lambda's limit even with gzip.
    pub const RESPONSE_TOO_LARGE: Self = problem(
        500,
        "response-too-large",
        "Response too large",
        "The response is too large to be sent.",
    );
    /// A dependency is unavailable.
    pub const UNAVAILABLE: Self = problem(
        503,
        "service-unavailable",
        "Service unavailable",
        "The service is temporarily unavailable; try again later.",
    );

    /// The request has these violations: field and message of each.
    pub fn violations<F: Into<String>, M: Into<String>>(
        violations: impl IntoIterator<Item = (F, M)>,
    ) -> Self {
        let detail = "There was an error validating the request.";
        let violations =
            violations.into_iter().map(|(field, message)| (field.into(), message.into()));
        Self {
            violations: violations.collect(),
            ..problem(400, "validation-error", "Validation error", detail)
        }
    }
}
