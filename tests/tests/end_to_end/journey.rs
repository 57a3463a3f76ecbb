//! The happy paths: uploaded, read back, downloaded; and still there after a restart.

use std::collections::BTreeSet;

use admin::pipeline;
use serde_json::{Value, json};
use shared::domain::{
    BuildResult, BuildStatus, CustomizationStatus, Digest, Failure, FailureCause,
};
use tests::{
    form::{Form, archive},
    stack::{DEBIAN, KAFKA_ON_DEBIAN, SAMPLE_CATALOG, TestStack},
};

/// All but the last digit of the sample catalog's applications.
const APPLICATION: &str = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a0";

/// The part `path` of the sample catalog's file.
fn sample(path: &str) -> Value {
    let file = include_str!("../../../local/sample-catalog.json");
    serde_json::from_str::<Value>(file).unwrap().pointer(path).unwrap().clone()
}

#[tokio::test]
async fn an_upload_is_answered_with_what_is_in_hand() {
    let stack = TestStack::start().await;
    let answer = stack.api().create(Form::kafka()).await;
    let id = answer.id();
    let digest = Digest::of(&archive());
    let created_at = answer.json()["created_at"].clone();
    assert_eq!(
        answer.json(),
        json!({
            "id": id,
            "version": "v1",
            "artifact": {
                "id": digest,
                "url": format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}?filename=script.tar.gz"),
                "filename": "script.tar.gz",
            },
            "name": "my customization",
            "description": "This is the customization required by my org",
            "catalog_id": SAMPLE_CATALOG,
            "status": "CREATED",
            "filter": {"base_image_id": DEBIAN, "product_key": "apache_kafka", "branch": "2"},
            "created_by": "johndoe",
            "created_at": created_at,
            "global": false,
            "_links": {
                "catalog": {"href": format!("/v1/catalogs/{SAMPLE_CATALOG}")},
                "base_image": {"href": format!("/v1/base-images/{DEBIAN}")},
            },
        }),
    );
    let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations/{id}");
    assert_eq!(answer.header("location"), path);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(stack.api().get(&path).await.status, 200, "the Location answers at once");
}

#[tokio::test]
async fn a_customization_is_answered_with_every_field_of_the_reference() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let created = api.create(Form::kafka()).await;
    let id = created.id();
    let table = stack.table();
    let (catalog_id, customization_id) = (SAMPLE_CATALOG.parse().unwrap(), id.parse().unwrap());
    let failure = Failure {
        description: "An error happened when a release with customization was tried to be built"
            .into(),
        source_url: Some("https://example.com/log".into()),
        error_date: Some("2023-03-03T00:59:52.762Z".to_owned().try_into().unwrap()),
        cause: Some(FailureCause::CUSTOMIZATION_BUILD_ERROR),
    };
    let result = BuildResult {
        application_id: KAFKA_ON_DEBIAN.parse().unwrap(),
        status: BuildStatus::FAILED,
        failure: Some(failure),
    };
    pipeline::record_build(&table, &catalog_id, customization_id, &result).await.unwrap();
    let deleted = CustomizationStatus::DELETED;
    pipeline::set_status(&table, &catalog_id, customization_id, &deleted, "janedoe").await.unwrap();

    let answer = api.customization(&id).await;
    let body = answer.json();
    let mut expected = created.json();
    let (base_image, product) = (sample("/base_images/0"), sample("/products/0"));
    let application = sample("/catalogs/0/applications/0");
    expected["status"] = json!("DELETED");
    expected["filter"]["base_image"] = base_image.clone();
    expected["filter"]["product"] = product.clone();
    for field in ["updated_by", "removed_by"] {
        expected[field] = json!("janedoe");
    }
    for field in ["updated_at", "removed_at"] {
        expected[field] = body[field].clone();
        assert_eq!(body[field].as_str().map(str::len), Some("2023-03-03T00:59:52.762Z".len()));
    }
    expected["affected_releasables"] = json!([{
        "application_id": KAFKA_ON_DEBIAN,
        "latest_release": application["latest_release"],
        "latest_pipeline_id": application["latest_pipeline_id"],
        "product": product,
        "branch": "2",
        "base_image": base_image,
        "registry": sample("/registries/0"),
        "status": "FAILED",
        "failure": {
            "description": "An error happened when a release with customization was tried to be built",
            "source_url": "https://example.com/log",
            "error_date": "2023-03-03T00:59:52.762Z",
            "cause": "CUSTOMIZATION_BUILD_ERROR",
        },
    }]);
    let pipeline = application["latest_pipeline_id"].as_str().unwrap();
    expected["_links"]["affected_releasables"] =
        json!([{"href": format!("/v1/catalogs/{SAMPLE_CATALOG}/pipelines/{pipeline}")}]);
    assert_eq!(body, expected);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "private, no-cache");
}

#[tokio::test]
async fn a_filter_decides_which_applications_are_affected() {
    let stack = TestStack::start().await;
    let api = stack.api();
    for (filter, affected) in [
        (json!({}), &[1, 2, 3, 4, 5, 6][..]),
        (json!({"product_key": "apache_kafka"}), &[1, 2, 3]),
        (json!({"product_key": "apache_kafka", "branch": "2"}), &[1, 2]),
        (json!({"product_key": "apache_kafka", "base_image_id": DEBIAN}), &[1, 3]),
        (json!({"base_image_id": DEBIAN}), &[1, 3, 4, 5, 6]),
    ] {
        let id = api.create(Form::upload().filter(filter.clone())).await.id();
        let body = api.customization(&id).await.json();
        let releasables = body["affected_releasables"].as_array().unwrap();
        let ids = releasables.iter().map(|one| one["application_id"].as_str().unwrap().to_owned());
        let ids: BTreeSet<_> = ids.collect();
        assert_eq!(ids.len(), releasables.len(), "none twice");
        let expected = affected.iter().map(|last| format!("{APPLICATION}{last}"));
        assert_eq!(ids, expected.collect(), "{filter}");
        assert_eq!(body["global"], json!(filter == json!({})));
        assert!(releasables.iter().all(|one| one["status"] == "PENDING"), "{filter}");
    }
}

#[tokio::test]
async fn what_is_not_given_is_left_out_or_taken_from_the_file() {
    let stack = TestStack::start().await;
    let long = format!("{}.tar.gz", "a".repeat(200));
    for (file_name, stored, name) in [
        ("certs.tar.gz", "certs.tar.gz", "certs"),
        ("C:\\\\build\\\\certs.tgz", "certs.tgz", "certs"),
        ("", "customization.tar.gz", "customization"),
        (&*long, &*long, &*"a".repeat(128)),
    ] {
        let body = stack.api().create(Form::new().file(file_name, &archive())).await.json();
        assert_eq!(body["artifact"]["filename"], stored);
        assert_eq!(body["name"], name);
        for absent in ["description", "filter", "updated_by", "updated_at", "removed_by"] {
            assert!(body.get(absent).is_none(), "{absent} in {body}");
        }
        assert!(body["_links"].get("base_image").is_none());
        assert_eq!(body["global"], true);
    }
}

#[tokio::test]
async fn the_artifact_url_leads_to_the_bytes_under_the_files_name() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let name = "übung; \\\"1\\\".tar.gz";
    let created = api.create(Form::new().file(name, &archive())).await.json();
    let answer = api.get(created["artifact"]["url"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.json().as_object().unwrap().len(), 1);
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    assert!(url.contains("X-Amz-Expires=600"), "{url}");

    // The link alone is enough: nothing of the caller goes with it.
    let download = api.headers(&[]).get(&url).await;
    assert_eq!((download.status, &download.body[..]), (200, &archive()[..]));
    assert_eq!(
        download.header("content-disposition"),
        "attachment; filename=\"_bung; \\\"1\\\".tar.gz\"; filename*=UTF-8''%C3%BCbung%3B%20%221%22.tar.gz",
    );
    let forged = api.headers(&[]).get(&url.replace("filename", "filenam3")).await;
    assert_eq!(forged.status, 403, "a changed link is refused");
}

#[tokio::test]
async fn an_unchanged_customization_is_not_sent_again() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::kafka()).await.id();
    let first = api.customization(&id).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
    assert_eq!(api.customization(&id).await.header("etag"), tag, "equal for equal data");

    let again = api.header("if-none-match", &tag).customization(&id).await;
    assert_eq!((again.status, again.header("etag"), &again.body[..]), (304, &*tag, &b""[..]));
    assert_eq!(again.header("cache-control"), "private, no-cache");

    let started = CustomizationStatus::PROCESSING_CREATE_STARTED;
    let (catalog_id, id) = (SAMPLE_CATALOG.parse().unwrap(), id.parse().unwrap());
    let table = stack.table();
    pipeline::set_status(&table, &catalog_id, id, &started, "pipeline").await.unwrap();
    let changed = api.header("if-none-match", &tag).customization(&id.to_string()).await;
    assert_eq!(
        (changed.status, &changed.json()["status"]),
        (200, &json!("PROCESSING_CREATE_STARTED"))
    );
}

#[tokio::test]
async fn the_same_bytes_are_kept_once_for_many_customizations() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let first = api.create(Form::kafka()).await.id();
    let before = stack.contents().await;
    let second = api.create(Form::kafka()).await.id();
    let after = stack.contents().await;
    assert_ne!(first, second);
    assert!(first < second, "identifiers are in the order of creation");
    assert_eq!(after.objects, before.objects);
    assert_eq!(after.items.len(), before.items.len() + 1);
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::kafka()).await.id();
    let before = stack.api().customization(&id).await;
    let contents = stack.contents().await;

    let stack = stack.restart().await;
    assert_eq!(stack.contents().await, contents);
    let after = stack.api().customization(&id).await;
    assert_eq!((after.status, &after.body), (200, &before.body));
    assert_eq!(after.header("etag"), before.header("etag"));
    let url = after.json()["artifact"]["url"].as_str().unwrap().to_owned();
    let link = stack.api().get(&url).await.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(stack.api().headers(&[]).get(&link).await.body, archive());
}
