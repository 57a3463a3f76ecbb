//! Lambda proxy integration of a REST API: events (payload format version 1.0) and responses.
//!
//! See
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>.

use std::{borrow::Cow, collections::BTreeMap};

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, Version,
        header::{
            CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
            USER_AGENT, WWW_AUTHENTICATE,
        },
    },
};
use serde::{Deserialize, Serialize};
use shared::routes::BASE_PATH;
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};
use uuid::Uuid;

/// `09/Apr/2015:12:34:56 +0000`
const REQUEST_TIME: &[FormatItem<'_>] = format_description!(
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

/// Name of the API's host.
const DOMAIN: &str = "127.0.0.1";

/// Request headers that never reach a function. They concern only the connection to the gateway, or
/// the gateway's documentation lists them as dropped:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html>.
const DROPPED: [HeaderName; 7] =
    [CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// A request and the route that it matches.
#[derive(Debug)]
pub(super) struct ProxyRequest<'a> {
    pub(super) id: Uuid,
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) version: Version,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// Resource of the route, such as `/catalogs/{catalog_id}`.
    pub(super) resource: &'a str,
    /// Path parameters, decoded.
    pub(super) path_parameters: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyEvent<'a> {
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    multi_value_headers: BTreeMap<&'a str, Vec<Cow<'a, str>>>,
    query_string_parameters: Option<BTreeMap<String, String>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    path_parameters: Option<BTreeMap<&'a str, String>>,
    stage_variables: Option<()>,
    request_context: RequestContext<'a>,
    is_base64_encoded: bool,
    /// Always null, and the last field: [`append_base64`] depends on both.
    body: Option<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    extended_request_id: Uuid,
    http_method: &'a str,
    identity: Identity<'a>,
    path: &'a str,
    protocol: String,
    request_id: Uuid,
    request_time: String,
    request_time_epoch: i128,
    resource_id: &'a str,
    resource_path: &'a str,
    stage: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    access_key: Option<()>,
    account_id: Option<()>,
    caller: Option<()>,
    cognito_authentication_provider: Option<()>,
    cognito_authentication_type: Option<()>,
    cognito_identity_id: Option<()>,
    cognito_identity_pool_id: Option<()>,
    principal_org_id: Option<()>,
    source_ip: &'a str,
    user: Option<()>,
    user_agent: Option<&'a str>,
    user_arn: Option<()>,
}

impl ProxyRequest<'_> {
    /// Returns the event as JSON. The body is base64 for every media type, because
    /// `BinaryMediaTypes` in template.yaml matches all.
    pub(super) fn event(&self) -> Result<Vec<u8>, serde_json::Error> {
        let is_base64_encoded = !self.body.is_empty();
        let query_parameters = self.query_parameters();
        let multi_value_headers = self.multi_value_headers();
        let mut event = serde_json::to_vec(&ProxyEvent {
            resource: self.resource,
            path: self.path_below_stage(),
            http_method: self.method.as_str(),
            headers: last_values(&multi_value_headers),
            multi_value_headers,
            query_string_parameters: none_if_empty(last_values(&query_parameters)),
            multi_value_query_string_parameters: none_if_empty(query_parameters),
            path_parameters: none_if_empty(self.path_parameters.clone()),
            stage_variables: None,
            request_context: self.request_context(),
            is_base64_encoded,
            body: None,
        })?;
        if is_base64_encoded {
            append_base64(&mut event, self.body);
        }
        Ok(event)
    }

    fn path_below_stage(&self) -> &str {
        let path = self.uri.path();
        path.strip_prefix(BASE_PATH).unwrap_or(path)
    }

    fn multi_value_headers(&self) -> BTreeMap<&str, Vec<Cow<'_, str>>> {
        let mut values = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in self.headers.iter().filter(|(name, _)| !DROPPED.contains(name)) {
            let value = String::from_utf8_lossy(value.as_bytes());
            values.entry(name.as_str()).or_default().push(value);
        }
        // The gateway sends its own host name, whatever name the client used.
        values.insert("host", vec![Cow::Borrowed(DOMAIN)]);
        values.entry("x-forwarded-for").or_default().push(Cow::Borrowed("127.0.0.1"));
        values.insert("x-forwarded-proto", vec![Cow::Borrowed("http")]);
        values
    }

    fn query_parameters(&self) -> BTreeMap<String, Vec<String>> {
        let mut values = BTreeMap::<_, Vec<_>>::new();
        let query = self.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            values.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        values
    }

    fn request_context(&self) -> RequestContext<'_> {
        let now = OffsetDateTime::now_utc();
        RequestContext {
            account_id: "000000000000",
            api_id: "local",
            domain_name: DOMAIN,
            domain_prefix: "127",
            extended_request_id: self.id,
            http_method: self.method.as_str(),
            identity: Identity {
                access_key: None,
                account_id: None,
                caller: None,
                cognito_authentication_provider: None,
                cognito_authentication_type: None,
                cognito_identity_id: None,
                cognito_identity_pool_id: None,
                principal_org_id: None,
                source_ip: "127.0.0.1",
                user: None,
                user_agent: self.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()),
                user_arn: None,
            },
            path: self.uri.path(),
            protocol: format!("{:?}", self.version),
            request_id: self.id,
            request_time: now.format(REQUEST_TIME).unwrap_or_default(),
            request_time_epoch: now.unix_timestamp_nanos() / 1_000_000,
            resource_id: "local",
            resource_path: self.resource,
            stage: BASE_PATH.trim_start_matches('/'),
        }
    }
}

/// Replaces the null body of an event. Base64 needs no escaping, so the body is encoded directly
/// into the event: a large body is neither copied nor scanned for characters to escape.
fn append_base64(event: &mut Vec<u8>, body: &[u8]) {
    event.truncate(event.len().saturating_sub("null}".len()));
    event.push(b'"');
    base64_simd::STANDARD.encode_append(body, event);
    event.extend_from_slice(b"\"}");
}

/// Returns the last value of each name, as API Gateway does in its single-value maps.
fn last_values<N: Ord + Clone, V: Clone>(values: &BTreeMap<N, Vec<V>>) -> BTreeMap<N, V> {
    values
        .iter()
        .filter_map(|(name, values)| Some((name.clone(), values.last()?.clone())))
        .collect()
}

/// Returns none for an empty map, because API Gateway sends `null`.
fn none_if_empty<N, V>(map: BTreeMap<N, V>) -> Option<BTreeMap<N, V>> {
    Some(map).filter(|map| !map.is_empty())
}

/// A function's response.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyResponse {
    status_code: u16,
    headers: Option<BTreeMap<String, String>>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// A function's response that API Gateway cannot convert to an HTTP response.
#[derive(Debug, thiserror::Error)]
pub enum MalformedResponse {
    /// The JSON is not a proxy response.
    #[error("the function's response is not a proxy response")]
    Json(#[from] serde_json::Error),
    /// The status is not between 200 and 599, so it is not the status of a final response.
    #[error("the function's response has the status {0}")]
    Status(u16),
    /// A header has a name or a value that HTTP does not allow.
    #[error("the function's response has the malformed header {0:?}")]
    Header(String),
    /// The body is marked as base64, but it is not valid base64.
    #[error("the function's response has a body that is not base64")]
    Base64(#[from] base64_simd::Error),
}

/// Converts a function's response to an HTTP response.
pub(super) fn response(payload: &[u8]) -> Result<Response<Body>, MalformedResponse> {
    let proxy_response: ProxyResponse = serde_json::from_slice(payload)?;
    let status = proxy_response.status_code;
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|code| (200..600).contains(&code.as_u16()))
        .ok_or(MalformedResponse::Status(status))?;
    let multi_value = proxy_response.multi_value_headers.unwrap_or_default();
    let headers = headers(&multi_value, &proxy_response.headers.unwrap_or_default())?;
    let body = proxy_response.body.unwrap_or_default();
    let body = if proxy_response.is_base64_encoded {
        Body::from(base64_simd::STANDARD.decode_to_vec(body)?)
    } else {
        Body::from(body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Merges both maps. A header that is in both maps with the same value is sent once.
fn headers(
    multi_value: &BTreeMap<String, Vec<String>>,
    single: &BTreeMap<String, String>,
) -> Result<HeaderMap, MalformedResponse> {
    let mut headers = HeaderMap::new();
    for (name, values) in multi_value {
        for value in values {
            let (name, value) = header(name, value)?;
            headers.append(name, value);
        }
    }
    for (name, value) in single {
        let (name, value) = header(name, value)?;
        if !headers.get_all(&name).iter().any(|existing| existing == value) {
            headers.append(name, value);
        }
    }
    // The gateway sets these headers itself.
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    // A REST API renames this header.
    if let Some(scheme) = headers.remove(WWW_AUTHENTICATE) {
        headers.insert("x-amzn-remapped-www-authenticate", scheme);
    }
    Ok(headers)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), MalformedResponse> {
    let malformed = || MalformedResponse::Header(name.to_owned());
    let parsed = HeaderName::try_from(name).map_err(|_| malformed())?;
    let value = HeaderValue::try_from(value).map_err(|_| malformed())?;
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn event(uri: &str, headers: &[(&'static str, &'static str)], body: &[u8]) -> Value {
        let headers: HeaderMap = headers
            .iter()
            .map(|&(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect();
        let request = ProxyRequest {
            id: Uuid::nil(),
            method: &Method::POST,
            uri: &uri.parse().unwrap(),
            version: Version::HTTP_11,
            headers: &headers,
            body,
            resource: "/catalogs/{catalog_id}",
            path_parameters: BTreeMap::from([("catalog_id", "a b".to_owned())]),
        };
        serde_json::from_slice(&request.event().unwrap()).unwrap()
    }

    #[test]
    fn an_event_has_the_fields_of_api_gateway() {
        let event = event("/v1/catalogs/a%20b", &[("user-agent", "curl")], b"");
        assert_eq!(event["resource"], "/catalogs/{catalog_id}");
        assert_eq!(event["path"], "/catalogs/a%20b");
        assert_eq!(event["httpMethod"], "POST");
        assert_eq!(event["pathParameters"], json!({"catalog_id": "a b"}));
        assert_eq!(event["queryStringParameters"], Value::Null);
        assert_eq!(event["multiValueQueryStringParameters"], Value::Null);
        assert_eq!(event["stageVariables"], Value::Null);
        assert_eq!(event["body"], Value::Null);
        assert_eq!(event["isBase64Encoded"], false);
        let context = &event["requestContext"];
        assert_eq!(context["path"], "/v1/catalogs/a%20b");
        assert_eq!(context["stage"], "v1");
        assert_eq!(context["protocol"], "HTTP/1.1");
        assert_eq!(context["requestId"], Uuid::nil().to_string());
        assert_eq!(context["identity"]["userAgent"], "curl");
    }

    #[test]
    fn repeated_headers_and_parameters_are_kept() {
        let event = event("/v1/x?a=1&b=%2F+&a=2", &[("x-a", "1"), ("x-a", "2"), ("x-b", "é")], b"");
        assert_eq!(event["headers"]["x-a"], "2");
        assert_eq!(event["multiValueHeaders"]["x-a"], json!(["1", "2"]));
        assert_eq!(event["multiValueHeaders"]["x-b"], json!(["é"]));
        assert_eq!(event["queryStringParameters"], json!({"a": "2", "b": "/ "}));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["1", "2"], "b": ["/ "]}),);
    }

    #[test]
    fn headers_of_the_connection_do_not_reach_the_function() {
        let event = event(
            "/v1/x",
            &[
                ("host", "localhost:9000"),
                ("expect", "100-continue"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("content-length", "3"),
                ("connection", "close"),
                ("x-a", "1"),
            ],
            b"abc",
        );
        let names: Vec<_> = event["headers"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["host", "x-a", "x-forwarded-for", "x-forwarded-proto"]);
        assert_eq!(event["headers"]["host"], "127.0.0.1");
    }

    #[test]
    fn a_body_of_every_media_type_is_base64() {
        for headers in [
            &[("content-type", "multipart/form-data; boundary=x")][..],
            &[("content-type", "text/plain")],
            &[],
        ] {
            let event = event("/v1/x", headers, b"\0\xff\"");
            assert_eq!(event["body"], "AP8i", "{headers:?}");
            assert_eq!(event["isBase64Encoded"], true, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn a_response_of_a_function_becomes_an_http_response() {
        let payload = json!({
            "statusCode": 201,
            "headers": {
                "location": "/x",
                "content-length": "99",
                "set-cookie": "b=2",
                "www-authenticate": "Bearer",
            },
            "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]},
            "body": "aGVsbG8=",
            "isBase64Encoded": true,
        });
        let response = response(payload.to_string().as_bytes()).unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["location"], "/x");
        assert!(!response.headers().contains_key(CONTENT_LENGTH));
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
        assert_eq!(response.headers()["x-amzn-remapped-www-authenticate"], "Bearer");
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    }

    #[test]
    fn a_malformed_response_is_refused() {
        for (payload, message) in [
            (json!("text"), "the function's response is not a proxy response"),
            (json!({"body": ""}), "the function's response is not a proxy response"),
            (json!({"statusCode": 100}), "the function's response has the status 100"),
            (json!({"statusCode": 600}), "the function's response has the status 600"),
            (
                json!({"statusCode": 200, "headers": {"a b": ""}}),
                "the function's response has the malformed header \"a b\"",
            ),
            (
                json!({"statusCode": 200, "headers": {"a": "\n"}}),
                "the function's response has the malformed header \"a\"",
            ),
            (
                json!({"statusCode": 200, "body": "?", "isBase64Encoded": true}),
                "the function's response has a body that is not base64",
            ),
        ] {
            let error = response(payload.to_string().as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message, "{payload}");
        }
    }
}
