//! A function's answer, as API Gateway would read it.

use std::io::Read;

use flate2::read::GzDecoder;
use measure::Outcome;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyAnswer {
    status_code: u16,
    body: String,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The body of an answer that has the status `expected`; unpacked, if it is compressed.
pub(crate) fn body(answer: &[u8], expected: u16) -> Outcome<String> {
    let ProxyAnswer { status_code, body, is_base64_encoded } = serde_json::from_slice(answer)?;
    let body = if is_base64_encoded {
        let packed = base64_simd::STANDARD.decode_to_vec(body)?;
        let mut body = String::new();
        GzDecoder::new(packed.as_slice()).read_to_string(&mut body)?;
        body
    } else {
        body
    };
    if status_code == expected {
        Ok(body)
    } else {
        Err(format!("the answer is {status_code} in place of {expected}: {body}").into())
    }
}

/// The text at `pointer` in a JSON document.
pub(crate) fn text(document: &str, pointer: &str) -> Outcome<String> {
    let document: Value = serde_json::from_str(document)?;
    let text = document.pointer(pointer).and_then(Value::as_str).ok_or("a field is missing")?;
    Ok(text.to_owned())
}
