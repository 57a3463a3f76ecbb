//! Proxy events of API Gateway's REST API (payload version 1.0) and HTTP API (2.0), parsed into one
//! [`Request`].
//!
//! The crate `lambda_http` also parses these events, but it copies the body several times, and it
//! panics on a body that is marked as base64 and is not valid base64. This module decodes the body
//! once, directly from the event.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::body_buffer;
use crate::{
    request::{Body, Request},
    routes::Operation,
};

/// The maximum number of header values that are read. API Gateway accepts at most 10,240 bytes of
/// headers, but a caller that invokes the function directly can send any event.
const MAX_HEADER_VALUES: usize = 10_240;

/// The route key of an HTTP API without routes, and of `cargo lambda watch`.
const DEFAULT_ROUTE: &str = "$default";

/// A parsed event.
#[derive(Debug)]
pub struct Event {
    /// The request.
    pub request: Request,
    /// The HTTP method.
    pub method: Method,
    /// The gateway's identifier of the request, if it is a UUID. The identifiers of an HTTP API are
    /// not UUIDs.
    pub request_id: Option<Uuid>,
    /// The route as the gateway names it, such as `/catalogs/{catalog_id}/customizations`.
    pub route: String,
    /// The payload version of the event. The response must have the same version.
    pub version: PayloadVersion,
}

/// The payload versions of API Gateway's proxy events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadVersion {
    /// 1.0, of a REST API.
    V1,
    /// 2.0, of an HTTP API.
    V2,
}

/// The fields that are read from events of either version. No name has two meanings.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyEvent<'a> {
    // Version 1.0
    resource: Option<String>,
    http_method: Option<String>,
    multi_value_headers: Option<HashMap<String, Vec<String>>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    // Version 2.0
    route_key: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    // Both
    headers: Option<HashMap<String, String>>,
    path_parameters: Option<HashMap<String, String>>,
    #[serde(default)]
    request_context: RequestContext,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Text that is borrowed from the event. serde would copy a bare `Cow` inside an `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    request_id: Option<String>,
    /// Version 2.0 only.
    http: Option<Http>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ProxyEvent::deserialize(deserializer).map(Self::from)
    }
}

impl From<ProxyEvent<'_>> for Event {
    fn from(event: ProxyEvent<'_>) -> Self {
        let http = event.request_context.http;
        let version = if http.is_some() { PayloadVersion::V2 } else { PayloadVersion::V1 };
        // `cargo lambda watch` adds an `httpMethod` to version 2.0 that is always `GET`.
        let method = http.map(|http| http.method).or(event.http_method).unwrap_or_default();
        let method: Method = method.parse().unwrap_or_default();
        let route = event.resource.or(event.route_key).unwrap_or_default();
        let path = match route.split_once(' ') {
            _ if route == DEFAULT_ROUTE => event.raw_path.unwrap_or_default(),
            Some((_, path)) => path.to_owned(),
            None => route.clone(),
        };
        let text = event.body.as_ref().map(|Text(text)| &**text).unwrap_or_default();
        let request = Request {
            operation: Operation::find(&method, &path),
            headers: headers(event.multi_value_headers, event.headers),
            path_parameters: event.path_parameters.unwrap_or_default(),
            query: query(event.multi_value_query_string_parameters, event.raw_query_string),
            body: body(text, event.is_base64_encoded),
        };
        let request_id = event.request_context.request_id.and_then(|id| id.parse().ok());
        Self { request, method, request_id, route, version }
    }
}

fn body(text: &str, is_base64: bool) -> Body {
    if is_base64 {
        body_buffer::decode(text)
    } else {
        Bytes::copy_from_slice(text.as_bytes()).into()
    }
}

/// Collects the query parameters. A REST API sends them decoded, an HTTP API sends them raw.
fn query(
    multi_value: Option<BTreeMap<String, Vec<String>>>,
    raw: Option<String>,
) -> Vec<(String, String)> {
    match multi_value {
        Some(parameters) => {
            let pairs = |(name, values): (String, Vec<String>)| {
                values.into_iter().map(move |value| (name.clone(), value))
            };
            parameters.into_iter().flat_map(pairs).collect()
        }
        None => form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned().collect(),
    }
}

/// Collects the headers. A REST API sends each header in both maps, but all values of a repeated
/// header only in `multi_value`. An HTTP API joins the values of a repeated header with commas.
fn headers(
    multi_value: Option<HashMap<String, Vec<String>>>,
    single_value: Option<HashMap<String, String>>,
) -> HeaderMap {
    let all: Vec<_> = match multi_value.filter(|headers| !headers.is_empty()) {
        Some(headers) => headers
            .into_iter()
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
            .collect(),
        None => single_value.into_iter().flatten().collect(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in all.into_iter().take(MAX_HEADER_VALUES) {
        if let Ok(name) = HeaderName::try_from(name)
            && let Ok(value) = HeaderValue::try_from(value)
        {
            // A header map holds at least 24,576 values, which is more than the limit.
            let _ = headers.try_append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn decode(event: &Value) -> Event {
        serde_json::from_str(&event.to_string()).unwrap()
    }

    #[test]
    fn a_version_1_event_keeps_repeated_headers_and_parameters() {
        let event = decode(&json!({
            "resource": "/catalogs/{catalog_id}/files/{digest}",
            "httpMethod": "GET",
            "headers": {"Accept": "b"},
            "multiValueHeaders": {"Accept": ["a", "b"]},
            "queryStringParameters": {"filename": "b"},
            "multiValueQueryStringParameters": {"filename": ["a b", "b"]},
            "pathParameters": {"catalog_id": "my catalog"},
            "requestContext": {"requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"},
            "body": null,
            "isBase64Encoded": false,
        }));
        assert_eq!(event.method, Method::GET);
        assert_eq!(event.request.headers.get_all("accept").iter().count(), 2);
        assert_eq!(event.request.query_parameter("filename"), Some("a b"));
        assert_eq!(event.request.path_parameter("catalog_id").as_deref(), Some("my catalog"));
        assert_eq!(event.request.body.bytes().map(|bytes| &bytes[..]), Ok(&[][..]));
        assert_eq!(event.route, "/catalogs/{catalog_id}/files/{digest}");
        assert_eq!(event.request.operation, Some(Operation::GetFile));
        assert!(event.request_id.is_some());
        assert_eq!(event.version, PayloadVersion::V1);
    }

    #[test]
    fn a_version_2_event_is_parsed() {
        let event = decode(&json!({
            "version": "2.0",
            "routeKey": "GET /v1/catalogs/{catalog_id}/files/{digest}",
            "httpMethod": "GET",
            "rawQueryString": "filename=a%20b&filename=b",
            "headers": {"accept": "a,b"},
            "queryStringParameters": {"filename": "a b,b"},
            "pathParameters": {"catalog_id": "my%20catalog"},
            "requestContext": {"requestId": "JKJaXmPLvHcESHA=", "http": {"method": "POST"}},
            "body": "aGVsbG8=",
            "isBase64Encoded": true,
        }));
        assert_eq!(event.method, Method::POST);
        assert_eq!(event.request.query_parameter("filename"), Some("a b"));
        assert_eq!(event.request.path_parameter("catalog_id").as_deref(), Some("my catalog"));
        assert_eq!(event.request.body.bytes().map(|bytes| &bytes[..]), Ok(&b"hello"[..]));
        assert_eq!(event.request_id, None);
        assert_eq!(event.version, PayloadVersion::V2);
    }

    #[test]
    fn headers_past_the_limit_are_dropped() {
        let many: HashMap<_, _> = (0..40_000).map(|index| (format!("h{index}"), "x")).collect();
        let event = decode(&json!({"headers": many}));
        assert_eq!(event.request.headers.len(), MAX_HEADER_VALUES);
    }

    #[test]
    fn a_body_with_invalid_base64_is_marked() {
        let event = decode(&json!({"body": "héllo", "isBase64Encoded": true}));
        assert_eq!(event.request.body, Body::INVALID_BASE64);
        let event = decode(&json!({"body": "héllo", "isBase64Encoded": false}));
        assert_eq!(event.request.body.bytes().map(|bytes| &bytes[..]), Ok("héllo".as_bytes()));
    }

    #[test]
    fn the_default_route_is_resolved_by_the_path() {
        let event = decode(&json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/v1/catalogs/c/customizations",
            "requestContext": {"http": {"method": "POST"}},
        }));
        assert_eq!(event.request.operation, Some(Operation::CreateCustomization));
    }
}
