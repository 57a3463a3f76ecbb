//! Roles: each function asks the stores for what its role allows, and for all of it.

use std::collections::BTreeSet;

use local::function::FunctionLimits;
use serde_json::json;
use tests::{
    api::Problem,
    form::Form,
    iam::Permission,
    proxy::Proxy,
    stack::{ProxiedStack, SAMPLE_CATALOG, TestStack},
};

fn set(actions: &[&str]) -> BTreeSet<String> {
    actions.iter().map(ToString::to_string).collect()
}

fn actions(needed: BTreeSet<Permission>) -> BTreeSet<String> {
    needed.into_iter().map(|permission| permission.action).collect()
}

#[tokio::test]
async fn a_start_needs_no_permission_for_the_connections_that_it_opens() {
    let stores = TestStack::start().await;
    let stores = stores.stack().stores();
    let dynamodb = Proxy::start(stores.dynamodb_endpoint()).await;
    let s3 = Proxy::start(stores.s3_endpoint()).await;
    let stack = TestStack::start_with(&[
        ("AWS_ENDPOINT_URL_DYNAMODB", Some(dynamodb.url())),
        ("AWS_ENDPOINT_URL_S3", Some(s3.url())),
    ])
    .await;
    let opened = || [dynamodb.connections(), s3.connections()];
    assert_eq!(opened(), [2, 1], "both functions to DynamoDB, the write function to S3");
    assert_eq!([dynamodb.needed(), s3.needed()], [BTreeSet::new(), BTreeSet::new()]);

    let created = stack.api().create(Form::upload()).await;
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    assert_eq!(stack.api().get(&file).await.status, 200);
    assert_ne!(s3.needed(), BTreeSet::new(), "the proxies see what is asked");
    assert_eq!(opened(), [2, 2], "the first requests reuse them; the read function connects to S3");
}

#[tokio::test]
async fn creates_need_what_their_role_allows() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.stack.api();
    let filter = json!({"product_key": "apache_kafka", "branch": "2"});
    // What the start needed.
    drop(stack.needed());
    for (key, form) in [("global", Form::upload()), ("filtered", Form::upload().filter(filter))] {
        assert_eq!(api.create(form.clone()).await.status, 201);
        let once = api.header("idempotency-key", key);
        let first = once.create(form.clone()).await.id();
        assert_eq!(once.create(form).await.id(), first);
    }
    let unreleased = Form::upload().filter(json!({"product_key": "elasticsearch"}));
    api.create(unreleased).await.assert_problem(&Problem::NOT_RELEASED);
    api.create_in("nobodys", Form::upload()).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    let at_once: Vec<_> = (0..4)
        .map(|_| {
            let api = api.header("idempotency-key", "raced");
            tokio::spawn(async move { api.create(Form::upload()).await.id() })
        })
        .collect();
    for create in at_once {
        create.await.unwrap();
    }
    let needed = stack.needed();
    // The role's condition on `dynamodb:LeadingKeys`.
    for Permission { action, item } in &needed {
        let leading_keys = match action.as_str() {
            "dynamodb:PutItem" => "CUSTOMIZATIONS#",
            "dynamodb:ConditionCheckItem" => "CATALOG#",
            _ => continue,
        };
        let (partition, _) = item.as_ref().expect("a write is of one item");
        assert!(partition.starts_with(leading_keys), "{action} of {partition}");
    }
    assert_eq!(actions(needed), set(&write_customizations::ACTIONS));
}

#[tokio::test]
async fn gets_need_what_their_role_allows() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.stack.api();
    let created = api.create(Form::upload()).await.json();
    // What the start and the create needed.
    drop(stack.needed());

    let read = api.customization(created["id"].as_str().unwrap()).await;
    let known = api.header("if-none-match", read.header("etag"));
    assert_eq!(known.customization(created["id"].as_str().unwrap()).await.status, 304);
    api.customization("x").await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
    let missing = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{}?filename=x", "0".repeat(64));
    api.get(&missing).await.assert_problem(&Problem::FILE_NOT_FOUND);
    let file = api.get(created["artifact"]["url"].as_str().unwrap()).await.json();
    // Whoever has the link asks by the leave of the function that signed it.
    let download = api.headers(&[]).get(file["url"].as_str().unwrap()).await;
    assert_eq!(download.status, 200);
    assert_eq!(actions(stack.needed()), set(&read_customizations::ACTIONS));
}
