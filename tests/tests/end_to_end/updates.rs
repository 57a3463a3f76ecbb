//! New versions, names and descriptions: `PATCH` and the list of versions.

use std::{collections::BTreeSet, time::Duration};

use admin::pipeline::{self, BuildReport, ReportError, ReportOutcome, Target};
use archive_builder::Tarball;
use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use local::{csp::Token, function::FunctionLimits};
use serde_json::{Value, json};
use shared::domain::{BuildStatus, CustomizationStatus, Digest};
use tests::{
    api::{Api, Problem},
    form::{Form, archive},
    proxy::{Fault, RequestMatcher, Times},
    stack::{
        KAFKA_ON_DEBIAN, MISSING_CUSTOMIZATION, OTHER_CATALOG, OTHER_ORGANIZATION, ProxiedStack,
        SAMPLE_CATALOG, TestStack, target,
    },
};

/// A form with a file that holds `text`, and with no other part.
fn file(text: &str) -> Form {
    Form::new().file("new.tar.gz", &content(text))
}

fn content(text: &str) -> Vec<u8> {
    Tarball::new().file("file", text.as_bytes()).gzip()
}

fn with_version(id: &str, version: &str) -> Target {
    Target { version: Some(version.parse().unwrap()), ..target(id) }
}

/// Sends concurrent updates, one per form, and asserts that each succeeds.
async fn update_concurrently(api: &Api, id: &str, forms: Vec<Form>) {
    let tasks: Vec<_> = forms
        .into_iter()
        .map(|form| {
            let (api, id) = (api.clone(), id.to_owned());
            tokio::spawn(async move { api.update(&id, form).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().assert_no_content();
    }
}

#[tokio::test]
async fn a_file_makes_a_new_version() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::kafka()).await.id();
    let api = stack.api_with(Token::default().user("janedoe"));
    let before = api.customization(&id).await.json();
    let digest = Digest::of(&content("2")).to_string();
    api.update(&id, file("2").text("sha256", &digest.to_uppercase())).await.assert_no_content();

    let body = api.customization(&id).await.json();
    let mut expected = before.clone();
    expected["version"] = json!("v2");
    expected["status"] = json!("UPDATED");
    expected["artifact"] = json!({
        "id": digest,
        "url": format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}?filename=new.tar.gz"),
        "filename": "new.tar.gz",
    });
    expected["updated_by"] = json!("janedoe");
    expected["updated_at"] = body["updated_at"].clone();
    assert_eq!(body, expected);
    assert!(body["updated_at"].as_str() > before["created_at"].as_str());

    let versions = api.versions(&id).await.json();
    let version = |customization: &Value, by: &str, at: &str| {
        json!({
            "version": customization["version"], "artifact": customization["artifact"],
            "created_by": by, "created_at": customization[at],
        })
    };
    let expected =
        [version(&body, "janedoe", "updated_at"), version(&before, "johndoe", "created_at")];
    assert_eq!(versions, json!({ "items": expected }));

    // The files of both versions can be downloaded.
    for (item, bytes) in versions["items"].as_array().unwrap().iter().zip([content("2"), archive()])
    {
        let link = api.get(item["artifact"]["url"].as_str().unwrap()).await.json();
        assert_eq!(api.headers(&[]).get(link["url"].as_str().unwrap()).await.body, bytes);
    }
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn a_name_or_description_changes_neither_version_nor_status() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::kafka()).await.id();
    let started = CustomizationStatus::PROCESSING_CREATE_STARTED;
    pipeline::set_status(&stack.table(), &target(&id), &started, "pipeline").await.unwrap();
    let versions = api.versions(&id).await.body;
    for (form, name, description) in [
        (Form::new().text("name", "n"), "n", Some("This is the customization required by my org")),
        (Form::new().text("description", "d"), "n", Some("d")),
        (Form::new().text("description", ""), "n", None),
        (Form::new().text("name", "m").text("description", "e"), "m", Some("e")),
    ] {
        api.update(&id, form).await.assert_no_content();
        let body = api.customization(&id).await.json();
        assert_eq!(body["name"], name);
        assert_eq!(body.get("description").and_then(Value::as_str), description);
        assert_eq!(body["version"], "v1");
        assert_eq!(body["status"], "PROCESSING_CREATE_STARTED");
        assert_eq!(body["updated_by"], "johndoe");
    }
    // A change of the name after a new version does not change who uploaded that version.
    api.update(&id, file("2")).await.assert_no_content();
    let uploaded = api.versions(&id).await.json();
    let jane = stack.api_with(Token::default().user("janedoe"));
    jane.update(&id, Form::new().text("name", "x")).await.assert_no_content();
    assert_eq!(api.versions(&id).await.json(), uploaded);
    assert_ne!(api.versions(&id).await.body, versions);
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn the_same_file_again_makes_a_new_version_and_unknown_attributes_stay() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    let key = (&*format!("CUSTOMIZATIONS#{SAMPLE_CATALOG}"), &*format!("CUSTOMIZATION#{id}"));
    let value = AttributeValue::S("of a newer release".to_owned());
    stack.set_attribute(key, "unknown", value.clone()).await;
    let before = stack.contents().await;
    api.update(&id, Form::upload()).await.assert_no_content();
    let after = stack.contents().await;
    assert_eq!(after.objects, before.objects);
    let record = after.customizations(SAMPLE_CATALOG)[&*id];
    assert_eq!(record["version"], AttributeValue::S("v2".to_owned()));
    assert_eq!(record["unknown"], value);
    after.assert_consistent();
}

#[tokio::test]
async fn an_invalid_update_is_refused_and_changes_nothing() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::kafka()).await.id();
    let before = stack.contents().await;
    let digest = Digest::of(&archive()).to_string();
    let other = Digest::of(b"").to_string();
    let link = Tarball::new().symlink("link", "/etc/passwd").gzip();
    let link_message = api.create(Form::new().file("x.tgz", &link)).await.json();
    let link_message = link_message["violations"][0]["message"].as_str().unwrap().to_owned();
    let nothing = "has no field; give at least one of file, name and description";
    let filter = "cannot change; create another customization for another filter";
    let unknown = "is unknown; a form has file, name, description and sha256";
    let differs = format!("differs from the SHA-256 of the received file, {digest}");
    for (form, violations) in [
        (Form::new(), vec![("body", nothing)]),
        (
            Form::new().text("sha256", &other),
            vec![("sha256", "needs a file: give the tar.gz of the new version")],
        ),
        (Form::upload().filter(json!({})), vec![("filter", filter)]),
        (Form::upload().text("color", "red"), vec![("color", unknown)]),
        (Form::new().text("filename", "x.tgz"), vec![("filename", unknown), ("body", nothing)]),
        (Form::upload().text("sha256", &other), vec![("sha256", &*differs)]),
        (Form::upload().text("sha256", "x"), vec![("sha256", "must be 64 hexadecimal digits")]),
        (Form::new().file("x.tgz", &link), vec![("file", &*link_message)]),
        (
            Form::new().text("name", "").text("description", &"d".repeat(1025)),
            vec![
                ("name", "must have 1 to 128 characters"),
                ("description", "must have at most 1024 characters"),
            ],
        ),
        (
            Form::new().text("name", "a").text("name", "b"),
            vec![("name", "is given more than once; give it once")],
        ),
    ] {
        let response = api.update(&id, form).await;
        response.assert_problem(&Problem::violations(violations));
    }
    let too_large = Form::new().file("x.tgz", &vec![0; 4_500_001]);
    api.update(&id, too_large).await.assert_problem(&Problem::TOO_LARGE);
    let text = Form::upload().content_type("text/plain");
    api.update(&id, text).await.assert_problem(&Problem::UNSUPPORTED);
    let without_body = api.send(Method::PATCH, &path(&id), Vec::new()).await;
    without_body.assert_problem(&Problem::UNSUPPORTED);
    assert_eq!(stack.contents().await, before);
}

fn path(id: &str) -> String {
    format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations/{id}")
}

#[tokio::test]
async fn checks_run_in_the_documented_order() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    api.remove(&id).await.assert_no_content();
    let before = stack.contents().await;
    let invalid = || Form::new().text("color", "red");
    let anonymous = api.headers(&[]);
    anonymous.update("x", invalid()).await.assert_problem(&Problem::UNAUTHENTICATED);
    let reader = stack.api_with(Token::default().permissions(["csp:org_member"]));
    reader.update("x", invalid()).await.assert_problem(&Problem::FORBIDDEN);
    reader.remove("x").await.assert_problem(&Problem::FORBIDDEN);
    let response = api.update_in(OTHER_CATALOG, "x", invalid()).await;
    response.assert_problem(&Problem::CATALOG_NOT_FOUND);
    for missing in ["x", MISSING_CUSTOMIZATION] {
        let unsupported = invalid().content_type("text/plain");
        let response = api.update(missing, unsupported).await;
        response.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
    }
    // The request is invalid and the customization is removed.
    let unsupported = invalid().content_type("text/plain");
    api.update(&id, unsupported).await.assert_problem(&Problem::UNSUPPORTED);
    assert_eq!(api.update(&id, invalid()).await.status, 400);
    api.update(&id, file("2")).await.assert_problem(&Problem::CUSTOMIZATION_REMOVED);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn permissions_of_a_reader_suffice_to_read_versions() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    let reader = stack.api_with(Token::default().permissions(["csp:org_member"]));
    assert_eq!(reader.versions(&id).await.status, 200);
    assert_eq!(reader.list("").await.status, 200);
    let other = stack.api_with(Token::default().permissions(["other"]));
    other.versions(&id).await.assert_problem(&Problem::FORBIDDEN);
    other.list("").await.assert_problem(&Problem::FORBIDDEN);
}

#[tokio::test]
async fn an_idempotency_key_holds_for_new_versions() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    let other = api.create(Form::upload()).await.id();
    let keyed = api.header("idempotency-key", "k");
    let form = || file("2").text("name", "n").text("description", "d");
    keyed.update(&id, form()).await.assert_no_content();
    let before = stack.contents().await;
    keyed.update(&id, form()).await.assert_no_content();
    assert_eq!(stack.contents().await, before, "a replay changes nothing");
    for form in [
        file("3").text("name", "n").text("description", "d"),
        file("2").text("name", "m").text("description", "d"),
        file("2").text("name", "n").text("description", ""),
        file("2").text("name", "n"),
        Form::new().text("name", "n").text("description", "d"),
    ] {
        keyed.update(&id, form).await.assert_problem(&Problem::KEY_REUSED);
    }
    keyed.update(&other, form()).await.assert_problem(&Problem::KEY_REUSED);
    keyed.create(form()).await.assert_problem(&Problem::KEY_REUSED);
    assert_eq!(stack.contents().await, before);

    // A replay is answered even after a removal, and the key of a create does not fit an update.
    api.remove(&id).await.assert_no_content();
    keyed.update(&id, form()).await.assert_no_content();
    keyed.update(&id, file("3")).await.assert_problem(&Problem::KEY_REUSED);
    let created = api.header("idempotency-key", "created");
    created.create(Form::upload()).await.id();
    created.update(&other, Form::upload()).await.assert_problem(&Problem::KEY_REUSED);
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn concurrent_updates_with_one_key_make_one_version() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    let keyed = api.header("idempotency-key", "k");
    update_concurrently(&keyed, &id, (0..8).map(|_| file("2")).collect()).await;
    assert_eq!(api.customization(&id).await.json()["version"], "v2");
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn eight_concurrent_clients_make_eight_successive_versions() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    update_concurrently(&api, &id, (2..=9).map(|n| file(&n.to_string())).collect()).await;
    let versions = api.versions(&id).await.json();
    let versions = versions["items"].as_array().unwrap();
    let mut files: Vec<_> = versions.iter().map(|one| one["artifact"]["id"].clone()).collect();
    for (index, version) in versions.iter().enumerate() {
        assert_eq!(version["version"], format!("v{}", 9 - index));
    }
    files.sort_unstable_by_key(ToString::to_string);
    files.dedup();
    assert_eq!(files.len(), 9, "no version is lost");
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn a_lost_response_without_a_key_makes_one_version() {
    let ProxiedStack { stack, dynamodb, s3: _s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    for (fault, expected) in [(Fault::LoseResponse, "v2"), (Fault::FalseConflict, "v3")] {
        let matcher = RequestMatcher { operation: "TransactWriteItems", texts: Vec::new() };
        let lost = dynamodb.inject(fault, matcher, Times::Once);
        api.update(&id, file(expected)).await.assert_no_content();
        assert_eq!(lost.count(), 1);
        lost.stop();
        assert_eq!(api.customization(&id).await.json()["version"], expected);
    }
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn a_lost_response_makes_one_version_even_if_another_write_follows() {
    let ProxiedStack { stack, dynamodb, s3: _s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    let matcher = RequestMatcher { operation: "TransactWriteItems", texts: Vec::new() };
    let lost = dynamodb.inject(Fault::LoseResponse, matcher, Times::Once);
    let first = {
        let (api, id) = (api.clone(), id.clone());
        tokio::spawn(async move { api.update(&id, file("2")).await })
    };
    lost.wait_for_request().await;
    api.update(&id, file("3")).await.assert_no_content();
    first.await.unwrap().assert_no_content();
    let versions = api.versions(&id).await.json();
    let items = versions["items"].as_array().unwrap();
    let files: BTreeSet<_> = items.iter().map(|one| one["artifact"]["id"].to_string()).collect();
    assert_eq!((items.len(), files.len()), (3, 3), "{versions}");
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn a_conflict_is_retried_until_the_deadline() {
    let limits =
        FunctionLimits { invocation_timeout: Duration::from_secs(4), ..FunctionLimits::AWS };
    let ProxiedStack { stack, dynamodb, s3: _s3 } = ProxiedStack::start(limits).await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    let before = stack.contents().await;
    let matcher = RequestMatcher { operation: "TransactWriteItems", texts: Vec::new() };
    let conflict = Fault::Cancel(&["ConditionalCheckFailed", "None", "None"]);
    let conflicts = dynamodb.inject(conflict, matcher, Times::Always);
    api.update(&id, Form::new().text("name", "n")).await.assert_problem(&Problem::UNAVAILABLE);
    assert!(conflicts.count() > 6, "{} attempts", conflicts.count());
    conflicts.stop();
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_catalog_that_changes_its_owner_during_an_update_is_not_found() {
    for is_removal in [false, true] {
        let ProxiedStack { stack, dynamodb, s3: _s3 } =
            ProxiedStack::start(FunctionLimits::AWS).await;
        let api = stack.api();
        let id = api.create(Form::upload()).await.id();
        let matcher = RequestMatcher { operation: "TransactWriteItems", texts: Vec::new() };
        let delay = Fault::Delay(Duration::from_secs(1));
        let delay = dynamodb.inject(delay, matcher, Times::Always);
        let request = {
            let (api, id) = (api.clone(), id.clone());
            tokio::spawn(async move {
                if is_removal { api.remove(&id).await } else { api.update(&id, file("2")).await }
            })
        };
        delay.wait_for_request().await;
        let catalog = format!("CATALOG#{SAMPLE_CATALOG}");
        let another = AttributeValue::S(OTHER_ORGANIZATION.to_owned());
        stack.set_attribute((&catalog, "CATALOG"), "org_id", another).await;
        request.await.unwrap().assert_problem(&Problem::CATALOG_NOT_FOUND);
        let contents = stack.contents().await;
        let record = contents.customizations(SAMPLE_CATALOG)[&*id];
        assert_eq!(record["version"], AttributeValue::S("v1".to_owned()));
        assert!(!record.contains_key("removed_at"));
        contents.assert_consistent();
    }
}

#[tokio::test]
async fn build_results_belong_to_a_version() {
    let stack = TestStack::start().await;
    let (api, table) = (stack.api(), stack.table());
    let id = api.create(Form::kafka()).await.id();
    let report = |status: BuildStatus| BuildReport {
        application_id: KAFKA_ON_DEBIAN.parse().unwrap(),
        status,
        failure: None,
    };
    let record = async |version: &str, status: BuildStatus| {
        pipeline::record_build(&table, &with_version(&id, version), report(status)).await
    };
    let status =
        async || api.customization(&id).await.json()["affected_releasables"][0]["status"].clone();
    let recorded = ReportOutcome::Recorded;
    let outdated = |version: &str| ReportOutcome::Outdated(version.parse().unwrap());

    assert_eq!(record("v1", BuildStatus::SUCCEEDED).await.unwrap(), recorded);
    assert_eq!(status().await, "SUCCEEDED");
    api.update(&id, file("2")).await.assert_no_content();
    assert_eq!(status().await, "PENDING", "the result is of an earlier version");
    assert_eq!(record("v1", BuildStatus::FAILED).await.unwrap(), recorded);
    assert_eq!(status().await, "PENDING");
    let current = pipeline::record_build(&table, &target(&id), report(BuildStatus::FAILED)).await;
    assert_eq!(current.unwrap(), recorded);
    assert_eq!(status().await, "FAILED");
    assert_eq!(record("v1", BuildStatus::SUCCEEDED).await.unwrap(), outdated("v2"));
    assert_eq!(status().await, "FAILED", "a late result replaces no newer one");

    // `v10` is after `v9`, though not as text.
    for number in 3..=10 {
        api.update(&id, file(&number.to_string())).await.assert_no_content();
    }
    assert_eq!(record("v9", BuildStatus::FAILED).await.unwrap(), recorded);
    assert_eq!(record("v10", BuildStatus::SUCCEEDED).await.unwrap(), recorded);
    assert_eq!(record("v9", BuildStatus::FAILED).await.unwrap(), outdated("v10"));
    assert_eq!(record("v2", BuildStatus::FAILED).await.unwrap(), outdated("v10"));
    assert_eq!(status().await, "SUCCEEDED");
    assert_eq!(record("v10", BuildStatus::FAILED).await.unwrap(), recorded);
    assert_eq!(status().await, "FAILED", "the same version may be built again");
    let before = stack.contents().await;
    let error = record("v11", BuildStatus::SUCCEEDED).await.unwrap_err();
    assert!(matches!(error, ReportError::NoVersion { .. }), "{error}");
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_build_result_of_an_earlier_release_is_of_the_first_version() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::kafka()).await.id();
    let key = (&*format!("CUSTOMIZATION#{id}"), &*format!("BUILD#{KAFKA_ON_DEBIAN}"));
    for (name, value) in [("application_id", KAFKA_ON_DEBIAN), ("status", "SUCCEEDED")] {
        stack.set_attribute(key, name, AttributeValue::S(value.to_owned())).await;
    }
    let status =
        async || api.customization(&id).await.json()["affected_releasables"][0]["status"].clone();
    assert_eq!(status().await, "SUCCEEDED");
    api.update(&id, file("2")).await.assert_no_content();
    assert_eq!(status().await, "PENDING");
    let report = BuildReport {
        application_id: KAFKA_ON_DEBIAN.parse().unwrap(),
        status: BuildStatus::FAILED,
        failure: None,
    };
    let outcome = pipeline::record_build(&stack.table(), &target(&id), report).await;
    assert_eq!(outcome.unwrap(), ReportOutcome::Recorded);
    assert_eq!(status().await, "FAILED");
}

#[tokio::test]
async fn a_status_of_an_earlier_version_changes_nothing() {
    let stack = TestStack::start().await;
    let (api, table) = (stack.api(), stack.table());
    let id = api.create(Form::upload()).await.id();
    api.update(&id, file("2")).await.assert_no_content();
    let before = stack.contents().await;
    let succeeded = CustomizationStatus::PROCESSING_CREATE_SUCCEEDED;
    let set = async |version: &str| {
        pipeline::set_status(&table, &with_version(&id, version), &succeeded, "pipeline").await
    };
    assert_eq!(set("v1").await.unwrap(), ReportOutcome::Outdated("v2".parse().unwrap()));
    assert!(matches!(set("v3").await.unwrap_err(), ReportError::NoVersion { .. }));
    assert_eq!(stack.contents().await, before);
    assert_eq!(set("v2").await.unwrap(), ReportOutcome::Recorded);
    assert_eq!(api.customization(&id).await.json()["status"], "PROCESSING_CREATE_SUCCEEDED");
}

#[tokio::test]
async fn unchanged_versions_are_a_304() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    let first = api.versions(&id).await;
    let conditional = api.header("if-none-match", first.header("etag"));
    api.update(&id, Form::new().text("name", "n")).await.assert_no_content();
    let unchanged = conditional.versions(&id).await;
    assert_eq!((unchanged.status, &unchanged.body[..]), (304, &b""[..]));
    assert_eq!(unchanged.header("etag"), first.header("etag"));
    api.update(&id, file("2")).await.assert_no_content();
    assert_eq!(conditional.versions(&id).await.status, 200);
    for missing in ["x", MISSING_CUSTOMIZATION] {
        api.versions(missing).await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
    }
}
