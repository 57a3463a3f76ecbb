//! Fuzzes the parser of API Gateway's events. An input is used twice: as an event, and as the body
//! of valid events.
#![no_main]

use std::str;

use archive_fuzz::with_memory_limit;
use base64::{Engine, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use shared::lambda::Event;

/// Memory limit in bytes for each byte of the input: the shortest header, `"":"",`, has six bytes
/// in the input, and a few dozen bytes in a map that doubles its size by copying.
const MEMORY_PER_BYTE: usize = 64;

/// Memory limit in bytes in addition, for every input.
const BASE_MEMORY: usize = 16 * 1024;

fuzz_target!(|input: &[u8]| {
    let decoded = with_memory_limit(BASE_MEMORY + MEMORY_PER_BYTE * input.len(), || decode(input));
    if let (Some(event), Ok(json)) = (decoded, serde_json::from_slice(input)) {
        assert_equals_json(&event, &json);
    }
    assert_body_is_decoded(&STANDARD.encode(input), Some(input));
    if let Ok(text) = str::from_utf8(input) {
        assert_body_is_decoded(text, STANDARD.decode(text).ok().as_deref());
    }
});

fn decode(event: &[u8]) -> Option<Event> {
    serde_json::from_slice(event).ok()
}

/// Compares the event with the same JSON, read by a generic parser.
fn assert_equals_json(event: &Event, json: &Value) {
    let text = json["body"].as_str().unwrap_or_default();
    let body = match json["isBase64Encoded"] {
        Value::Bool(true) => STANDARD.decode(text).ok(),
        _ => Some(text.as_bytes().to_vec()),
    };
    assert_eq!(event.request.body.bytes().ok().map(|bytes| &bytes[..]), body.as_deref());
    let route = json["resource"].as_str().or(json["routeKey"].as_str());
    assert_eq!(event.route, route.unwrap_or_default());
    let header_values: usize = match json["multiValueHeaders"].as_object() {
        Some(headers) if !headers.is_empty() => {
            headers.values().filter_map(Value::as_array).map(Vec::len).sum()
        }
        _ => json["headers"].as_object().map_or(0, |headers| headers.len()),
    };
    assert!(
        event.request.headers.len() <= header_values,
        "the event has a header that the JSON does not have"
    );
}

/// Asserts that events of both payload formats decode the base64 `text` to `body`. `body` is none
/// if `text` is not valid base64.
fn assert_body_is_decoded(text: &str, body: Option<&[u8]>) {
    let v1 = json!({"httpMethod": "POST", "body": text, "isBase64Encoded": true});
    let http = json!({"http": {"method": "POST"}});
    let v2 = json!({"requestContext": http, "body": text, "isBase64Encoded": true});
    for event in [v1, v2] {
        let event = decode(event.to_string().as_bytes()).expect("the event is valid");
        assert_eq!(event.request.body.bytes().ok().map(|bytes| &bytes[..]), body);
        assert_eq!(event.method, http::Method::POST);
    }
}
