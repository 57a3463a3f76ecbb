//! Responses in the shape that API Gateway expects from a function.

use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderValue};
use serde::Serialize;

use super::event::PayloadVersion;
use crate::response::EncodedResponse;

/// A proxy response of either payload version.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProxyResponse {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
    /// Empty for HTTP APIs, where `cargo lambda watch` requires the field; absent for REST APIs.
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<[String; 0]>,
}

impl ProxyResponse {
    pub(super) fn new(encoded: EncodedResponse, version: PayloadVersion) -> Self {
        let (parts, body) = encoded.response.into_parts();
        Self {
            status_code: parts.status.as_u16(),
            headers: header_texts(&parts.headers),
            body,
            is_base64_encoded: encoded.is_base64,
            cookies: (version == PayloadVersion::V2).then_some([]),
        }
    }
}

/// Converts the headers to text. A map is sufficient, because no response repeats a header.
fn header_texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
