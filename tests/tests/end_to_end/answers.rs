//! Answers: what each says of its keeping, and that none tells of the inside.

use http::Method;
use serde_json::json;
use tests::{
    api::{Answer, Problem},
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack},
};

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
    let cause = stack.cause_of(answer);
    let headers = format!("{:?}", answer.headers);
    for told in causes {
        assert!(cause.contains(told), "{told} in {cause}");
        assert!(!headers.contains(told), "{told} in {headers}");
    }
}

#[tokio::test]
async fn a_fault_of_ours_is_a_500_and_the_log_says_which() {
    let problem = Problem::INTERNAL;
    let stack = TestStack::start_with(&[("TABLE_NAME", Some("inside-table"))]).await;
    for (answer, cause) in [
        (stack.api().create(Form::upload()).await, "batch get items: refused"),
        (stack.api().customization("x").await, "batch get items: refused"),
    ] {
        assert_untold(&stack, &answer, &problem, &[cause, "ResourceNotFound"]);
    }
    let stack = TestStack::start_with(&[("BUCKET_NAME", Some("inside-bucket"))]).await;
    let answer = stack.api().create(Form::upload()).await;
    assert_untold(&stack, &answer, &problem, &["put object: refused", "NoSuchBucket"]);
    let stack = TestStack::start_with(&[("AWS_SECRET_ACCESS_KEY", Some("inside-secret"))]).await;
    let answer = stack.api().create(Form::upload()).await;
    assert_untold(&stack, &answer, &problem, &["put object: refused", "SignatureDoesNotMatch"]);
    assert!(!stack.line_of(&answer).to_string().contains("inside-secret"));
}
