//! Responses as API Gateway takes them from a function.

use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderValue};
use serde::Serialize;

use super::{coding::Coded, event::Shape};

/// A response as API Gateway takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProxyResponse {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
    /// Of an HTTP API's responses only: there, some readers insist on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<[String; 0]>,
}

impl ProxyResponse {
    pub(super) fn new(coded: Coded, shape: Shape) -> Self {
        let (parts, body) = coded.response.into_parts();
        Self {
            status_code: parts.status.as_u16(),
            headers: texts(&parts.headers),
            body,
            is_base64_encoded: coded.is_base64,
            cookies: (shape == Shape::V2).then_some([]),
        }
    }
}

/// The headers as text. No answer repeats one.
fn texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
