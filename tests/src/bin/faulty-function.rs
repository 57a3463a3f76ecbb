//! A Lambda function that fails. The catalog in the request's path selects the failure. `INIT_MS`
//! sets the duration of its initialization.

use std::{
    env, future, process,
    time::{Duration, SystemTime},
};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if let Ok(init) = env::var("INIT_MS") {
        tokio::time::sleep(Duration::from_millis(init.parse()?)).await;
    }
    lambda_runtime::run(service_fn(fail)).await
}

async fn fail(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload.pointer("/pathParameters/catalog_id").and_then(Value::as_str) {
        Some("crash") => process::exit(1),
        Some("error") => Err("on purpose".into()),
        Some("hang") => future::pending().await,
        Some("deadline") => {
            let left = event.context.deadline().duration_since(SystemTime::now())?;
            Ok(json!(left.as_millis()))
        }
        _ => Ok(json!("not a proxy response")),
    }
}
