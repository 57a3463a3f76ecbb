//! IAM permissions that a request to S3 or DynamoDB requires.
//!
//! See <https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html>.
//!
//! ```
//! use http::{HeaderMap, Method};
//! use tests::iam::permissions;
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("x-amz-target", "DynamoDB_20120810.GetItem".parse().unwrap());
//! let body = br#"{"Key": {"PK": {"S": "CATALOG#c"}, "SK": {"S": "CATALOG"}}}"#;
//! let permissions = permissions(&Method::POST, "/", &headers, body);
//! assert_eq!(permissions[0].action, "dynamodb:GetItem");
//! assert_eq!(permissions[0].item, Some(("CATALOG#c".into(), "CATALOG".into())));
//! ```

use http::{
    HeaderMap, Method,
    header::{AUTHORIZATION, IF_NONE_MATCH},
};
use serde_json::Value;

/// A permission that a role must grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The IAM action, such as `dynamodb:PutItem`.
    pub action: String,
    /// Partition key and sort key of the item; `None` for several items, and for S3.
    pub item: Option<(String, String)>,
    /// The value of the request's IAM condition key: `dynamodb:EnclosingOperation` for a DynamoDB
    /// action in a transaction, `s3:if-none-match` for an S3 action with that header.
    pub condition: Option<(&'static str, String)>,
}

/// The permissions that a request requires.
pub fn permissions(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Vec<Permission> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match target.and_then(|target| target.split_once('.')) {
        Some((_, operation)) => dynamodb_permissions(operation, body),
        // An unsigned request only opens a connection: it has no role.
        None if !headers.contains_key(AUTHORIZATION) && !path.contains("X-Amz-Signature=") => {
            vec![]
        }
        None => s3_permissions(method, headers),
    }
}

fn dynamodb_permissions(operation: &str, body: &[u8]) -> Vec<Permission> {
    let request: Value = serde_json::from_slice(body).expect("the request is JSON");
    if operation != "TransactWriteItems" {
        let action = format!("dynamodb:{operation}");
        return vec![Permission { action, item: item_key(&request), condition: None }];
    }
    // A transaction has no action of its own: it requires the action of each of its writes.
    let actions = request["TransactItems"].as_array().expect("a transaction has actions");
    let actions = actions.iter().flat_map(|action| action.as_object().expect("an action"));
    actions
        .map(|(kind, action)| Permission {
            action: format!("dynamodb:{kind}Item"),
            item: item_key(action),
            condition: Some(("dynamodb:EnclosingOperation", operation.to_owned())),
        })
        .collect()
}

fn item_key(action: &Value) -> Option<(String, String)> {
    let key = action.get("Key").or_else(|| action.get("Item"))?;
    let text = |name: &str| Some(key[name]["S"].as_str()?.to_owned());
    Some((text("PK")?, text("SK")?))
}

fn s3_permissions(method: &Method, headers: &HeaderMap) -> Vec<Permission> {
    let actions = match *method {
        Method::PUT => vec!["s3:PutObject".to_owned()],
        Method::GET => vec!["s3:GetObject".to_owned()],
        // Without s3:ListBucket, S3 responds with 403 instead of 404 for a missing object:
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        Method::HEAD => vec!["s3:GetObject".to_owned(), "s3:ListBucket".to_owned()],
        _ => vec![format!("s3:{method}")],
    };
    let if_none_match = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let condition = if_none_match.map(|value| ("s3:if-none-match", value.to_owned()));
    let permission = |action| Permission { action, item: None, condition: condition.clone() };
    actions.into_iter().map(permission).collect()
}
