//! Answers: what each says of its keeping, and that none tells of the inside.

use std::collections::HashMap;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use http::Method;
use serde_json::json;
use tests::{
    api::{Answer, Problem},
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack},
};

const CUSTOMIZATION: &str = "0192d3a4-5b6c-7def-8123-456789abcdef";

#[tokio::test]
async fn every_answer_says_that_it_is_what_it_is_and_who_may_keep_it() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let created = api.create(Form::upload()).await;
    let id = created.id();
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    let read = api.customization(&id).await;
    let tag = read.header("etag").to_owned();
    assert_ne!(tag, "");
    for (status, cache_control, answer) in [
        (201, "no-store", created),
        (200, "private, no-cache", read),
        (304, "private, no-cache", api.header("if-none-match", &tag).customization(&id).await),
        (200, "no-store", api.get(&file).await),
        (400, "no-store", api.create(Form::new()).await),
        (401, "no-store", api.headers(&[]).customization(&id).await),
        (404, "no-store", api.header("if-none-match", "*").customization("x").await),
        (
            409,
            "no-store",
            api.create(Form::upload().filter(json!({"product_key": "elasticsearch"}))).await,
        ),
        (413, "no-store", api.create(Form::new().file("a.tgz", &vec![0; 4_500_001])).await),
        (415, "no-store", api.post(SAMPLE_CATALOG, "text/plain", Vec::new()).await),
        // The gateway's own.
        (404, "no-store", api.send(Method::DELETE, "/v1/catalogs", Vec::new()).await),
        (413, "no-store", api.create(Form::new().file("a.tgz", &vec![0; 5_000_000])).await),
    ] {
        assert_eq!(answer.status, status, "{:?}", answer.body);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{status}");
        assert_eq!(answer.header("cache-control"), cache_control, "{status}");
        assert_eq!(answer.header("etag").is_empty(), cache_control == "no-store", "{status}");
    }
}

/// Asserts that an answer is this problem, whose cause the log holds, and the log alone.
fn assert_untold(stack: &TestStack, answer: &Answer, problem: &Problem, causes: &[&str]) {
    answer.assert_problem(problem);
    let line = stack.line_of(answer);
    let cause = line["cause"].as_str().unwrap();
    let headers = format!("{:?}", answer.headers);
    for told in causes {
        assert!(cause.contains(told), "{told} in {cause}");
        assert!(!headers.contains(told), "{told} in {headers}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_and_the_log_says_which() {
    let nowhere = Some("http://127.0.0.1:1");
    let stack = TestStack::start_with(&[("AWS_ENDPOINT_URL_DYNAMODB", nowhere)]).await;
    let problem = Problem::UNAVAILABLE;
    let read = stack.api().customization("x").await;
    assert_untold(&stack, &read, &problem, &["get item: not available", "dispatch failure"]);
    let created = stack.api().create(Form::upload()).await;
    assert_untold(&stack, &created, &problem, &["get item: not available"]);

    let stack = TestStack::start_with(&[("AWS_ENDPOINT_URL_S3", nowhere)]).await;
    let created = stack.api().create(Form::upload()).await;
    assert_untold(&stack, &created, &problem, &["put object: not available"]);
    let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{}?filename=x", "0".repeat(64));
    let file = stack.api().get(&path).await;
    assert_untold(&stack, &file, &problem, &["head object: not available"]);
}

#[tokio::test]
async fn a_fault_of_ours_is_a_500_and_the_log_says_which() {
    let problem = Problem::INTERNAL;
    let stack = TestStack::start_with(&[("TABLE_NAME", Some("inside-table"))]).await;
    for answer in [stack.api().create(Form::upload()).await, stack.api().customization("x").await] {
        assert_untold(&stack, &answer, &problem, &["get item: refused", "ResourceNotFound"]);
    }
    let stack = TestStack::start_with(&[("BUCKET_NAME", Some("inside-bucket"))]).await;
    let answer = stack.api().create(Form::upload()).await;
    assert_untold(&stack, &answer, &problem, &["put object: refused", "NoSuchBucket"]);
    let stack = TestStack::start_with(&[("AWS_SECRET_ACCESS_KEY", Some("inside-secret"))]).await;
    let answer = stack.api().create(Form::upload()).await;
    assert_untold(&stack, &answer, &problem, &["put object: refused", "SignatureDoesNotMatch"]);
    assert!(!stack.line_of(&answer).to_string().contains("inside-secret"));
}

#[tokio::test]
async fn a_corrupt_item_is_a_500_that_the_log_names_by_its_key() {
    let stack = TestStack::start().await;
    let keys = [
        ("PK", format!("CATALOG#{SAMPLE_CATALOG}")),
        ("SK", format!("CUSTOMIZATION#{CUSTOMIZATION}")),
        ("name", "inside-item".to_owned()),
    ];
    let item: HashMap<_, _> =
        keys.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).collect();
    let client = Client::new(&stack.stack().stores().sdk_config());
    client.put_item().table_name("customizations").set_item(Some(item)).send().await.unwrap();
    let answer = stack.api().customization(CUSTOMIZATION).await;
    let key = format!("CATALOG#{SAMPLE_CATALOG} CUSTOMIZATION#{CUSTOMIZATION}");
    assert_untold(&stack, &answer, &Problem::INTERNAL, &["corrupt", &key]);
}
