//! The embedded S3 and DynamoDB, without the functions: closed to web pages, open to the AWS CLI.

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use local::stores::{BUCKET, TABLE};
use tests::{api::Answer, form::Form, stack::TestStack};

/// A web page that the developer's browser has open.
const PAGE: &str = "https://attacker.example";

/// Asserts that a web page's request was refused, and that the page cannot read why.
#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 403);
    let body = "this server refuses requests from web pages, which have an Origin header\n";
    assert_eq!(answer.body, body);
    assert_no_cors(answer);
}

#[track_caller]
fn assert_no_cors(answer: &Answer) {
    let mut names = answer.headers.keys().map(|name| name.as_str());
    assert!(!names.any(|name| name.starts_with("access-control-")), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_web_page_reads_and_writes_nothing() {
    let stack = TestStack::start().await;
    let stores = stack.stack().stores();
    let (dynamodb, s3) = (stores.dynamodb_client(), stores.s3_client());
    stack.api().create(Form::upload()).await.id();
    let before = stack.contents().await;
    let key = before.objects.keys().next().unwrap();

    // Signed requests: the credentials of both stores are public.
    macro_rules! refused {
        ($request:expr) => {{
            let request = $request.customize();
            let request = request.mutate_request(|request| {
                request.headers_mut().insert("origin", PAGE);
            });
            let error = request.send().await.unwrap_err();
            let response = error.raw_response().expect("an answer");
            assert_eq!(response.status().as_u16(), 403);
            let cors = response.headers().iter().find(|(name, _)| name.starts_with("access-"));
            assert_eq!(cors, None);
        }};
    }
    let text = |text: &str| AttributeValue::S(text.to_owned());
    refused!(dynamodb.scan().table_name(TABLE));
    let put = dynamodb.put_item().table_name(TABLE);
    refused!(put.item("PK", text("x")).item("SK", text("x")));
    refused!(s3.list_objects_v2().bucket(BUCKET));
    refused!(s3.get_object().bucket(BUCKET).key(key));
    refused!(s3.put_object().bucket(BUCKET).key("x").body(b"x".to_vec().into()));
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_preflight_is_refused() {
    let stack = TestStack::start().await;
    let stores = stack.stack().stores();
    let preflight = stack.api().headers(&[
        ("origin", PAGE),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-amz-target"),
    ]);
    for endpoint in [stores.dynamodb_endpoint(), stores.s3_endpoint()] {
        for path in ["/", "/customizations/key"] {
            let url = format!("{endpoint}{path}");
            assert_refused(&preflight.send(Method::OPTIONS, &url, Vec::new()).await);
            assert_refused(&preflight.send(Method::POST, &url, Vec::new()).await);
            assert_refused(&preflight.get(&url).await);
            let answer = stack.api().headers(&[]).send(Method::OPTIONS, &url, Vec::new()).await;
            assert_no_cors(&answer);
        }
    }
}

#[tokio::test]
async fn the_stores_refuse_a_foreign_host() {
    let stack = TestStack::start().await;
    let stores = stack.stack().stores();
    for endpoint in [stores.dynamodb_endpoint(), stores.s3_endpoint()] {
        let api = stack.api().headers(&[("host", "attacker.example")]);
        assert_eq!(api.get(&endpoint).await.status, 421);
    }
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let stack = TestStack::start().await;
    let stores = stack.stack().stores();
    let api = stack.api().headers(&[
        ("x-amz-target", "DynamoDB_20120810.ListTables"),
        ("content-type", "application/x-amz-json-1.0"),
    ]);
    let answer = api.send(Method::POST, &stores.dynamodb_endpoint(), b"{}".to_vec()).await;
    assert_eq!(answer.status, 400);
    let error = answer.json()["__type"].as_str().unwrap().to_owned();
    assert!(error.ends_with("#MissingAuthenticationTokenException"), "{error}");
    let url = format!("{}/{BUCKET}", stores.s3_endpoint());
    assert_eq!(api.get(&url).await.status, 403);
}

#[tokio::test]
async fn dynamodb_refuses_what_it_cannot_read_or_does_not_know() {
    let stack = TestStack::start().await;
    let dynamodb = stack.dynamodb();
    let error = dynamodb.delete_table().table_name(TABLE).send().await.unwrap_err();
    assert_eq!(error.into_service_error().meta().code(), Some("UnknownOperationException"));
    let error = dynamodb.scan().table_name("other").send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_not_found_exception());
    let put = dynamodb.put_item().table_name(TABLE).item("PK", AttributeValue::Null(false));
    let error = put.send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"));
    let message = "One or more parameter values were invalid: Null attribute value types must have the \
                   value of true";
    assert_eq!(error.meta().message(), Some(message));
}
