//! What IAM must allow whoever sends a request to a store.
//!
//! See <https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html>.

use http::{HeaderMap, Method, header::AUTHORIZATION};
use serde_json::Value;

/// The actions that a request needs.
pub fn actions(method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Vec<String> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match target.and_then(|target| target.split_once('.')) {
        Some((_, "TransactWriteItems")) => of_transaction(body),
        Some((_, operation)) => vec![format!("dynamodb:{operation}")],
        // Whoever does not say who they are has no role, and no use for one.
        None if !headers.contains_key(AUTHORIZATION) && !path.contains("X-Amz-Signature=") => {
            vec![]
        }
        None => of_object(method),
    }
}

/// A transaction needs what each action in it does alone.
fn of_transaction(body: &[u8]) -> Vec<String> {
    let request: Value = serde_json::from_slice(body).expect("a request is JSON");
    let items = request["TransactItems"].as_array().expect("a transaction has actions");
    let kinds = items.iter().flat_map(|item| item.as_object().expect("an action").keys());
    kinds.map(|kind| format!("dynamodb:{kind}Item")).collect()
}

fn of_object(method: &Method) -> Vec<String> {
    match *method {
        Method::PUT => vec!["s3:PutObject".to_owned()],
        Method::GET => vec!["s3:GetObject".to_owned()],
        // Who may not list the bucket is told 403, not 404, of an object that does not exist.
        Method::HEAD => vec!["s3:GetObject".to_owned(), "s3:ListBucket".to_owned()],
        _ => vec![format!("s3:{method}")],
    }
}
