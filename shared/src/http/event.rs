//! API Gateway's proxy events, of its REST API (v1) and its HTTP API (v2), as one [`Request`].
//!
//! `lambda_http` would decode them too, but it copies the body several times, and panics on a body
//! that is marked as base64 and is not. Here the body is decoded once, straight out of the event.

use std::{borrow::Cow, collections::HashMap};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::Bytes;
use lambda_http::{RequestExt, aws_lambda_events::query_map::QueryMap};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::{NotBase64, Request, body};

/// A decoded event.
#[derive(Debug)]
pub struct Event {
    /// The request in it.
    pub request: Request,
    /// The gateway's identifier of the request, if it is a UUID (an HTTP API's is not).
    pub request_id: Option<Uuid>,
    /// The route as the gateway names it, such as `/catalogs/{catalog_id}/customizations`.
    pub route: String,
    /// Which of both shapes it came in, and so which the response must have.
    pub shape: Shape,
}

/// The shapes of API Gateway's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Of a REST API.
    V1,
    /// Of an HTTP API.
    V2,
}

/// What is read of both shapes. Their field names do not clash.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyEvent<'a> {
    // v1
    resource: Option<String>,
    http_method: Option<String>,
    multi_value_headers: Option<HashMap<String, Vec<String>>>,
    multi_value_query_string_parameters: Option<HashMap<String, Vec<String>>>,
    // v2
    route_key: Option<String>,
    raw_query_string: Option<String>,
    // both
    headers: Option<HashMap<String, String>>,
    path_parameters: Option<HashMap<String, String>>,
    #[serde(default)]
    request_context: RequestContext,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Text that stays where it is in the event. Within an `Option`, a bare `Cow` would be a copy.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    request_id: Option<String>,
    /// v2 only.
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
        let shape = if http.is_some() { Shape::V2 } else { Shape::V1 };
        // `cargo lambda watch` puts an `httpMethod` into v2 events, too, which is always `GET`.
        let method = http.map(|http| http.method).or(event.http_method);
        let query = match (event.multi_value_query_string_parameters, event.raw_query_string) {
            (Some(parameters), _) => QueryMap::from(parameters),
            (None, Some(raw)) => raw.parse().unwrap_or_default(),
            (None, None) => QueryMap::default(),
        };
        let text = event.body.as_ref().map(|Text(text)| &**text).unwrap_or_default();
        let mut request = Request::new(bytes(text, event.is_base64_encoded));
        *request.method_mut() =
            method.and_then(|method| Method::try_from(method.as_str()).ok()).unwrap_or_default();
        *request.headers_mut() = headers(event.multi_value_headers, event.headers);
        Self {
            request: request
                .with_query_string_parameters(query)
                .with_path_parameters(event.path_parameters.unwrap_or_default()),
            request_id: event.request_context.request_id.and_then(|id| id.parse().ok()),
            route: event.resource.or(event.route_key).unwrap_or_default(),
            shape,
        }
    }
}

fn bytes(text: &str, is_base64: bool) -> Result<Bytes, NotBase64> {
    if is_base64 { body::decode(text) } else { Ok(Bytes::copy_from_slice(text.as_bytes())) }
}

/// The headers of an event. A REST API gives each twice, and all values of a repeated one only in
/// `multi_value`; an HTTP API gives them once, repeated ones joined by commas.
///
/// More than a [`HeaderMap`] holds (24,576 names) are left out: the gateway passes on 10,240
/// bytes of them at most, but whoever may invoke the function can send it anything.
fn headers(
    multi_value: Option<HashMap<String, Vec<String>>>,
    single_value: Option<HashMap<String, String>>,
) -> HeaderMap {
    let single_value =
        || single_value.into_iter().flatten().map(|(name, value)| (name, vec![value]));
    let all: Vec<_> = match multi_value {
        Some(multi_value) if !multi_value.is_empty() => multi_value.into_iter().collect(),
        _ => single_value().collect(),
    };
    let mut headers = HeaderMap::new();
    for (name, values) in all {
        let Ok(name) = HeaderName::try_from(name) else { continue };
        for value in values.into_iter().filter_map(|value| HeaderValue::try_from(value).ok()) {
            if headers.try_append(&name, value).is_err() {
                return headers;
            }
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http::{path_parameter, query_parameter};

    fn decode(event: &Value) -> Event {
        serde_json::from_str(&event.to_string()).unwrap()
    }

    #[test]
    fn a_rest_event_keeps_repeated_headers_and_parameters() {
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
        assert_eq!(event.request.method(), Method::GET);
        assert_eq!(event.request.headers().get_all("accept").iter().count(), 2);
        assert_eq!(query_parameter(&event.request, "filename"), Some("a b"));
        assert_eq!(path_parameter(&event.request, "catalog_id").as_deref(), Some("my catalog"));
        assert_eq!(event.request.body().as_deref(), Ok(&[][..]));
        assert_eq!(event.route, "/catalogs/{catalog_id}/files/{digest}");
        assert!(event.request_id.is_some());
        assert_eq!(event.shape, Shape::V1);
    }

    #[test]
    fn an_http_event_is_the_same_request() {
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
        assert_eq!(event.request.method(), Method::POST);
        assert_eq!(query_parameter(&event.request, "filename"), Some("a b"));
        assert_eq!(path_parameter(&event.request, "catalog_id").as_deref(), Some("my catalog"));
        assert_eq!(event.request.body().as_deref(), Ok(&b"hello"[..]));
        assert_eq!(event.request_id, None);
        assert_eq!(event.shape, Shape::V2);
    }

    #[test]
    fn more_headers_than_a_map_holds_are_left_out() {
        let many: HashMap<_, _> = (0..40_000).map(|index| (format!("h{index}"), "x")).collect();
        let event = decode(&json!({"headers": many}));
        assert_eq!(event.request.headers().len(), 24_576);
    }

    #[test]
    fn a_body_that_claims_base64_and_is_not_is_kept_as_such() {
        let event = decode(&json!({"body": "héllo", "isBase64Encoded": true}));
        assert_eq!(event.request.body(), &Err(NotBase64));
        let event = decode(&json!({"body": "héllo", "isBase64Encoded": false}));
        assert_eq!(event.request.body().as_deref(), Ok("héllo".as_bytes()));
    }
}
