//! Removals: they are final, and nothing is lost.

use std::iter;

use admin::pipeline::{self, ReportOutcome};
use archive_builder::Tarball;
use local::csp::Token;
use serde_json::{Value, json};
use shared::domain::CustomizationStatus;
use tests::{
    api::Problem,
    form::{Form, archive},
    stack::{MISSING_CUSTOMIZATION, SAMPLE_CATALOG, TestStack, target},
};

#[tokio::test]
async fn a_removal_keeps_record_and_files_and_is_idempotent() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::kafka()).await.id();
    let before = api.customization(&id).await.json();
    let contents = stack.contents().await;
    let jane = stack.api_with(Token::default().user("janedoe"));
    jane.remove(&id).await.assert_no_content();

    let body = api.customization(&id).await.json();
    let mut expected = before;
    expected["status"] = json!("DELETED");
    expected["removed_by"] = json!("janedoe");
    expected["removed_at"] = body["removed_at"].clone();
    assert_eq!(body, expected);
    assert!(body["removed_at"].as_str() > body["created_at"].as_str());
    let link = api.get(body["artifact"]["url"].as_str().unwrap()).await.json();
    assert_eq!(api.headers(&[]).get(link["url"].as_str().unwrap()).await.body, archive());

    let removed = stack.contents().await;
    assert_eq!(removed.objects, contents.objects);
    assert_eq!(removed.items.len(), contents.items.len());
    api.remove(&id).await.assert_no_content();
    assert_eq!(stack.contents().await, removed, "a second removal changes nothing");
}

#[tokio::test]
async fn a_removed_customization_cannot_change() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    api.remove(&id).await.assert_no_content();
    let before = stack.contents().await;
    let new = Tarball::new().file("new", b"").gzip();
    for form in [
        Form::new().file("new.tgz", &new),
        Form::new().text("name", "n"),
        Form::new().text("description", ""),
    ] {
        api.update(&id, form).await.assert_problem(&Problem::CUSTOMIZATION_REMOVED);
    }
    assert_eq!(stack.contents().await, before, "not even the file is stored");
    for missing in ["x", MISSING_CUSTOMIZATION] {
        api.remove(missing).await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
    }
}

#[tokio::test]
async fn no_status_undoes_a_removal() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    api.remove(&id).await.assert_no_content();
    let removed = api.customization(&id).await.json();
    for status in CustomizationStatus::KNOWN {
        let before = api.customization(&id).await.json();
        let status = CustomizationStatus::from((*status).to_owned());
        let outcome = pipeline::set_status(&stack.table(), &target(&id), &status, "pipeline").await;
        let after = api.customization(&id).await.json();
        if status.as_str().contains("DELETE") {
            assert_eq!(outcome.unwrap(), ReportOutcome::Recorded);
            assert_eq!(after["status"], status.as_str());
        } else {
            assert_eq!(outcome.unwrap(), ReportOutcome::Removed);
            assert_eq!(after, before);
        }
        for field in ["removed_by", "removed_at"] {
            assert_eq!(after[field], removed[field]);
        }
        let response = api.update(&id, Form::new().text("name", "n")).await;
        response.assert_problem(&Problem::CUSTOMIZATION_REMOVED);
    }
}

#[tokio::test]
async fn concurrent_removals_and_updates_end_as_some_order_of_both() {
    let stack = TestStack::start().await;
    let api = stack.api();
    for round in 0..6 {
        let id = api.create(Form::upload()).await.id();
        let new = Tarball::new().file("new", round.to_string().as_bytes()).gzip();
        let updates = iter::repeat_with(|| {
            let (api, id, new) = (api.clone(), id.clone(), new.clone());
            tokio::spawn(async move { api.update(&id, Form::new().file("new.tgz", &new)).await })
        });
        let updates: Vec<_> = updates.take(3).collect();
        let started = CustomizationStatus::PROCESSING_UPDATE_STARTED;
        let (table, update_target) = (stack.table(), target(&id));
        let (removal, outcome) = tokio::join!(
            api.remove(&id),
            pipeline::set_status(&table, &update_target, &started, "pipeline"),
        );
        removal.assert_no_content();
        let outcome = outcome.unwrap();
        assert!(matches!(outcome, ReportOutcome::Recorded | ReportOutcome::Removed), "{outcome:?}");
        let mut versions = 1;
        for update in updates {
            let response = update.await.unwrap();
            if response.status == 204 {
                versions += 1;
            } else {
                response.assert_problem(&Problem::CUSTOMIZATION_REMOVED);
            }
        }
        let body = api.customization(&id).await.json();
        assert_eq!(body["status"], "DELETED", "whatever came first");
        assert_eq!(body["version"], format!("v{versions}"));
        let listed = api.versions(&id).await.json();
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(versions));
    }
    let contents = stack.contents().await;
    contents.assert_consistent();
    assert_eq!(contents.customizations(SAMPLE_CATALOG).len(), 6);
    assert_eq!(api.list("active=true").await.json()["items"], Value::Array(Vec::new()));
}
