//! Validation of requests and responses against the contract, openapi.yaml.
//!
//! [`Api`](crate::api::Api) calls it for each request to the API.

mod openapi;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io::Read,
    sync::LazyLock,
};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use futures_util::stream;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use jsonschema::Validator;
use multer::Multipart;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::api::Response;

/// Headers that every request may have without documentation.
const COMMON_REQUEST_HEADERS: [HeaderName; 6] = [
    header::HOST,
    header::ACCEPT,
    header::USER_AGENT,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    HeaderName::from_static("x-amzn-trace-id"),
];

/// Headers that every response may have without documentation.
const COMMON_RESPONSE_HEADERS: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::TRANSFER_ENCODING,
];

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

struct Contract {
    operations: Vec<Operation>,
    /// Responses to a request that matches no operation.
    no_such_route: ResponseSpecs,
    /// Headers that carry credentials. A request needs one of them.
    credentials: BTreeSet<String>,
}

type ResponseSpecs = BTreeMap<StatusCode, ResponseSpec>;

struct Operation {
    method: Method,
    path: String,
    path_parameters: BTreeMap<String, Field>,
    query_parameters: BTreeMap<String, Field>,
    headers: BTreeMap<String, Field>,
    form: Option<FormSpec>,
    /// Schema of a body in JSON.
    json: Option<Validator>,
    responses: ResponseSpecs,
}

struct FormSpec {
    schema: Validator,
    /// Names of the parts with JSON content.
    json: BTreeSet<String>,
}

struct ResponseSpec {
    headers: BTreeMap<String, Field>,
    content: BTreeMap<String, Validator>,
}

/// Schema of a parameter or a header.
struct Field {
    required: bool,
    schema: Validator,
}

/// Asserts that a response conforms to the contract, and its request too if it succeeded.
pub async fn assert_conforms(request: &Request<Bytes>, response: &Response) {
    let violations = CONTRACT.violations(request, response).await;
    let (method, uri, status) = (request.method(), request.uri(), response.status);
    assert!(
        violations.is_empty(),
        "{method} {uri} with status {status} violates openapi.yaml: {violations:#?}"
    );
}

impl Contract {
    async fn violations(&self, request: &Request<Bytes>, response: &Response) -> Vec<String> {
        let path = request.uri().path();
        let operation = self.operations.iter().find_map(|operation| {
            let parameters = operation.path_parameters(path)?;
            (operation.method == request.method()).then_some((operation, parameters))
        });
        let mut violations = Vec::new();
        let responses = operation.as_ref().map_or(&self.no_such_route, |(one, _)| &one.responses);
        check_response(responses, response, &mut violations);
        if response.status < 400 {
            match operation {
                Some((operation, parameters)) => {
                    check_values(
                        "path parameter",
                        &operation.path_parameters,
                        &parameters,
                        &mut violations,
                    );
                    operation.check_query(request, &mut violations);
                    self.check_headers(operation, request.headers(), &mut violations);
                    operation.check_body(request, &mut violations).await;
                }
                None => violations.push("there is no such operation".to_owned()),
            }
        }
        violations
    }

    fn check_headers(
        &self,
        operation: &Operation,
        headers: &HeaderMap,
        violations: &mut Vec<String>,
    ) {
        let values: Values = header_values(headers, &COMMON_REQUEST_HEADERS)
            .into_iter()
            .filter(|(name, _)| !self.credentials.contains(name))
            .collect();
        check_values("header", &operation.headers, &values, violations);
        if !self.credentials.iter().any(|name| headers.contains_key(name)) {
            violations.push("the request has no credentials".to_owned());
        }
    }
}

/// Pairs of name and value. Names may repeat.
type Values = Vec<(String, String)>;

impl Operation {
    /// Returns the path parameters if `path` matches this operation.
    fn path_parameters(&self, path: &str) -> Option<Values> {
        let mut parameters = Values::new();
        let mut segments = path.split('/');
        for expected in self.path.split('/') {
            let segment = segments.next()?;
            match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !segment.is_empty() => {
                    let value = percent_decode_str(segment).decode_utf8_lossy().into_owned();
                    parameters.push((name.to_owned(), value));
                }
                None if segment == expected => {}
                _ => return None,
            }
        }
        segments.next().is_none().then_some(parameters)
    }

    fn check_query(&self, request: &Request<Bytes>, violations: &mut Vec<String>) {
        let query = request.uri().query().unwrap_or_default();
        let values: Values = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        check_values("query parameter", &self.query_parameters, &values, violations);
    }

    async fn check_body(&self, request: &Request<Bytes>, violations: &mut Vec<String>) {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let is_json = content_type.is_some_and(|content_type| content_type == "application/json");
        match (&self.json, &self.form) {
            (Some(schema), _) if is_json => match serde_json::from_slice(request.body()) {
                Ok(body) => check("body", schema, &body, violations),
                Err(error) => violations.push(format!("the body is not JSON: {error}")),
            },
            (_, Some(form)) => match form.read(request).await {
                Ok(Some(fields)) => check("form", &form.schema, &fields, violations),
                Ok(None) => {}
                Err(error) => violations.push(format!("the form cannot be read: {error}")),
            },
            _ if request.body().is_empty() => {}
            _ => violations.push("the request has a body".to_owned()),
        }
    }
}

impl FormSpec {
    /// Reads the form in a request's body as one JSON object.
    ///
    /// Returns `None` if `multer` does not understand the name of a part: it does not support every
    /// syntax that the RFCs allow.
    async fn read(&self, request: &Request<Bytes>) -> multer::Result<Option<Value>> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let body = stream::iter([Ok::<_, Infallible>(request.body().clone())]);
        let mut parts = Multipart::new(body, multer::parse_boundary(content_type)?);
        let mut fields = Map::new();
        while let Some(part) = parts.next_field().await? {
            let Some(name) = part.name().map(ToOwned::to_owned) else { return Ok(None) };
            let text = String::from_utf8_lossy(&part.bytes().await?).into_owned();
            let value =
                if self.json.contains(&name) { serde_json::from_str(&text).ok() } else { None };
            fields.insert(name, value.unwrap_or(Value::String(text)));
        }
        Ok(Some(Value::Object(fields)))
    }
}

fn check_response(responses: &ResponseSpecs, response: &Response, violations: &mut Vec<String>) {
    let status = StatusCode::from_u16(response.status).ok();
    let Some(spec) = status.and_then(|status| responses.get(&status)) else {
        violations.push(format!("the status {} is not documented", response.status));
        return;
    };
    let headers = header_values(&response.headers, &COMMON_RESPONSE_HEADERS);
    check_values("header", &spec.headers, &headers, violations);

    let content_type = response.header("content-type");
    match spec.content.get(content_type) {
        Some(schema) if content_type == "text/plain" => {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            check("body", schema, &Value::String(body), violations);
        }
        Some(schema) => match serde_json::from_slice(&decoded(response)) {
            Ok(body) => check("body", schema, &body, violations),
            Err(error) => violations.push(format!("the body is not JSON: {error}")),
        },
        None if spec.content.is_empty() && content_type.is_empty() && response.body.is_empty() => {}
        None => violations.push(format!("the content type {content_type:?} is not documented")),
    }
}

/// The body, decompressed if it is compressed.
fn decoded(response: &Response) -> Vec<u8> {
    let mut body = Vec::new();
    if response.header("content-encoding") == "gzip" {
        GzDecoder::new(&*response.body).read_to_end(&mut body).expect("the body is gzip");
    } else {
        body.extend_from_slice(&response.body);
    }
    body
}

/// Names and values of all headers except the common ones.
fn header_values(headers: &HeaderMap, common: &[HeaderName]) -> Values {
    headers
        .iter()
        .filter(|(name, _)| !common.contains(name))
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// Reports missing, repeated, undocumented and invalid values. `kind` names them in the messages.
fn check_values(
    kind: &str,
    fields: &BTreeMap<String, Field>,
    values: &Values,
    violations: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for (name, value) in values {
        let subject = format!("{kind} {name}");
        if !seen.insert(name) {
            violations.push(format!("the {subject} is repeated"));
        }
        // A number or boolean is a text too, so the schema decides.
        match (fields.get(name), serde_json::from_str::<Value>(value)) {
            (None, _) => violations.push(format!("the {subject} is not documented")),
            (Some(field), Ok(scalar)) if field.schema.is_valid(&scalar) => {}
            (Some(field), _) => check(&subject, &field.schema, &value.as_str().into(), violations),
        }
    }
    for (name, field) in fields {
        if field.required && !seen.contains(name) {
            violations.push(format!("the {kind} {name} is missing"));
        }
    }
}

fn check(subject: &str, schema: &Validator, value: &Value, violations: &mut Vec<String>) {
    let errors = schema.iter_errors(value);
    violations.extend(
        errors.map(|error| format!("the {subject} at {:?}: {error}", error.instance_path())),
    );
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::form;

    const CATALOG: &str = "/v1/catalogs/c";

    /// A valid request for a download link, and its valid response.
    fn download_link() -> (Request<Bytes>, Response) {
        let uri = format!("{CATALOG}/files/{}?filename=x", "0".repeat(64));
        let request = Request::get(uri).header("authorization", "Bearer x");
        let headers = [
            ("cache-control", "no-store"),
            ("content-type", "application/json"),
            ("x-content-type-options", "nosniff"),
            ("x-amzn-requestid", "7ea9a2a7-d56b-4cb8-b617-c25b99f84d6c"),
        ];
        let headers = headers
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let body = json!({"url": "https://example.com/file"}).to_string();
        let response =
            Response { status: 200, headers: headers.into_iter().collect(), body: body.into() };
        (request.body(Bytes::new()).unwrap(), response)
    }

    async fn assert_violation(request: &Request<Bytes>, response: &Response, expected: &str) {
        let violations = CONTRACT.violations(request, response).await;
        assert!(
            violations.iter().any(|violation| violation.contains(expected)),
            "{expected} in {violations:?}"
        );
    }

    #[tokio::test]
    async fn a_conforming_exchange_has_no_violations() {
        let (request, response) = download_link();
        assert_eq!(CONTRACT.violations(&request, &response).await, [""; 0]);
    }

    #[tokio::test]
    async fn an_undocumented_response_is_a_violation() {
        let change = |change: &dyn Fn(&mut Response)| {
            let (_, mut response) = download_link();
            change(&mut response);
            response
        };
        let with_body = |body: Value| change(&|response| response.body = body.to_string().into());
        let with_header = |name: &'static str, value: &'static str| {
            change(&|response| {
                response.headers.insert(name, HeaderValue::from_static(value));
            })
        };
        for (response, violation) in [
            (change(&|response| response.status = 418), "the status 418 is not documented"),
            (with_body(json!({})), "\"url\" is a required property"),
            (with_body(json!({"url": "no url"})), "\"no url\" is not a \"uri\""),
            (with_body(json!({"url": "https://x/", "more": 1})), "'more' was unexpected"),
            (change(&|response| response.body = "{".into()), "the body is not JSON"),
            (with_header("content-type", "text/html"), "\"text/html\" is not documented"),
            (with_header("server", "x"), "the header server is not documented"),
            (with_header("cache-control", "public"), "\"no-store\" was expected"),
            (
                change(&|response| {
                    response.headers.remove("cache-control");
                }),
                "the header cache-control is missing",
            ),
            (
                change(&|response| {
                    response.headers.append("cache-control", HeaderValue::from_static("no-store"));
                }),
                "the header cache-control is repeated",
            ),
        ] {
            assert_violation(&download_link().0, &response, violation).await;
        }
    }

    #[tokio::test]
    async fn an_undocumented_request_that_succeeds_is_a_violation() {
        let with_uri = |uri: &str| {
            let (mut request, _) = download_link();
            *request.uri_mut() = uri.parse().unwrap();
            request
        };
        let with_header = |name: &'static str| {
            let (mut request, _) = download_link();
            request.headers_mut().insert(name, HeaderValue::from_static("x"));
            request
        };
        let file = format!("{CATALOG}/files/{}", "0".repeat(64));
        let (mut anonymous, _) = download_link();
        anonymous.headers_mut().clear();
        let (with_body, _) = download_link();
        for (request, violation) in [
            (with_uri("/v1/catalogs"), "there is no such operation"),
            (with_uri(&format!("{CATALOG}/files/x?filename=x")), "path parameter digest"),
            (with_uri(&file), "the query parameter filename is missing"),
            (with_uri(&format!("{file}?filename=x&filename=y")), "filename is repeated"),
            (with_uri(&format!("{file}?filename=x&a=b")), "query parameter a is not documented"),
            (with_header("if-match"), "the header if-match is not documented"),
            (anonymous, "the request has no credentials"),
            (with_body.map(|_| "x".into()), "the request has a body"),
        ] {
            assert_violation(&request, &download_link().1, violation).await;
        }
    }

    #[tokio::test]
    async fn an_undocumented_form_that_succeeds_is_a_violation() {
        let post = |form: form::Form| {
            let (content_type, body) = form.finish();
            let request = Request::post(format!("{CATALOG}/customizations"));
            let request = request.header("content-type", content_type).header("authorization", "x");
            request.body(Bytes::from(body)).unwrap()
        };
        for (form, violation) in [
            (form::Form::new(), "\"file\" is a required property"),
            (form::Form::upload().text("more", ""), "'more' was unexpected"),
            (form::Form::upload().text("name", ""), "shorter than 1 character"),
            (form::Form::upload().text("filter", "x"), "is not of type \"object\""),
            (form::Form::upload().filter(json!({"branch": "2"})), "\"product_key\" is a required"),
            (form::Form::upload().content_type("text/plain"), "the form cannot be read"),
        ] {
            assert_violation(&post(form), &download_link().1, violation).await;
        }
    }
}
