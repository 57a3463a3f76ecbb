//! Catalogs with more applications than fit in one page of DynamoDB or in one response of Lambda.

use std::{collections::BTreeSet, io::Read, iter};

use admin::{
    pipeline::{self, BuildReport},
    records::{self, Record},
};
use fastrand::Rng;
use flate2::read::GzDecoder;
use read_customizations::affected_applications;
use serde_json::{Value, json};
use shared::{
    domain::{Application, BaseImage, BuildStatus, Id, Product, Release},
    storage::Catalogs,
};
use tests::{
    api::Problem,
    form::Form,
    stack::{REGISTRY, SAMPLE_CATALOG, TestStack, target},
};

/// Enough applications that their items need several pages of 1 MB, DynamoDB's limit of a page.
const APPLICATIONS: usize = 1_500;

/// Applications of the sample catalog.
const SAMPLE_APPLICATIONS: usize = 6;

/// An application of one of 250 products. Only `product-99`, the last one in the order of the sort
/// key, has released applications.
fn application(index: usize) -> Application {
    let product = index % 250;
    Application {
        application_id: format!("application-{index:04}").parse().unwrap(),
        product_key: format!("product-{product}").parse().unwrap(),
        branch: long_id(),
        base_image_id: "large".parse().unwrap(),
        registry_id: REGISTRY.parse().unwrap(),
        latest_release: (product == 99).then(|| Release {
            id: "r".parse().unwrap(),
            revision: "0".into(),
            released_at: "2023-03-03T00:59:52.762Z".to_owned().try_into().unwrap(),
            version: "1".into(),
        }),
        latest_pipeline_id: Some(long_id()),
    }
}

/// An identifier of 252 bytes, the maximum.
fn long_id() -> Id {
    "𝄞".repeat(63).parse().unwrap()
}

#[tokio::test]
async fn every_page_of_a_large_catalog_is_read() {
    let stack = TestStack::start().await;
    let table = stack.table();
    let catalog_id: Id = SAMPLE_CATALOG.parse().unwrap();
    let products = (0..250).map(|index| {
        let product = json!({"key": format!("product-{index}"), "name": "x"});
        Record::Product(serde_json::from_value::<Product>(product).unwrap())
    });
    let applications = (0..APPLICATIONS).map(|index| Record::Application {
        catalog_id: catalog_id.clone(),
        application: application(index),
    });
    let base_image = json!({"id": "large", "name": "x"});
    let base_image = serde_json::from_value::<BaseImage>(base_image).unwrap();
    let records: Vec<_> =
        products.chain(applications).chain([Record::BaseImage(base_image)]).collect();
    records::write(&table, &records, |_| {}).await.unwrap();

    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    let report = BuildReport {
        application_id: application(APPLICATIONS - 1).application_id,
        status: BuildStatus::SUCCEEDED,
        failure: None,
    };
    pipeline::record_build(&table, &target(&id), report).await.unwrap();

    let body = api.customization(&id).await.json();
    let releasables = body["affected_releasables"].as_array().unwrap();
    let affected: BTreeSet<_> =
        releasables.iter().map(|one| one["application_id"].as_str().unwrap()).collect();
    assert_eq!(affected.len(), releasables.len(), "no duplicates");
    assert_eq!(affected.len(), APPLICATIONS + SAMPLE_APPLICATIONS);
    let succeeded: Vec<_> = releasables.iter().filter(|one| one["status"] == "SUCCEEDED").collect();
    assert_eq!(succeeded.len(), 1);
    assert_eq!(succeeded[0]["application_id"], "application-1499");

    // The released applications are on the last page.
    let filter = json!({"base_image_id": "large"});
    let id = api.create(Form::upload().filter(filter)).await.id();
    let body = api.customization(&id).await.json();
    assert_eq!(body["affected_releasables"].as_array().unwrap().len(), APPLICATIONS);

    let filter = json!({"base_image_id": "large", "product_key": "product-98"});
    api.create(Form::upload().filter(filter)).await.assert_problem(&Problem::NOT_RELEASED);
    let filter = json!({"product_key": "product-99"});
    let id = api.create(Form::upload().filter(filter)).await.id();
    let body = api.customization(&id).await.json();
    assert_eq!(body["affected_releasables"].as_array().unwrap().len(), APPLICATIONS / 250);
}

/// Enough applications that a response with all of them exceeds Lambda's limit of 6 MB.
const APPLICATIONS_OVER_LIMIT: usize = 3_000;

#[tokio::test]
async fn a_response_over_the_lambda_limit_is_compressed_or_a_406() {
    let stack = TestStack::start().await;
    let catalog_id: Id = SAMPLE_CATALOG.parse().unwrap();
    let base_image = json!({"id": "large", "name": "x", "description": "x".repeat(1_000)});
    let base_image = serde_json::from_value::<BaseImage>(base_image).unwrap();
    let product = json!({"key": "product-0", "name": "x", "description": "x".repeat(1_000)});
    let product = serde_json::from_value::<Product>(product).unwrap();
    let applications = (0..APPLICATIONS_OVER_LIMIT).map(|index| Record::Application {
        catalog_id: catalog_id.clone(),
        application: Application {
            product_key: "product-0".parse().unwrap(),
            latest_pipeline_id: None,
            ..application(index)
        },
    });
    let references = [Record::BaseImage(base_image), Record::Product(product)];
    let records: Vec<_> = references.into_iter().chain(applications).collect();
    records::write(&stack.table(), &records, |_| {}).await.unwrap();

    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    api.customization(&id).await.assert_problem(&Problem::NOT_ACCEPTABLE);

    let api = api.header("accept-encoding", "br, gzip");
    let response = api.customization(&id).await;
    assert_eq!((response.status, response.header("content-encoding")), (200, "gzip"));
    assert_eq!(response.header("vary"), "accept-encoding");
    let mut body = String::new();
    GzDecoder::new(&*response.body).read_to_string(&mut body).unwrap();
    assert!(body.len() > 6_291_456, "{}", body.len());
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["affected_releasables"].as_array().unwrap().len(),
        APPLICATIONS_OVER_LIMIT + SAMPLE_APPLICATIONS
    );

    let tag = response.header("etag");
    assert!(tag.ends_with("-gzip\""), "{tag}");
    let unchanged = api.header("if-none-match", tag).customization(&id).await;
    assert_eq!((unchanged.status, unchanged.header("etag"), unchanged.body.len()), (304, tag, 0));
}

#[tokio::test]
async fn a_response_with_more_applications_than_the_limit_is_refused() {
    let stack = TestStack::start().await;
    let catalogs = Catalogs::new(stack.table());
    let catalog_id: Id = SAMPLE_CATALOG.parse().unwrap();
    let read = |max| affected_applications(&catalogs, &catalog_id, None, max);
    assert_eq!(read(SAMPLE_APPLICATIONS).await.unwrap().len(), SAMPLE_APPLICATIONS);
    let error = read(SAMPLE_APPLICATIONS - 1).await.unwrap_err();
    assert!(matches!(error, shared::problem::Problem::ResponseTooLarge), "{error:?}");
}

/// Enough products with random descriptions that a response with all of them exceeds Lambda's limit
/// of 6 MB even compressed.
const DESCRIBED_PRODUCTS: usize = 70;
const DESCRIPTION_CHARACTERS: usize = 100_000;

#[tokio::test]
async fn a_response_over_the_lambda_limit_when_compressed_is_a_500() {
    let stack = TestStack::start().await;
    let catalog_id: Id = SAMPLE_CATALOG.parse().unwrap();
    let mut rng = Rng::with_seed(7);
    let products = (0..DESCRIBED_PRODUCTS).map(|index| {
        let noise: String =
            iter::repeat_with(|| rng.alphanumeric()).take(DESCRIPTION_CHARACTERS).collect();
        let product = json!({"key": format!("product-{index}"), "name": "x", "description": noise});
        Record::Product(serde_json::from_value(product).unwrap())
    });
    let base_image = json!({"id": "large", "name": "x"});
    let base_image = Record::BaseImage(serde_json::from_value(base_image).unwrap());
    let applications = (0..DESCRIBED_PRODUCTS).map(|index| Record::Application {
        catalog_id: catalog_id.clone(),
        application: application(index),
    });
    let records: Vec<_> = products.chain([base_image]).chain(applications).collect();
    records::write(&stack.table(), &records, |_| {}).await.unwrap();

    let api = stack.api();
    let gzip = api.header("accept-encoding", "gzip");
    let id = api.create(Form::upload()).await.id();
    gzip.customization(&id).await.assert_problem(&Problem::RESPONSE_TOO_LARGE);
    // A filter makes the response small enough.
    let filtered = Form::upload().filter(json!({"product_key": "apache_kafka"}));
    let id = api.create(filtered).await.id();
    assert_eq!(gzip.customization(&id).await.status, 200);
}
