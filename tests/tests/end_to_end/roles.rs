//! IAM roles: each function uses exactly the permissions that its role grants.

use std::collections::BTreeSet;

use archive_builder::Tarball;
use http::Method;
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

fn actions(permissions: BTreeSet<Permission>) -> BTreeSet<String> {
    permissions.into_iter().map(|permission| permission.action).collect()
}

#[tokio::test]
async fn the_preconnect_of_a_cold_start_needs_no_permission() {
    let stores = TestStack::start().await;
    let stores = stores.stack().stores();
    let dynamodb = Proxy::start(stores.dynamodb_endpoint()).await;
    let s3 = Proxy::start(stores.s3_endpoint()).await;
    let stack = TestStack::start_with(&[
        ("AWS_ENDPOINT_URL_DYNAMODB", Some(dynamodb.url())),
        ("AWS_ENDPOINT_URL_S3", Some(s3.url())),
    ])
    .await;
    let connections = || [dynamodb.connections(), s3.connections()];
    assert_eq!(
        connections(),
        [2, 1],
        "both functions connect to DynamoDB, the write function to S3"
    );
    let permissions = [dynamodb.take_permissions(), s3.take_permissions()];
    assert_eq!(permissions, [BTreeSet::new(), BTreeSet::new()]);

    let created = stack.api().create(Form::upload()).await;
    let file = created.json()["artifact"]["url"].as_str().unwrap().to_owned();
    assert_eq!(stack.api().get(&file).await.status, 200);
    assert_ne!(s3.take_permissions(), BTreeSet::new(), "the proxies record permissions");
    assert_eq!(
        connections(),
        [2, 2],
        "the first requests reuse them, and the read function connects to S3"
    );
}

#[tokio::test]
async fn the_write_function_uses_exactly_the_permissions_of_its_role() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.stack.api();
    let filter = json!({"product_key": "apache_kafka", "branch": "2"});
    // Discards the permissions of the cold start.
    drop(stack.take_permissions());
    for (key, form) in [("global", Form::upload()), ("filtered", Form::upload().filter(filter))] {
        assert_eq!(api.create(form.clone()).await.status, 201);
        let keyed = api.header("idempotency-key", key);
        let first = keyed.create(form.clone()).await.id();
        assert_eq!(keyed.create(form).await.id(), first);
    }
    let id = api.create(Form::upload()).await.id();
    api.update(&id, Form::upload()).await.assert_no_content();
    api.remove(&id).await.assert_no_content();
    // The client's upload has the permissions of the function that signed it.
    let upload = Tarball::new().file("direct", b"").gzip();
    let upload = json!({ "sha256": api.upload(&upload).await });
    assert_eq!(api.send_json(Method::POST, "customizations", &upload).await.status, 201);
    let unreleased = Form::upload().filter(json!({"product_key": "elasticsearch"}));
    api.create(unreleased).await.assert_problem(&Problem::NOT_RELEASED);
    api.create_in("missing", Form::upload()).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    let concurrent: Vec<_> = (0..4)
        .map(|_| {
            let api = api.header("idempotency-key", "raced");
            tokio::spawn(async move { api.create(Form::upload()).await.id() })
        })
        .collect();
    for create in concurrent {
        create.await.unwrap();
    }
    let permissions = stack.take_permissions();
    // The conditions of the role in template.yaml.
    for Permission { action, item, condition } in &permissions {
        let condition = condition.as_ref().map(|(key, value)| (*key, value.as_str()));
        let leading_keys = match action.as_str() {
            "dynamodb:PutItem" => {
                let in_transaction = ("dynamodb:EnclosingOperation", "TransactWriteItems");
                assert_eq!(condition, Some(in_transaction));
                "CUSTOMIZATIONS#"
            }
            "dynamodb:ConditionCheckItem" => "CATALOG#",
            "s3:PutObject" => {
                assert_eq!(condition, Some(("s3:if-none-match", "*")));
                continue;
            }
            _ => continue,
        };
        let (partition, _) = item.as_ref().expect("a write has one item");
        assert!(partition.starts_with(leading_keys), "{action} of {partition}");
    }
    assert_eq!(actions(permissions), set(&write_customizations::ACTIONS));
}

#[tokio::test]
async fn the_read_function_uses_exactly_the_permissions_of_its_role() {
    let stack = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.stack.api();
    let created = api.create(Form::upload()).await.json();
    // Discards the permissions of the cold start and of the create.
    drop(stack.take_permissions());

    let read = api.customization(created["id"].as_str().unwrap()).await;
    let conditional = api.header("if-none-match", read.header("etag"));
    assert_eq!(conditional.customization(created["id"].as_str().unwrap()).await.status, 304);
    api.customization("x").await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
    let missing = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{}?filename=x", "0".repeat(64));
    api.get(&missing).await.assert_problem(&Problem::FILE_NOT_FOUND);
    let file = api.get(created["artifact"]["url"].as_str().unwrap()).await.json();
    // A presigned URL has the permissions of the function that signed it.
    let download = api.headers(&[]).get(file["url"].as_str().unwrap()).await;
    assert_eq!(download.status, 200);
    assert_eq!(actions(stack.take_permissions()), set(&read_customizations::ACTIONS));
}
