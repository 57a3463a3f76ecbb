//! DynamoDB's JSON protocol over dynoxide's database.
//!
//! dynoxide has a server too, but that one lets every web page read and write the tables
//! (`Access-Control-Allow-Origin: *`), and no middleware can be put before it.

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use dynoxide::{
    Database,
    auth_material::{self, AuthMaterial},
    errors::DynoxideError,
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// Largest request that DynamoDB takes, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

const UNKNOWN_OPERATION: &str =
    r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;

/// Serves `database`.
pub(super) fn router(database: Database) -> Router {
    Router::new().fallback(handle).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(database)
}

/// Handles a request without an await once its body is there, so that a shutdown cannot interrupt
/// the operation.
async fn handle(
    State(database): State<Database>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (status, json) = respond(&database, &uri, &headers, &body);
    let request_id = Uuid::new_v4().simple().to_string().to_ascii_uppercase();
    let headers = [
        (CONTENT_TYPE.as_str(), "application/x-amz-json-1.0"),
        ("x-amzn-requestid", request_id.as_str()),
    ];
    (status, headers, json).into_response()
}

fn respond(
    database: &Database,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> (StatusCode, String) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some((_, operation)) = text("x-amz-target").and_then(|target| target.split_once('.'))
    else {
        return (StatusCode::BAD_REQUEST, UNKNOWN_OPERATION.to_owned());
    };
    let credentials = AuthMaterial {
        authorization: text("authorization"),
        query: uri.query().unwrap_or_default(),
        has_date_header: headers.contains_key("x-amz-date") || headers.contains_key("date"),
    };
    if let Some(error) = auth_material::validate(credentials) {
        return (StatusCode::BAD_REQUEST, error);
    }
    match run(database, operation, body) {
        Some(Ok(json)) => (StatusCode::OK, json),
        Some(Err(error)) => {
            let status = StatusCode::from_u16(error.status_code()).unwrap_or_default();
            (status, error.to_json())
        }
        None => (StatusCode::BAD_REQUEST, UNKNOWN_OPERATION.to_owned()),
    }
}

/// Runs an operation; none if there is no such operation.
fn run(database: &Database, operation: &str, body: &[u8]) -> Option<Result<String, DynoxideError>> {
    Some(match operation {
        "BatchGetItem" => call(body, |input| database.batch_get_item(input)),
        "BatchWriteItem" => call(body, |input| database.batch_write_item(input)),
        "DeleteItem" => call(body, |input| database.delete_item(input)),
        "DescribeStream" => call(body, |input| database.describe_stream(input)),
        "DescribeTable" => call(body, |input| database.describe_table(input)),
        "DescribeTimeToLive" => call(body, |input| database.describe_time_to_live(input)),
        "ExecuteStatement" => call(body, |input| database.execute_statement(input)),
        "GetItem" => call(body, |input| database.get_item(input)),
        "GetRecords" => call(body, |input| database.get_records(input)),
        "GetShardIterator" => call(body, |input| database.get_shard_iterator(input)),
        "ListStreams" => call(body, |input| database.list_streams(input)),
        "ListTables" => call(body, |input| database.list_tables(input)),
        "PutItem" => call(body, |input| database.put_item(input)),
        "Query" => call(body, |input| database.query(input)),
        "Scan" => call(body, |input| database.scan(input)),
        "TransactGetItems" => call(body, |input| database.transact_get_items(input)),
        "TransactWriteItems" => call(body, |input| database.transact_write_items(input)),
        "UpdateItem" => call(body, |input| database.update_item(input)),
        _ => return None,
    })
}

fn call<Input: DeserializeOwned, Output: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Input) -> Result<Output, DynoxideError>,
) -> Result<String, DynoxideError> {
    let output = operation(serde_json::from_slice(body).map_err(|error| malformed(&error))?)?;
    serde_json::to_string(&output)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Returns the error for input that cannot be read. dynoxide's deserializers mark in the text which
/// error DynamoDB gives, and serde appends a position: `VALIDATION:message at line 1 column 2`.
fn malformed(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match text.split_once(':') {
        Some((marker, message)) if marker.starts_with("VALIDATION") => {
            DynoxideError::ValidationException(message.to_owned())
        }
        Some((marker, message)) if marker.starts_with("SERIALIZATION") => {
            DynoxideError::SerializationException(message.to_owned())
        }
        _ => DynoxideError::SerializationException(text.to_owned()),
    }
}
