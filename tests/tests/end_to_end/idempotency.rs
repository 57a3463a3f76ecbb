//! Idempotency keys: creates that are retried, concurrent or different under one key.

use std::collections::BTreeSet;

use admin::pipeline;
use archive_builder::Tarball;
use aws_sdk_dynamodb::types::AttributeValue;
use local::csp::Token;
use serde_json::json;
use shared::domain::CustomizationStatus;
use tests::{
    api::{Api, Problem, Response},
    form::{Form, archive},
    stack::{OTHER_CATALOG, OTHER_ORGANIZATION, TestStack, target},
};

const HEADER: &str = "idempotency-key";

async fn create(api: &Api, key: &str, form: Form) -> Response {
    api.header(HEADER, key).create(form).await
}

#[tokio::test]
async fn a_replay_returns_the_first_response_and_writes_nothing() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let first = create(&api, "\"a key\"", Form::upload()).await;
    let id = first.id();

    // A later change of the customization does not change the replayed response.
    let started = CustomizationStatus::PROCESSING_CREATE_STARTED;
    pipeline::set_status(&stack.table(), &target(&id), &started, "x").await.unwrap();

    let before = stack.contents().await;
    for _ in 0..3 {
        let replay = create(&api, "\"a key\"", Form::upload()).await;
        assert_eq!((replay.status, &replay.body), (201, &first.body));
        assert_eq!(replay.header("location"), first.header("location"));
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn an_unquoted_key_equals_a_quoted_one() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let quoted = create(&api, "\"8e03978e\"", Form::upload()).await;
    let unquoted = create(&api, "8e03978e", Form::upload()).await;
    assert_eq!(quoted.body, unquoted.body);
}

#[tokio::test]
async fn another_request_under_a_used_key_is_refused() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let filter = json!({"product_key": "apache_kafka"});
    let form = Form::upload().text("name", "n").text("description", "d").filter(filter.clone());
    create(&api, "k", form).await.id();
    let before = stack.contents().await;
    let other = Tarball::new().file("other", b"").gzip();
    for (changed, form) in [
        (
            "file",
            Form::new()
                .file("certs.tar.gz", &other)
                .text("name", "n")
                .text("description", "d")
                .filter(filter.clone()),
        ),
        (
            "file name",
            Form::new()
                .file("x.tar.gz", &archive())
                .text("name", "n")
                .text("description", "d")
                .filter(filter.clone()),
        ),
        ("name", Form::upload().text("name", "m").text("description", "d").filter(filter.clone())),
        ("description", Form::upload().text("name", "n").filter(filter.clone())),
        ("filter", Form::upload().text("name", "n").text("description", "d")),
    ] {
        println!("{changed}");
        create(&api, "k", form).await.assert_problem(&Problem::KEY_REUSED);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn concurrent_creates_with_one_key_make_one_customization() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let before = stack.contents().await;
    let requests: Vec<_> = (0..12)
        .map(|_| {
            let api = api.clone();
            tokio::spawn(async move { create(&api, "k", Form::upload()).await })
        })
        .collect();
    let mut bodies = BTreeSet::new();
    for request in requests {
        let response = request.await.unwrap();
        assert_eq!(response.status, 201, "{:?}", response.body);
        bodies.insert(response.body);
    }
    assert_eq!(bodies.len(), 1, "all responses are equal");
    let after = stack.contents().await;
    after.assert_consistent();
    assert_eq!(
        after.items.len(),
        before.items.len() + 2,
        "a customization and its idempotency record"
    );
    assert_eq!(after.objects.len(), before.objects.len() + 1);
}

#[tokio::test]
async fn a_key_is_scoped_to_its_catalog() {
    let stack = TestStack::start().await;
    let first = create(&stack.api(), "k", Form::upload()).await.id();
    let other = Token::default().organization(OTHER_ORGANIZATION);
    let other = stack.api_with(other).header(HEADER, "k");
    let second = other.create_in(OTHER_CATALOG, Form::upload()).await.id();
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_key_is_scoped_to_its_user() {
    let stack = TestStack::start().await;
    let alice = stack.api_with(Token::default().user("alice"));
    let bob = stack.api_with(Token::default().user("bob"));
    let first = create(&alice, "k", Form::upload()).await.id();
    let second = create(&bob, "k", Form::upload().text("name", "another")).await.id();
    assert_ne!(first, second);
    assert_eq!(create(&alice, "k", Form::upload()).await.id(), first);
}

#[tokio::test]
async fn an_expired_key_can_be_used_again() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let first = create(&api, "k", Form::upload()).await.id();
    let contents = stack.contents().await;
    let mut records = contents.items.iter().filter(|((_, sk), _)| sk.starts_with("IDEMPOTENCY#"));
    let (Some(((pk, sk), record)), None) = (records.next(), records.next()) else { panic!() };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let expires_at: u64 = record["expires_at"].as_n().unwrap().parse().unwrap();
    assert!((now + 86_300..=now + 86_400).contains(&expires_at), "24 hours from now");
    assert!(!format!("{record:?}{sk}").contains("\"k\""), "only the hash of the key is stored");

    let past = AttributeValue::N((now - 1).to_string());
    stack.set_attribute((pk, sk), "expires_at", past).await;
    let second = create(&api, "k", Form::upload().text("name", "another")).await.id();
    assert_ne!(first, second);
    let replay = create(&api, "k", Form::upload().text("name", "another")).await.id();
    assert_eq!(replay, second);
}

#[tokio::test]
async fn a_malformed_key_is_reported_with_the_other_violations() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    let message =
        "must be one quoted string of 1 to 255 printable ASCII characters, such as \"8e03978e\"";
    let violations = Problem::violations([
        ("name", "must have 1 to 128 characters"),
        ("Idempotency-Key", message),
    ]);
    for key in ["", "\"\"", "\"a", "a b", &"k".repeat(256)] {
        let response = create(&api, key, Form::upload().text("name", "")).await;
        response.assert_problem(&violations);
    }
    let twice = api.header(HEADER, "a").header(HEADER, "a");
    let response = twice.create(Form::upload().text("name", "")).await;
    response.assert_problem(&violations);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn creates_without_a_key_are_independent() {
    let stack = TestStack::start().await;
    assert_ne!(
        stack.api().create(Form::upload()).await.id(),
        stack.api().create(Form::upload()).await.id()
    );
}
