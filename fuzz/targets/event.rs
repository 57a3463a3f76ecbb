//! API Gateway's events: an input is an event as it is, and the body of others.
#![no_main]

use std::str;

use archive_fuzz::with_memory_limit;
use base64::{Engine, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use shared::lambda::Event;

/// Bytes of memory for each byte of the input: the shortest header, `"":"",`, has six bytes there
/// and a few dozen in a map that doubles by copying.
const MEMORY_PER_BYTE: usize = 64;

/// And for any input at all.
const MEMORY: usize = 16 * 1024;

fuzz_target!(|input: &[u8]| {
    let decoded = with_memory_limit(MEMORY + MEMORY_PER_BYTE * input.len(), || decode(input));
    if let (Some(event), Ok(json)) = (decoded, serde_json::from_slice(input)) {
        assert_read_as_written(&event, &json);
    }
    assert_carried(&STANDARD.encode(input), Some(input));
    if let Ok(text) = str::from_utf8(input) {
        assert_carried(text, STANDARD.decode(text).ok().as_deref());
    }
});

fn decode(event: &[u8]) -> Option<Event> {
    serde_json::from_slice(event).ok()
}

/// Holds what was read to what the same JSON says to a reader that knows nothing of events.
fn assert_read_as_written(event: &Event, json: &Value) {
    let text = json["body"].as_str().unwrap_or_default();
    let body = match json["isBase64Encoded"] {
        Value::Bool(true) => STANDARD.decode(text).ok(),
        _ => Some(text.as_bytes().to_vec()),
    };
    assert_eq!(event.request.body.bytes().ok().map(|bytes| &bytes[..]), body.as_deref());
    let route = json["resource"].as_str().or(json["routeKey"].as_str());
    assert_eq!(event.route, route.unwrap_or_default());
    let values: usize = match json["multiValueHeaders"].as_object() {
        Some(headers) if !headers.is_empty() => {
            headers.values().filter_map(Value::as_array).map(Vec::len).sum()
        }
        _ => json["headers"].as_object().map_or(0, |headers| headers.len()),
    };
    assert!(event.request.headers.len() <= values, "a header out of nowhere");
}

/// Holds both shapes of event to carry a body that says it is base64: decoded, or refused as such.
fn assert_carried(text: &str, body: Option<&[u8]>) {
    let v1 = json!({"httpMethod": "POST", "body": text, "isBase64Encoded": true});
    let http = json!({"http": {"method": "POST"}});
    let v2 = json!({"requestContext": http, "body": text, "isBase64Encoded": true});
    for event in [v1, v2] {
        let event = decode(event.to_string().as_bytes()).expect("an event");
        assert_eq!(event.request.body.bytes().ok().map(|bytes| &bytes[..]), body);
        assert_eq!(event.method, http::Method::POST);
    }
}
