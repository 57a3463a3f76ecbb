//! Outages: stores that refuse connections, hang or are slow, and stale connections.

use std::time::Duration;

use local::function::{FunctionLimits, FunctionName};
use serde_json::json;
use tests::{
    api::Problem,
    form::Form,
    proxy::{Fault, IdleFault, Proxy, RequestMatcher, Times},
    stack::{MISSING_CUSTOMIZATION, ProxiedStack, SAMPLE_CATALOG, TestStack, UNREACHABLE_ENDPOINT},
};

/// Longer than the functions' timeout of 10 s for idle connections. Simulates the freeze of a
/// Lambda process between two invocations.
const FREEZE: Duration = Duration::from_secs(11);

fn all_requests_for(operation: &'static str) -> RequestMatcher {
    RequestMatcher { operation, texts: Vec::new() }
}

#[tokio::test]
async fn an_unreachable_table_is_a_503_for_every_operation() {
    let stack =
        TestStack::start_with(&[("AWS_ENDPOINT_URL_DYNAMODB", Some(UNREACHABLE_ENDPOINT))]).await;
    let api = stack.api();
    let before = stack.contents().await;
    let digest = "0".repeat(64);
    let file = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}?filename=a.tgz");
    for (response, operation) in [
        (api.create(Form::upload()).await, "batch get items"),
        (api.customization("x").await, "batch get items"),
        (api.update(MISSING_CUSTOMIZATION, Form::upload()).await, "batch get items"),
        (api.remove(MISSING_CUSTOMIZATION).await, "batch get items"),
        (api.versions(MISSING_CUSTOMIZATION).await, "batch get items"),
        (api.list("").await, "batch get items"),
        (api.get(&file).await, "batch get items"),
    ] {
        response.assert_problem(&Problem::UNAVAILABLE);
        let cause = stack.logged_cause_of(&response);
        let expected = format!("{operation}: not available: dispatch failure");
        assert!(cause.starts_with(&expected), "{cause}");
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn an_unreachable_bucket_is_a_503_only_for_requests_with_a_file() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.stack.api();
    let created = api.create(Form::upload()).await;
    let before = stack.stack.contents().await;

    stack.s3.set_endpoint(UNREACHABLE_ENDPOINT.to_owned());
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    let upload = json!({"sha256": "0".repeat(64), "size": 1});
    for (response, expected) in [
        (api.create(Form::upload()).await, "put object: not available"),
        (api.update(&created.id(), Form::upload()).await, "put object: not available"),
        (api.get(&file).await, "head object: not available"),
        (api.start_upload(&upload).await, "head object: not available"),
    ] {
        response.assert_problem(&Problem::UNAVAILABLE);
        let cause = stack.stack.logged_cause_of(&response);
        assert!(cause.starts_with(expected), "{cause}");
    }
    assert_eq!(api.customization(&created.id()).await.status, 200);
    assert_eq!(api.list("").await.status, 200);
    assert_eq!(stack.stack.contents().await, before);
    let renamed = Form::new().text("name", "n");
    api.update(&created.id(), renamed).await.assert_no_content();

    stack.s3.set_endpoint(stack.stack.stack().stores().s3_endpoint());
    assert_eq!(api.get(&file).await.status, 200);
    assert_eq!(api.create(Form::upload()).await.status, 201);
    stack.stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn hanging_stores_do_not_block_a_cold_start() {
    let [dynamodb, s3] = [Proxy::start(String::new()).await, Proxy::start(String::new()).await];
    let table_stall = dynamodb.inject(Fault::Stall, all_requests_for("GET"), Times::Always);
    let bucket_stall = s3.inject(Fault::Stall, all_requests_for("GET"), Times::Always);
    let stack = TestStack::start_with(&[
        ("AWS_ENDPOINT_URL_DYNAMODB", Some(dynamodb.url())),
        ("AWS_ENDPOINT_URL_S3", Some(s3.url())),
    ])
    .await;
    let requests = [table_stall.count(), bucket_stall.count()];
    assert_eq!(requests, [2, 1], "both functions connect to the table, only write to the bucket");

    table_stall.stop();
    bucket_stall.stop();
    dynamodb.set_endpoint(stack.stack().stores().dynamodb_endpoint());
    s3.set_endpoint(stack.stack().stores().s3_endpoint());
    let id = stack.api().create(Form::upload()).await.id();
    assert_eq!(stack.api().customization(&id).await.status, 200);
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn a_slow_request_is_a_503_before_the_invocation_times_out() {
    let limits =
        FunctionLimits { invocation_timeout: Duration::from_secs(4), ..FunctionLimits::AWS };
    let stack = ProxiedStack::start(limits).await;
    let api = stack.stack.api();
    let create = async || api.header("idempotency-key", "k").create(Form::upload()).await;
    let slow = Fault::Delay(Duration::from_secs(2));

    // Each store call is below its own timeout; together they exceed the deadline.
    let filter = json!({"product_key": "apache_kafka"});
    let id = api.create(Form::upload().filter(filter)).await.id();
    let batches = stack.dynamodb.inject(slow, all_requests_for("BatchGetItem"), Times::Always);
    let queries = stack.dynamodb.inject(slow, all_requests_for("Query"), Times::Always);
    api.customization(&id).await.assert_problem(&Problem::UNAVAILABLE);
    batches.stop();
    queries.stop();
    assert_eq!(api.customization(&id).await.status, 200);

    let before = stack.stack.contents().await;
    let upload = stack.s3.inject(slow, all_requests_for("PUT"), Times::Always);
    let transaction =
        stack.dynamodb.inject(slow, all_requests_for("TransactWriteItems"), Times::Always);
    create().await.assert_problem(&Problem::UNAVAILABLE);
    upload.stop();
    transaction.stop();
    assert_eq!(
        create().await.status,
        201,
        "the retry succeeds whether the first create did or not"
    );
    tokio::time::sleep(Duration::from_secs(2)).await;

    let after = stack.stack.contents().await;
    after.assert_consistent();
    assert_eq!(
        after.items.len(),
        before.items.len() + 2,
        "a customization and its idempotency record"
    );
    for function in FunctionName::ALL {
        let log = stack.stack.log(function);
        assert_eq!(log.matches("the request exceeded its time limit").count(), 1, "{log}");
    }
}

#[tokio::test]
async fn connections_that_go_stale_during_a_freeze_fail_no_request() {
    let freezes = [IdleFault::Close, IdleFault::Reset, IdleFault::Lose].map(|idle| {
        tokio::spawn(async move {
            let stack = ProxiedStack::start(FunctionLimits::AWS).await;
            let api = stack.stack.api();
            let created = api.create(Form::upload()).await;
            // The concurrent queries of a get leave several idle connections in the pool.
            assert_eq!(api.customization(&created.id()).await.status, 200);
            stack.dynamodb.inject_idle(idle);
            stack.s3.inject_idle(idle);
            tokio::time::sleep(FREEZE).await;

            // Without the idle timeout, each attempt could take another stale connection.
            let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
            assert_eq!(api.get(&file).await.status, 200, "{idle:?}");
            assert_eq!(api.create(Form::upload()).await.status, 201, "{idle:?}");
            assert_eq!(api.customization(&created.id()).await.status, 200, "{idle:?}");
            stack.stack.contents().await.assert_consistent();
        })
    });
    for freeze in freezes {
        freeze.await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_between_two_requests_fails_no_request() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.stack.api();
    let id = api.create(Form::upload()).await.id();
    for idle in [IdleFault::Close, IdleFault::Reset] {
        assert_eq!(api.customization(&id).await.status, 200);
        stack.dynamodb.inject_idle(idle);
        assert_eq!(api.customization(&id).await.status, 200, "{idle:?}");
    }
    stack.stack.contents().await.assert_consistent();
}
