//! Costs: the store operations of each request and the size of each item, as the runbook lists
//! them.

use std::collections::{BTreeMap, BTreeSet};

use admin::pipeline::{self, BuildReport};
use archive_builder::Tarball;
use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use local::function::FunctionLimits;
use serde_json::json;
use shared::{domain::BuildStatus, routes::Operation};
use tests::{
    api::Response,
    capacity::Capacity,
    form::Form,
    stack::{DEBIAN, KAFKA_ON_DEBIAN, ProxiedStack, REGISTRY, SAMPLE_CATALOG, TestStack, target},
};

const RUNBOOK: &str = include_str!("../../../docs/operations.md");

/// Prints these table rows and asserts that the runbook has them.
#[track_caller]
fn assert_documented(rows: &[String]) {
    for row in rows {
        println!("{row}");
    }
    let missing: Vec<_> = rows.iter().filter(|row| !RUNBOOK.contains(&**row)).collect();
    assert!(missing.is_empty(), "docs/operations.md lacks {missing:#?}");
}

/// Formats the number of each operation, such as `1 BatchGetItem, 2 Query`.
fn format_counts(operations: Vec<String>) -> String {
    let mut counts = BTreeMap::<_, u32>::new();
    for operation in operations {
        *counts.entry(operation).or_default() += 1;
    }
    if counts.is_empty() {
        return "none".to_owned();
    }
    let formatted = counts.iter().map(|(operation, count)| format!("{count} {operation}"));
    formatted.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn the_runbook_lists_the_store_operations_and_capacity_units_of_each_request() {
    let ProxiedStack { stack, dynamodb, s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.api();
    let keyed = api.header("idempotency-key", "k");
    let keyed_update = api.header("idempotency-key", "u");
    let take_operations = || (dynamodb.take_operations(), s3.take_operations());
    // Discards the operations of the cold start.
    drop((take_operations(), dynamodb.take_capacity()));

    let mut rows = Vec::new();
    let mut operations = BTreeSet::new();
    let mut row = |operation: Option<Operation>, name: &str, status: u16, response: &Response| {
        operations.extend(operation);
        assert_eq!(response.status, status, "{name}: {:?}", response.body);
        let (dynamodb_operations, s3_operations) = take_operations();
        let Capacity { read, write } = dynamodb.take_capacity();
        let (dynamodb, s3) = (format_counts(dynamodb_operations), format_counts(s3_operations));
        rows.push(format!("| {name} | {dynamodb} | {s3} | {read} | {write} |"));
    };
    let create = Some(Operation::CreateCustomization);
    let get = Some(Operation::GetCustomization);
    row(create, "create, without a filter", 201, &api.create(Form::upload()).await);
    let created = api.create(Form::kafka()).await;
    row(create, "create, with a filter, the first in a minute", 201, &created);
    row(create, "create, with a filter", 201, &api.create(Form::kafka()).await);
    row(
        create,
        "create, with a filter and an idempotency key",
        201,
        &keyed.create(Form::kafka()).await,
    );
    row(
        create,
        "create, repeated with its idempotency key",
        201,
        &keyed.create(Form::kafka()).await,
    );
    row(create, "create, refused for its form or archive", 400, &api.create(Form::new()).await);
    let read = api.customization(&created.id()).await;
    row(get, "get, the first in a minute", 200, &read);
    row(get, "get", 200, &api.customization(&created.id()).await);
    let conditional = api.header("if-none-match", read.header("etag"));
    row(get, "get, unchanged (304)", 304, &conditional.customization(&created.id()).await);
    let update = Some(Operation::UpdateCustomization);
    let (id, renamed) = (created.id(), Form::new().text("name", "n"));
    row(update, "new version", 204, &api.update(&id, Form::upload()).await);
    row(
        update,
        "new version, with an idempotency key",
        204,
        &keyed_update.update(&id, Form::upload()).await,
    );
    row(
        update,
        "new version, repeated with its idempotency key",
        204,
        &keyed_update.update(&id, Form::upload()).await,
    );
    row(update, "name or description", 204, &api.update(&id, renamed).await);
    row(
        update,
        "new version, refused for its form or archive",
        400,
        &api.update(&id, Form::new()).await,
    );
    row(Some(Operation::ListVersions), "versions", 200, &api.versions(&id).await);
    row(Some(Operation::RemoveCustomization), "remove", 204, &api.remove(&id).await);
    row(Some(Operation::RemoveCustomization), "remove, again", 204, &api.remove(&id).await);
    row(
        update,
        "new version, of a removed customization",
        409,
        &api.update(&id, Form::upload()).await,
    );
    row(Some(Operation::ListCustomizations), "list, of up to a page", 200, &api.list("").await);
    let page = api.list("page=2&page_size=2").await;
    row(Some(Operation::ListCustomizations), "list, the second page of more", 200, &page);
    let upload = api.start_upload(&json!({"sha256": "0".repeat(64), "size": 1})).await;
    row(Some(Operation::StartUpload), "start a direct upload", 201, &upload);
    let archive = Tarball::new().file("direct", b"").gzip();
    let upload = json!({ "sha256": api.upload(&archive).await });
    drop((take_operations(), dynamodb.take_capacity()));
    let direct = api.send_json(Method::POST, "customizations", &upload).await;
    row(create, "create, from a direct upload", 201, &direct);
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    row(Some(Operation::GetFile), "get a file's link", 200, &api.get(&file).await);
    row(None, "any, refused for its token", 401, &api.headers(&[]).get(&file).await);
    row(None, "any, to an unknown route", 404, &api.send(Method::PUT, "/v1", Vec::new()).await);
    assert_documented(&rows);
    assert_eq!(operations, Operation::ALL.iter().copied().collect(), "every operation has a row");
}

#[tokio::test]
async fn the_runbook_lists_the_read_units_of_lists_which_end_at_ten_thousand_customizations() {
    let ProxiedStack { stack, dynamodb, s3: _s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.api();
    let id = api.create(Form::kafka()).await.id();
    let mut rows = Vec::new();
    for (name, copies) in [("10", 9), ("1,000", 990), ("10,000", 9_000)] {
        stack.copy_customization(&id, copies).await;
        for (kind, query) in [("the first page", ""), ("page 5, filtered", "page=5&branch=2")] {
            drop((dynamodb.take_operations(), dynamodb.take_capacity()));
            assert_eq!(api.list(query).await.status, 200);
            let operations = format_counts(dynamodb.take_operations());
            let Capacity { read, .. } = dynamodb.take_capacity();
            rows.push(format!("| list of {name}, {kind} | {operations} | {read} |"));
        }
    }
    assert_documented(&rows);

    // Of more than 10,000, the oldest are not listed, but can still be read.
    stack.copy_customization(&id, 3).await;
    for filter in ["", "branch=2&"] {
        for (page, length) in [(1, 100), (60, 100), (101, 0)] {
            let list = api.list(&format!("{filter}page={page}&page_size=100")).await.json();
            assert_eq!(list["items"].as_array().map(Vec::len), Some(length));
            // The embedded DynamoDB counts one item twice at the end of each of its pages of 1 MB,
            // so it reaches the limit a little earlier.
            let total = list["total_size"].as_u64().unwrap();
            assert!((9_980..=10_000).contains(&total), "{total}");
        }
    }
    assert_eq!(api.customization(&id).await.status, 200);
}

/// The size of an attribute value in bytes, as DynamoDB bills it.
///
/// See <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.
fn bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::Bool(_) => 1,
        AttributeValue::M(map) => {
            3 + map.iter().map(|(k, v)| k.len() + bytes(v) + 1).sum::<usize>()
        }
        other => panic!("no item has a value of this type: {other:?}"),
    }
}

#[tokio::test]
async fn the_runbook_lists_the_size_of_each_item() {
    let stack = TestStack::start().await;
    let api = stack.api().header("idempotency-key", "k");
    let id = api.create(Form::kafka()).await.id();
    stack.api().update(&id, Form::upload()).await.assert_no_content();
    let report = BuildReport {
        application_id: KAFKA_ON_DEBIAN.parse().unwrap(),
        status: BuildStatus::SUCCEEDED,
        failure: None,
    };
    pipeline::record_build(&stack.table(), &target(&id), report).await.unwrap();

    let contents = stack.contents().await;
    let catalog = format!("CATALOG#{SAMPLE_CATALOG}");
    let customizations = format!("CUSTOMIZATIONS#{SAMPLE_CATALOG}");
    let rows = [
        ("catalog", &*catalog, "CATALOG"),
        ("application", &catalog, &format!("APPLICATION#apache_kafka#2#{DEBIAN}#")),
        ("customization, of a second version", &customizations, "CUSTOMIZATION#"),
        ("earlier version", &customizations, "VERSION#"),
        ("idempotency record", &customizations, "IDEMPOTENCY#"),
        ("build result", &format!("CUSTOMIZATION#{id}"), "BUILD#"),
        ("base image", &format!("BASE_IMAGE#{DEBIAN}"), "BASE_IMAGE"),
        ("product", "PRODUCT#apache_kafka", "PRODUCT"),
        ("registry", &format!("REGISTRY#{REGISTRY}"), "REGISTRY"),
    ]
    .map(|(name, pk, sk)| {
        let matches = |key: &&(String, String)| key.0 == pk && key.1.starts_with(sk);
        let key = contents.items.keys().find(matches).expect(name);
        let item = &contents.items[key];
        let size: usize =
            item.iter().map(|(attribute, value)| attribute.len() + bytes(value)).sum();
        format!("| {name} | {size} |")
    });
    assert_documented(&rows);
}
