//! Responses of a function, read as API Gateway reads them.

use std::io::Read;

use flate2::read::GzDecoder;
use measure::Result;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyResponse {
    status_code: u16,
    body: String,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Returns the decompressed body of a response. A status other than `expected_status` is an error.
pub(crate) fn body(response: &[u8], expected_status: u16) -> Result<String> {
    let ProxyResponse { status_code, body, is_base64_encoded } = serde_json::from_slice(response)?;
    let body = if is_base64_encoded {
        let compressed = base64_simd::STANDARD.decode_to_vec(body)?;
        let mut body = String::new();
        GzDecoder::new(compressed.as_slice()).read_to_string(&mut body)?;
        body
    } else {
        body
    };
    if status_code == expected_status {
        Ok(body)
    } else {
        Err(format!("the status is {status_code} instead of {expected_status}: {body}").into())
    }
}

/// Returns the string at `pointer` (RFC 6901) in a JSON document.
pub(crate) fn string_at(document: &str, pointer: &str) -> Result<String> {
    let document: Value = serde_json::from_str(document)?;
    let string = document.pointer(pointer).and_then(Value::as_str);
    Ok(string.ok_or_else(|| format!("the response has no string {pointer}"))?.to_owned())
}
