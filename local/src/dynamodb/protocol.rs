//! DynamoDB's JSON protocol over dynoxide's database.
//!
//! dynoxide has a server, too. It is not used, because it sends `Access-Control-Allow-Origin: *`,
//! so that every web page can read and write the tables, and because it accepts no middleware.

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

/// Largest request that DynamoDB accepts, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

const UNKNOWN_OPERATION: &str =
    r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;

/// Returns the router that serves `database`.
pub(super) fn router(database: Database) -> Router {
    Router::new().fallback(handle).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(database)
}

/// Handles a request. There is no await after the body has arrived, so that a shutdown cannot
/// interrupt the operation.
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
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some((_, operation)) = header("x-amz-target").and_then(|target| target.split_once('.'))
    else {
        return (StatusCode::BAD_REQUEST, UNKNOWN_OPERATION.to_owned());
    };
    let credentials = AuthMaterial {
        authorization: header("authorization"),
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

/// Runs an operation. Returns none if the operation is unknown.
fn run(database: &Database, operation: &str, body: &[u8]) -> Option<Result<String, DynoxideError>> {
    Some(match operation {
        "BatchGetItem" => run_operation(body, |input| database.batch_get_item(input)),
        "BatchWriteItem" => run_operation(body, |input| database.batch_write_item(input)),
        "DeleteItem" => run_operation(body, |input| database.delete_item(input)),
        "DescribeStream" => run_operation(body, |input| database.describe_stream(input)),
        "DescribeTable" => run_operation(body, |input| database.describe_table(input)),
        "DescribeTimeToLive" => run_operation(body, |input| database.describe_time_to_live(input)),
        "ExecuteStatement" => run_operation(body, |input| database.execute_statement(input)),
        "GetItem" => run_operation(body, |input| database.get_item(input)),
        "GetRecords" => run_operation(body, |input| database.get_records(input)),
        "GetShardIterator" => run_operation(body, |input| database.get_shard_iterator(input)),
        "ListStreams" => run_operation(body, |input| database.list_streams(input)),
        "ListTables" => run_operation(body, |input| database.list_tables(input)),
        "PutItem" => run_operation(body, |input| database.put_item(input)),
        "Query" => run_operation(body, |input| database.query(input)),
        "Scan" => run_operation(body, |input| database.scan(input)),
        "TransactGetItems" => run_operation(body, |input| database.transact_get_items(input)),
        "TransactWriteItems" => run_operation(body, |input| database.transact_write_items(input)),
        "UpdateItem" => run_operation(body, |input| database.update_item(input)),
        _ => return None,
    })
}

fn run_operation<Input: DeserializeOwned, Output: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Input) -> Result<Output, DynoxideError>,
) -> Result<String, DynoxideError> {
    let input = serde_json::from_slice(body).map_err(|error| malformed_input(&error))?;
    let output = operation(input)?;
    serde_json::to_string(&output)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Returns the error for input that cannot be deserialized. In dynoxide, a prefix of the text
/// selects the error, and serde appends the position: `VALIDATION:message at line 1 column 2`.
fn malformed_input(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match text.split_once(':') {
        Some((prefix, message)) if prefix.starts_with("VALIDATION") => {
            DynoxideError::ValidationException(message.to_owned())
        }
        Some((prefix, message)) if prefix.starts_with("SERIALIZATION") => {
            DynoxideError::SerializationException(message.to_owned())
        }
        _ => DynoxideError::SerializationException(text.to_owned()),
    }
}
