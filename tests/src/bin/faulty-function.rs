//! A Lambda function that fails. The catalog in the request's path selects the failure.

use std::{future, process};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(fail)).await
}

async fn fail(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload.pointer("/pathParameters/catalog_id").and_then(Value::as_str) {
        Some("crash") => process::exit(1),
        Some("error") => Err("on purpose".into()),
        Some("hang") => future::pending().await,
        _ => Ok(json!("not a proxy response")),
    }
}
