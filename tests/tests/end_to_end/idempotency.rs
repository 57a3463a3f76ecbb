//! Creates that are sent again under an idempotency key.

use std::collections::BTreeSet;

use admin::pipeline;
use archive_builder::Tarball;
use aws_sdk_dynamodb::types::AttributeValue;
use local::csp::Token;
use serde_json::json;
use shared::domain::CustomizationStatus;
use tests::{
    api::{Answer, Api, Problem},
    form::{Form, archive},
    stack::{OTHER_CATALOG, OTHER_ORGANIZATION, SAMPLE_CATALOG, TestStack},
};

const HEADER: &str = "idempotency-key";

async fn create(api: &Api, key: &str, form: Form) -> Answer {
    api.header(HEADER, key).create(form).await
}

#[tokio::test]
async fn the_same_request_is_answered_the_same_and_writes_nothing() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let first = create(&api, "\"a key\"", Form::upload()).await;
    let id = first.id();

    // Whatever has become of it since, and whatever has been released or not.
    let started = CustomizationStatus::PROCESSING_CREATE_STARTED;
    let (catalog_id, customization_id) = (SAMPLE_CATALOG.parse().unwrap(), id.parse().unwrap());
    let table = stack.table();
    pipeline::set_status(&table, &catalog_id, customization_id, &started, "x").await.unwrap();

    let before = stack.contents().await;
    for _ in 0..3 {
        let again = create(&api, "\"a key\"", Form::upload()).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_bare_key_is_the_same_as_a_quoted_one() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let quoted = create(&api, "\"8e03978e\"", Form::upload()).await;
    let bare = create(&api, "8e03978e", Form::upload()).await;
    assert_eq!(quoted.body, bare.body);
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
    for (what, form) in [
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
        println!("{what}");
        create(&api, "k", form).await.assert_problem(&Problem::KEY_REUSED);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn many_at_once_make_one_customization() {
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
        let answer = request.await.unwrap();
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1, "all get the same answer");
    let after = stack.contents().await;
    after.assert_whole();
    assert_eq!(after.items.len(), before.items.len() + 2, "a record and its idempotency record");
    assert_eq!(after.objects.len(), before.objects.len() + 1);
}

#[tokio::test]
async fn a_key_counts_in_its_catalog_only() {
    let stack = TestStack::start().await;
    let first = create(&stack.api(), "k", Form::upload()).await.id();
    let other = Token::default().organization(OTHER_ORGANIZATION);
    let other = stack.api_with(other).header(HEADER, "k");
    let second = other.create_in(OTHER_CATALOG, Form::upload()).await.id();
    assert_ne!(first, second);
}

#[tokio::test]
async fn users_of_a_catalog_do_not_share_idempotency_keys() {
    let stack = TestStack::start().await;
    let alice = stack.api_with(Token::default().user("alice"));
    let bob = stack.api_with(Token::default().user("bob"));
    let first = create(&alice, "k", Form::upload()).await.id();
    let second = create(&bob, "k", Form::upload().text("name", "another")).await.id();
    assert_ne!(first, second);
    assert_eq!(create(&alice, "k", Form::upload()).await.id(), first);
}

#[tokio::test]
async fn an_expired_key_is_free_again() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let first = create(&api, "k", Form::upload()).await.id();
    let contents = stack.contents().await;
    let mut records = contents.items.iter().filter(|((_, sk), _)| sk.starts_with("IDEMPOTENCY#"));
    let (Some(((pk, sk), record)), None) = (records.next(), records.next()) else { panic!() };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let expires_at: u64 = record["expires_at"].as_n().unwrap().parse().unwrap();
    assert!((now + 86_300..=now + 86_400).contains(&expires_at), "a day from now");
    assert!(!format!("{record:?}{sk}").contains("\"k\""), "the key itself is not kept");

    let past = AttributeValue::N((now - 1).to_string());
    stack.set((pk, sk), "expires_at", past).await;
    let second = create(&api, "k", Form::upload().text("name", "another")).await.id();
    assert_ne!(first, second);
    let again = create(&api, "k", Form::upload().text("name", "another")).await.id();
    assert_eq!(again, second);
}

#[tokio::test]
async fn a_malformed_key_is_a_violation_among_others() {
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
        let answer = create(&api, key, Form::upload().text("name", "")).await;
        answer.assert_problem(&violations);
    }
    let twice = api.header(HEADER, "a").header(HEADER, "a");
    let answer = twice.create(Form::upload().text("name", "")).await;
    answer.assert_problem(&violations);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn without_a_key_each_create_is_its_own() {
    let stack = TestStack::start().await;
    assert_ne!(
        stack.api().create(Form::upload()).await.id(),
        stack.api().create(Form::upload()).await.id()
    );
}
