//! Capacity units that requests to DynamoDB consume, as the store reports them.

use bytes::Bytes;
use serde_json::{Value, json};

/// Consumed capacity units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
}

impl Capacity {
    /// Adds the units that the response to `operation` reports.
    pub fn add(&mut self, operation: &str, response: &[u8]) {
        let response: Value = serde_json::from_slice(response).unwrap_or_default();
        let consumed = &response["ConsumedCapacity"];
        let tables = match consumed {
            Value::Array(tables) => tables.as_slice(),
            table => std::slice::from_ref(table),
        };
        let units: f64 = tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum();
        if operation.contains("Write") || operation.starts_with("Put") {
            self.write += units;
        } else {
            self.read += units;
        }
    }
}

/// Asks DynamoDB to report the units that `request` consumes.
pub fn ask(request: Bytes) -> Bytes {
    match serde_json::from_slice(&request) {
        Ok(Value::Object(mut members)) => {
            members.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
            Value::Object(members).to_string().into()
        }
        _ => request,
    }
}
