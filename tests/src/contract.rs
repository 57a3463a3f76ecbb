//! The contract, openapi.yaml: whether a request and its answer are as it says.

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

use crate::api::Answer;

/// What every request may bring, whatever it asks for.
const OF_ANY_REQUEST: [HeaderName; 6] = [
    header::HOST,
    header::ACCEPT,
    header::USER_AGENT,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    HeaderName::from_static("x-amzn-trace-id"),
];

/// What every answer may bring, whatever it says.
const OF_ANY_ANSWER: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::TRANSFER_ENCODING,
];

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

/// What the contract has.
struct Contract {
    operations: Vec<Operation>,
    /// How what is none of them is answered.
    no_such_route: Responses,
    /// Headers of which a request that is not refused brings one: its credentials.
    credentials: BTreeSet<String>,
}

type Responses = BTreeMap<StatusCode, Response>;

struct Operation {
    method: Method,
    path: String,
    path_parameters: BTreeMap<String, Field>,
    query_parameters: BTreeMap<String, Field>,
    headers: BTreeMap<String, Field>,
    form: Option<Form>,
    responses: Responses,
}

struct Form {
    schema: Validator,
    /// The parts that hold JSON.
    json: BTreeSet<String>,
}

struct Response {
    headers: BTreeMap<String, Field>,
    content: BTreeMap<String, Validator>,
}

/// A parameter or a header.
struct Field {
    required: bool,
    schema: Validator,
}

/// Asserts that a request was answered as the contract says, and that it was one that the contract
/// allows, unless it was refused.
pub async fn assert_kept(request: &Request<Bytes>, answer: &Answer) {
    let faults = CONTRACT.faults(request, answer).await;
    let (method, uri, status) = (request.method(), request.uri(), answer.status);
    assert!(
        faults.is_empty(),
        "{method} {uri}, answered {status}, is not as in openapi.yaml: {faults:#?}"
    );
}

impl Contract {
    /// What is not as the contract says.
    async fn faults(&self, request: &Request<Bytes>, answer: &Answer) -> Vec<String> {
        let path = request.uri().path();
        let operation = self.operations.iter().find_map(|operation| {
            let parameters = operation.path_parameters(path)?;
            (operation.method == request.method()).then_some((operation, parameters))
        });
        let mut faults = Vec::new();
        let responses = operation.as_ref().map_or(&self.no_such_route, |(one, _)| &one.responses);
        check_answer(responses, answer, &mut faults);
        if answer.status < 400 {
            match operation {
                Some((operation, parameters)) => {
                    check_values(
                        "path parameter",
                        &operation.path_parameters,
                        &parameters,
                        &mut faults,
                    );
                    operation.check_query(request, &mut faults);
                    self.check_headers(operation, request.headers(), &mut faults);
                    operation.check_form(request, &mut faults).await;
                }
                None => faults.push("there is no such operation".to_owned()),
            }
        }
        faults
    }

    fn check_headers(&self, operation: &Operation, headers: &HeaderMap, faults: &mut Vec<String>) {
        let values: Values = values(headers, &OF_ANY_REQUEST)
            .into_iter()
            .filter(|(name, _)| !self.credentials.contains(name))
            .collect();
        check_values("header", &operation.headers, &values, faults);
        if !self.credentials.iter().any(|name| headers.contains_key(name)) {
            faults.push("the request has no credentials".to_owned());
        }
    }
}

/// Names and values, several of one name among them.
type Values = Vec<(String, String)>;

impl Operation {
    /// The parameters in `path`, if it is this operation's.
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

    fn check_query(&self, request: &Request<Bytes>, faults: &mut Vec<String>) {
        let query = request.uri().query().unwrap_or_default();
        let values: Values = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        check_values("query parameter", &self.query_parameters, &values, faults);
    }

    async fn check_form(&self, request: &Request<Bytes>, faults: &mut Vec<String>) {
        match &self.form {
            Some(form) => match form.read(request).await {
                Ok(Some(fields)) => check("form", &form.schema, &fields, faults),
                Ok(None) => {}
                Err(error) => faults.push(format!("the form cannot be read: {error}")),
            },
            None if request.body().is_empty() => {}
            None => faults.push("the request has a body".to_owned()),
        }
    }
}

impl Form {
    /// The form in a request's body as one object; none if a part's name is written in one of those
    /// ways that the RFCs allow, and `multer` does not know.
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

fn check_answer(responses: &Responses, answer: &Answer, faults: &mut Vec<String>) {
    let status = StatusCode::from_u16(answer.status).ok();
    let Some(response) = status.and_then(|status| responses.get(&status)) else {
        faults.push(format!("the status {} is not documented", answer.status));
        return;
    };
    let headers = values(&answer.headers, &OF_ANY_ANSWER);
    check_values("header", &response.headers, &headers, faults);

    let content_type = answer.header("content-type");
    match response.content.get(content_type) {
        Some(schema) => match serde_json::from_slice(&decoded(answer)) {
            Ok(body) => check("body", schema, &body, faults),
            Err(error) => faults.push(format!("the body is not JSON: {error}")),
        },
        None if response.content.is_empty()
            && content_type.is_empty()
            && answer.body.is_empty() => {}
        None => faults.push(format!("the content type {content_type:?} is not documented")),
    }
}

/// The body as it was before it was compressed.
fn decoded(answer: &Answer) -> Vec<u8> {
    let mut body = Vec::new();
    if answer.header("content-encoding") == "gzip" {
        GzDecoder::new(&*answer.body).read_to_end(&mut body).expect("the body is gzip");
    } else {
        body.extend_from_slice(&answer.body);
    }
    body
}

/// All headers but those of any message.
fn values(headers: &HeaderMap, of_any: &[HeaderName]) -> Values {
    headers
        .iter()
        .filter(|(name, _)| !of_any.contains(name))
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// Checks that there are all that must be, none twice, and none that is not documented.
fn check_values(
    what: &str,
    fields: &BTreeMap<String, Field>,
    values: &Values,
    faults: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for (name, value) in values {
        let what = format!("{what} {name}");
        if !seen.insert(name) {
            faults.push(format!("the {what} is there twice"));
        }
        match (fields.get(name), value.parse::<i64>()) {
            (None, _) => faults.push(format!("the {what} is not documented")),
            (Some(field), Ok(number)) if field.schema.is_valid(&number.into()) => {}
            (Some(field), _) => check(&what, &field.schema, &value.as_str().into(), faults),
        }
    }
    for (name, field) in fields {
        if field.required && !seen.contains(name) {
            faults.push(format!("the {what} {name} is missing"));
        }
    }
}

fn check(what: &str, schema: &Validator, value: &Value, faults: &mut Vec<String>) {
    let errors = schema.iter_errors(value);
    faults
        .extend(errors.map(|error| format!("the {what} at {:?}: {error}", error.instance_path())));
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::form;

    const CATALOG: &str = "/v1/catalogs/c";

    /// A file's location, asked for and answered as it should be.
    fn location() -> (Request<Bytes>, Answer) {
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
        let answer =
            Answer { status: 200, headers: headers.into_iter().collect(), body: body.into() };
        (request.body(Bytes::new()).unwrap(), answer)
    }

    async fn assert_fault(request: &Request<Bytes>, answer: &Answer, expected: &str) {
        let faults = CONTRACT.faults(request, answer).await;
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected} in {faults:?}");
    }

    #[tokio::test]
    async fn what_is_as_the_contract_says_has_no_faults() {
        let (request, answer) = location();
        assert_eq!(CONTRACT.faults(&request, &answer).await, [""; 0]);
    }

    #[tokio::test]
    async fn a_wrong_answer_is_found() {
        let change = |change: &dyn Fn(&mut Answer)| {
            let (_, mut answer) = location();
            change(&mut answer);
            answer
        };
        let with_body = |body: Value| change(&|answer| answer.body = body.to_string().into());
        let with_header = |name: &'static str, value: &'static str| {
            change(&|answer| {
                answer.headers.insert(name, HeaderValue::from_static(value));
            })
        };
        for (answer, fault) in [
            (change(&|answer| answer.status = 418), "the status 418 is not documented"),
            (with_body(json!({})), "\"url\" is a required property"),
            (with_body(json!({"url": "no url"})), "\"no url\" is not a \"uri\""),
            (with_body(json!({"url": "https://x/", "more": 1})), "'more' was unexpected"),
            (change(&|answer| answer.body = "{".into()), "the body is not JSON"),
            (with_header("content-type", "text/html"), "\"text/html\" is not documented"),
            (with_header("server", "x"), "the header server is not documented"),
            (with_header("cache-control", "public"), "\"no-store\" was expected"),
            (
                change(&|answer| {
                    answer.headers.remove("cache-control");
                }),
                "the header cache-control is missing",
            ),
            (
                change(&|answer| {
                    answer.headers.append("cache-control", HeaderValue::from_static("no-store"));
                }),
                "the header cache-control is there twice",
            ),
        ] {
            assert_fault(&location().0, &answer, fault).await;
        }
    }

    #[tokio::test]
    async fn a_request_that_is_answered_but_not_allowed_is_found() {
        let with_uri = |uri: &str| {
            let (mut request, _) = location();
            *request.uri_mut() = uri.parse().unwrap();
            request
        };
        let with_header = |name: &'static str| {
            let (mut request, _) = location();
            request.headers_mut().insert(name, HeaderValue::from_static("x"));
            request
        };
        let file = format!("{CATALOG}/files/{}", "0".repeat(64));
        let (mut anonymous, _) = location();
        anonymous.headers_mut().clear();
        let (with_body, _) = location();
        for (request, fault) in [
            (with_uri("/v1/catalogs"), "there is no such operation"),
            (with_uri(&format!("{CATALOG}/files/x?filename=x")), "path parameter digest"),
            (with_uri(&file), "the query parameter filename is missing"),
            (with_uri(&format!("{file}?filename=x&filename=y")), "filename is there twice"),
            (with_uri(&format!("{file}?filename=x&a=b")), "query parameter a is not documented"),
            (with_header("if-match"), "the header if-match is not documented"),
            (anonymous, "the request has no credentials"),
            (with_body.map(|_| "x".into()), "the request has a body"),
        ] {
            assert_fault(&request, &location().1, fault).await;
        }
    }

    #[tokio::test]
    async fn a_form_that_is_taken_but_not_allowed_is_found() {
        let post = |form: form::Form| {
            let (content_type, body) = form.finish();
            let request = Request::post(format!("{CATALOG}/customizations"));
            let request = request.header("content-type", content_type).header("authorization", "x");
            request.body(Bytes::from(body)).unwrap()
        };
        for (form, fault) in [
            (form::Form::new(), "\"file\" is a required property"),
            (form::Form::upload().text("more", ""), "'more' was unexpected"),
            (form::Form::upload().text("name", ""), "shorter than 1 character"),
            (form::Form::upload().text("filter", "x"), "is not of type \"object\""),
            (form::Form::upload().filter(json!({"branch": "2"})), "\"product_key\" is a required"),
            (form::Form::upload().content_type("text/plain"), "the form cannot be read"),
        ] {
            assert_fault(&post(form), &location().1, fault).await;
        }
    }
}
