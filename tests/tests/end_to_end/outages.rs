//! Stores that are gone, that hang, that take too long in all, and connections that went stale.

use std::time::Duration;

use local::function::{FunctionLimits, FunctionName};
use serde_json::json;
use tests::{
    api::Problem,
    form::Form,
    proxy::{Call, Fault, Idle, Proxy, Times},
    stack::{NOWHERE, ProxiedStack, SAMPLE_CATALOG, TestStack},
};

/// Longer than the functions keep a connection that nothing is asked on.
const FREEZE: Duration = Duration::from_secs(11);

/// All requests for an operation.
fn every(operation: &'static str) -> Call {
    Call { operation, texts: Vec::new() }
}

#[tokio::test]
async fn without_a_table_nothing_is_answered_but_that() {
    let stack = TestStack::start_with(&[("AWS_ENDPOINT_URL_DYNAMODB", Some(NOWHERE))]).await;
    let api = stack.api();
    let before = stack.contents().await;
    let digest = "0".repeat(64);
    let file = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}?filename=a.tgz");
    for (answer, operation) in [
        (api.create(Form::upload()).await, "batch get items"),
        (api.customization("x").await, "batch get items"),
        (api.get(&file).await, "batch get items"),
    ] {
        answer.assert_problem(&Problem::UNAVAILABLE);
        let cause = stack.cause_of(&answer);
        let expected = format!("{operation}: not available: dispatch failure");
        assert!(cause.starts_with(&expected), "{cause}");
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn without_a_bucket_records_are_still_answered() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.stack.api();
    let created = api.create(Form::upload()).await;
    let before = stack.stack.contents().await;

    stack.s3.set_endpoint(NOWHERE.to_owned());
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    for (answer, failed) in [
        (api.create(Form::upload()).await, "put object: not available"),
        (api.get(&file).await, "head object: not available"),
    ] {
        answer.assert_problem(&Problem::UNAVAILABLE);
        let cause = stack.stack.cause_of(&answer);
        assert!(cause.starts_with(failed), "{cause}");
    }
    assert_eq!(api.customization(&created.id()).await.status, 200);
    assert_eq!(stack.stack.contents().await, before);

    stack.s3.set_endpoint(stack.stack.stack().stores().s3_endpoint());
    assert_eq!(api.get(&file).await.status, 200);
    assert_eq!(api.create(Form::upload()).await.status, 201);
    stack.stack.contents().await.assert_whole();
}

#[tokio::test]
async fn stores_that_hang_hold_up_no_start() {
    let [dynamodb, s3] = [Proxy::start(String::new()).await, Proxy::start(String::new()).await];
    let table = dynamodb.inject(Fault::Stall, every("GET"), Times::Always);
    let bucket = s3.inject(Fault::Stall, every("GET"), Times::Always);
    let stack = TestStack::start_with(&[
        ("AWS_ENDPOINT_URL_DYNAMODB", Some(dynamodb.url())),
        ("AWS_ENDPOINT_URL_S3", Some(s3.url())),
    ])
    .await;
    assert_eq!([table.times(), bucket.times()], [2, 2], "each function opens its connections");

    table.stop();
    bucket.stop();
    dynamodb.set_endpoint(stack.stack().stores().dynamodb_endpoint());
    s3.set_endpoint(stack.stack().stores().s3_endpoint());
    let id = stack.api().create(Form::upload()).await.id();
    assert_eq!(stack.api().customization(&id).await.status, 200);
    stack.contents().await.assert_whole();
}

#[tokio::test]
async fn what_takes_too_long_in_all_is_answered_before_the_invocation_ends() {
    let limits =
        FunctionLimits { invocation_timeout: Duration::from_secs(4), ..FunctionLimits::AWS };
    let stack = ProxiedStack::start(limits).await;
    let api = stack.stack.api();
    let create = async || api.header("idempotency-key", "k").create(Form::upload()).await;
    let slow = Fault::Delay(Duration::from_secs(2));

    // Each call on its own is quick enough.
    let filter = json!({"product_key": "apache_kafka"});
    let id = api.create(Form::upload().filter(filter)).await.id();
    let table = stack.dynamodb.inject(slow, every("BatchGetItem"), Times::Always);
    let queries = stack.dynamodb.inject(slow, every("Query"), Times::Always);
    api.customization(&id).await.assert_problem(&Problem::UNAVAILABLE);
    table.stop();
    queries.stop();
    assert_eq!(api.customization(&id).await.status, 200);

    let before = stack.stack.contents().await;
    let upload = stack.s3.inject(slow, every("PUT"), Times::Always);
    let writing = stack.dynamodb.inject(slow, every("TransactWriteItems"), Times::Always);
    create().await.assert_problem(&Problem::UNAVAILABLE);
    upload.stop();
    writing.stop();
    assert_eq!(create().await.status, 201, "whether the first one comes to its end or not");
    tokio::time::sleep(Duration::from_secs(2)).await;

    let after = stack.stack.contents().await;
    after.assert_whole();
    assert_eq!(after.items.len(), before.items.len() + 2, "a record and a receipt");
    for function in FunctionName::ALL {
        let log = stack.stack.log(function);
        assert_eq!(log.matches("took longer than its invocation may").count(), 1, "{log}");
    }
}

#[tokio::test]
async fn connections_that_went_stale_in_a_freeze_cost_no_request() {
    let freezes = [Idle::Close, Idle::Reset, Idle::Lose].map(|idle| {
        tokio::spawn(async move {
            let stack = ProxiedStack::start(FunctionLimits::AWS).await;
            let api = stack.stack.api();
            let created = api.create(Form::upload()).await;
            // Three connections at once.
            assert_eq!(api.customization(&created.id()).await.status, 200);
            stack.dynamodb.idle(idle);
            stack.s3.idle(idle);
            tokio::time::sleep(FREEZE).await;

            // One connection at a time: none of the three may be left to try.
            let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
            assert_eq!(api.get(&file).await.status, 200, "{idle:?}");
            assert_eq!(api.create(Form::upload()).await.status, 201, "{idle:?}");
            assert_eq!(api.customization(&created.id()).await.status, 200, "{idle:?}");
            stack.stack.contents().await.assert_whole();
        })
    });
    for freeze in freezes {
        freeze.await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_between_two_requests_costs_none() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.stack.api();
    let id = api.create(Form::upload()).await.id();
    for idle in [Idle::Close, Idle::Reset] {
        assert_eq!(api.customization(&id).await.status, 200);
        stack.dynamodb.idle(idle);
        assert_eq!(api.customization(&id).await.status, 200, "{idle:?}");
    }
    stack.stack.contents().await.assert_whole();
}
