//! Successful requests: create, get and download, also after a restart.

use std::collections::BTreeSet;

use admin::pipeline::{self, BuildReport};
use serde_json::{Value, json};
use shared::domain::{BuildStatus, CustomizationStatus, Digest, Failure, FailureCause};
use tests::{
    form::{Form, archive},
    stack::{DEBIAN, KAFKA_ON_DEBIAN, SAMPLE_CATALOG, TestStack, target},
};

/// The identifiers of the sample catalog's applications without their last digit.
const APPLICATION_ID_PREFIX: &str = "6f3c1f0e-8a57-4c0e-9c3e-3d5b7c1f2a0";

/// The value at a JSON Pointer in the sample catalog's file.
fn sample(pointer: &str) -> Value {
    let file = include_str!("../../../local/sample-catalog.json");
    serde_json::from_str::<Value>(file).unwrap().pointer(pointer).unwrap().clone()
}

#[tokio::test]
async fn a_create_returns_the_new_customization() {
    let stack = TestStack::start().await;
    let response = stack.api().create(Form::kafka()).await;
    let id = response.id();
    let digest = Digest::of(&archive());
    let created_at = response.json()["created_at"].clone();
    assert_eq!(
        response.json(),
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
    assert_eq!(response.header("location"), path);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("x-content-type-options"), "nosniff");
    assert_eq!(stack.api().get(&path).await.status, 200, "the Location can be read at once");
}

#[tokio::test]
async fn a_get_returns_every_field_of_the_reference() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let created = api.create(Form::kafka()).await;
    let id = created.id();
    let table = stack.table();
    let failure = Failure {
        description: "An error happened when a release with customization was tried to be built"
            .into(),
        source_url: Some("https://example.com/log".into()),
        error_date: Some("2023-03-03T00:59:52.762Z".to_owned().try_into().unwrap()),
        cause: Some(FailureCause::CUSTOMIZATION_BUILD_ERROR),
    };
    let report = BuildReport {
        application_id: KAFKA_ON_DEBIAN.parse().unwrap(),
        status: BuildStatus::FAILED,
        failure: Some(failure),
    };
    pipeline::record_build(&table, &target(&id), report).await.unwrap();
    let deleted = CustomizationStatus::DELETED;
    pipeline::set_status(&table, &target(&id), &deleted, "janedoe").await.unwrap();

    let response = api.customization(&id).await;
    let body = response.json();
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
    assert_eq!(response.status, 200);
    assert_eq!(response.header("cache-control"), "private, no-cache");
}

#[tokio::test]
async fn a_filter_selects_the_affected_applications() {
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
        assert_eq!(ids.len(), releasables.len(), "no duplicates");
        let expected = affected.iter().map(|last| format!("{APPLICATION_ID_PREFIX}{last}"));
        assert_eq!(ids, expected.collect(), "{filter}");
        assert_eq!(body["global"], json!(filter == json!({})));
        assert!(releasables.iter().all(|one| one["status"] == "PENDING"), "{filter}");
    }
}

#[tokio::test]
async fn omitted_fields_are_absent_or_derived_from_the_file_name() {
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
async fn the_presigned_url_downloads_the_file_under_its_name() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let name = "übung; \\\"1\\\".tar.gz";
    let created = api.create(Form::new().file(name, &archive())).await.json();
    let response = api.get(created["artifact"]["url"].as_str().unwrap()).await;
    assert_eq!(response.status, 200, "{:?}", response.body);
    assert_eq!(response.json().as_object().unwrap().len(), 1);
    let url = response.json()["url"].as_str().unwrap().to_owned();
    assert!(url.contains("X-Amz-Expires=600"), "{url}");

    // The presigned URL needs no token.
    let download = api.headers(&[]).get(&url).await;
    assert_eq!((download.status, &download.body[..]), (200, &archive()[..]));
    assert_eq!(
        download.header("content-disposition"),
        "attachment; filename=\"_bung; \\\"1\\\".tar.gz\"; filename*=UTF-8''%C3%BCbung%3B%20%221%22.tar.gz",
    );
    let forged = api.headers(&[]).get(&url.replace("filename", "filenam3")).await;
    assert_eq!(forged.status, 403, "a changed URL is refused");
}

#[tokio::test]
async fn an_unchanged_customization_is_a_304() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let id = api.create(Form::kafka()).await.id();
    let first = api.customization(&id).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
    assert_eq!(api.customization(&id).await.header("etag"), tag, "equal data has an equal tag");

    let unchanged = api.header("if-none-match", &tag).customization(&id).await;
    let parts = (unchanged.status, unchanged.header("etag"), &unchanged.body[..]);
    assert_eq!(parts, (304, &*tag, &b""[..]));
    assert_eq!(unchanged.header("cache-control"), "private, no-cache");

    let started = CustomizationStatus::PROCESSING_CREATE_STARTED;
    let table = stack.table();
    pipeline::set_status(&table, &target(&id), &started, "pipeline").await.unwrap();
    let changed = api.header("if-none-match", &tag).customization(&id).await;
    assert_eq!(
        (changed.status, &changed.json()["status"]),
        (200, &json!("PROCESSING_CREATE_STARTED"))
    );
}

#[tokio::test]
async fn the_same_file_of_two_customizations_is_stored_once() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let first = api.create(Form::kafka()).await.id();
    let before = stack.contents().await;
    let second = api.create(Form::kafka()).await.id();
    let after = stack.contents().await;
    assert_ne!(first, second);
    assert!(first < second, "identifiers are in order of creation");
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
