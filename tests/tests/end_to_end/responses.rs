//! Responses: their cache headers, and that internal errors reveal nothing internal.

use http::Method;
use serde_json::json;
use tests::{
    api::{Problem, Response},
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack},
};

#[tokio::test]
async fn every_response_has_nosniff_and_cache_headers() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let created = api.create(Form::upload()).await;
    let id = created.id();
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    let read = api.customization(&id).await;
    let tag = read.header("etag").to_owned();
    assert_ne!(tag, "");
    for (status, cache_control, response) in [
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
        // A response of the gateway itself.
        (404, "no-store", api.send(Method::DELETE, "/v1/catalogs", Vec::new()).await),
    ] {
        assert_eq!(response.status, status, "{:?}", response.body);
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{status}");
        assert_eq!(response.header("cache-control"), cache_control, "{status}");
        assert_eq!(response.header("etag").is_empty(), cache_control == "no-store", "{status}");
    }
}

/// Asserts that a response is a 500, and that the log holds each of `causes` but the response none.
fn assert_internal_error(stack: &TestStack, response: &Response, causes: &[&str]) {
    // The exact body: it holds no cause.
    response.assert_problem(&Problem::INTERNAL);
    let logged = stack.logged_cause_of(response);
    let headers = format!("{:?}", response.headers);
    for cause in causes {
        assert!(logged.contains(cause), "{cause} in {logged}");
        assert!(!headers.contains(cause), "{cause} in {headers}");
    }
}

#[tokio::test]
async fn an_internal_error_is_a_500_and_only_the_log_has_its_cause() {
    let stack = TestStack::start_with(&[("TABLE_NAME", Some("inside-table"))]).await;
    for (response, cause) in [
        (stack.api().create(Form::upload()).await, "batch get items: refused"),
        (stack.api().customization("x").await, "batch get items: refused"),
    ] {
        assert_internal_error(&stack, &response, &[cause, "ResourceNotFound"]);
    }
    let stack = TestStack::start_with(&[("BUCKET_NAME", Some("inside-bucket"))]).await;
    let response = stack.api().create(Form::upload()).await;
    assert_internal_error(&stack, &response, &["put object: refused", "NoSuchBucket"]);
    let stack = TestStack::start_with(&[("AWS_SECRET_ACCESS_KEY", Some("inside-secret"))]).await;
    let response = stack.api().create(Form::upload()).await;
    assert_internal_error(&stack, &response, &["put object: refused", "SignatureDoesNotMatch"]);
    assert!(!stack.log_line_of(&response).to_string().contains("inside-secret"));
}
