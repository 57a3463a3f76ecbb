//! What IAM must allow whoever sends a request to a store.
//!
//! See <https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html>.

use http::{HeaderMap, Method, header::AUTHORIZATION};
use serde_json::Value;

/// What a role must allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// An action, such as `dynamodb:PutItem`.
    pub action: String,
    /// The partition and the sort key of the one item that it is done to; none where it is done to
    /// several, or to an object.
    pub item: Option<(String, String)>,
}

/// What a request needs.
pub fn permissions(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Vec<Permission> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match target.and_then(|target| target.split_once('.')) {
        Some((_, operation)) => of_operation(operation, body),
        // Whoever does not say who they are has no role, and no use for one.
        None if !headers.contains_key(AUTHORIZATION) && !path.contains("X-Amz-Signature=") => {
            vec![]
        }
        None => of_object(method),
    }
}

/// A transaction needs what each action in it does alone.
fn of_operation(operation: &str, body: &[u8]) -> Vec<Permission> {
    let request: Value = serde_json::from_slice(body).expect("a request is JSON");
    if operation != "TransactWriteItems" {
        let action = format!("dynamodb:{operation}");
        return vec![Permission { action, item: item(&request) }];
    }
    let actions = request["TransactItems"].as_array().expect("a transaction has actions");
    let actions = actions.iter().flat_map(|action| action.as_object().expect("an action"));
    actions
        .map(|(kind, action)| Permission {
            action: format!("dynamodb:{kind}Item"),
            item: item(action),
        })
        .collect()
}

/// The key of the item that an action names or holds.
fn item(action: &Value) -> Option<(String, String)> {
    let key = action.get("Key").or_else(|| action.get("Item"))?;
    let text = |name: &str| Some(key[name]["S"].as_str()?.to_owned());
    Some((text("PK")?, text("SK")?))
}

fn of_object(method: &Method) -> Vec<Permission> {
    let actions = match *method {
        Method::PUT => vec!["s3:PutObject".to_owned()],
        Method::GET => vec!["s3:GetObject".to_owned()],
        // Who may not list the bucket is told 403, not 404, of an object that does not exist.
        Method::HEAD => vec!["s3:GetObject".to_owned(), "s3:ListBucket".to_owned()],
        _ => vec![format!("s3:{method}")],
    };
    actions.into_iter().map(|action| Permission { action, item: None }).collect()
}
