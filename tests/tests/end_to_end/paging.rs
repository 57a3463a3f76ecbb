//! Catalogs with more applications than one page of DynamoDB, or one answer of Lambda, holds.

use std::{collections::BTreeSet, io::Read, iter};

use admin::{
    pipeline,
    records::{self, Record},
};
use fastrand::Rng;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use shared::domain::{Application, BaseImage, BuildResult, BuildStatus, Id, Product, Release};
use tests::{
    api::Problem,
    form::Form,
    stack::{REGISTRY, SAMPLE_CATALOG, TestStack},
};

/// So many that their items need several pages of 1 MB.
const APPLICATIONS: usize = 1_500;

/// Of these, all those of the last product in the table's order are released, and only they.
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

/// As many bytes as an identifier can have.
fn long_id() -> Id {
    "𝄞".repeat(63).parse().unwrap()
}

#[tokio::test]
async fn all_of_a_large_catalog_is_affected() {
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
    let result = BuildResult {
        application_id: application(APPLICATIONS - 1).application_id,
        status: BuildStatus::SUCCEEDED,
        failure: None,
    };
    let customization_id = id.parse().unwrap();
    pipeline::record_build(&table, &catalog_id, customization_id, &result).await.unwrap();

    let body = api.customization(&id).await.json();
    let releasables = body["affected_releasables"].as_array().unwrap();
    let affected: BTreeSet<_> =
        releasables.iter().map(|one| one["application_id"].as_str().unwrap()).collect();
    assert_eq!(affected.len(), releasables.len(), "none twice");
    assert_eq!(affected.len(), APPLICATIONS + 6, "with those of the sample");
    let succeeded: Vec<_> = releasables.iter().filter(|one| one["status"] == "SUCCEEDED").collect();
    assert_eq!(succeeded.len(), 1);
    assert_eq!(succeeded[0]["application_id"], "application-1499");

    // What is released stands on the last page.
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

/// So many that an answer with all of them is longer than 6 MB.
const TOO_MANY: usize = 3_000;

#[tokio::test]
async fn an_answer_past_what_lambda_takes_is_compressed_or_refused() {
    let stack = TestStack::start().await;
    let catalog_id: Id = SAMPLE_CATALOG.parse().unwrap();
    let base_image = json!({"id": "large", "name": "x", "description": "x".repeat(1_000)});
    let base_image = serde_json::from_value::<BaseImage>(base_image).unwrap();
    let product = json!({"key": "product-0", "name": "x", "description": "x".repeat(1_000)});
    let product = serde_json::from_value::<Product>(product).unwrap();
    let applications = (0..TOO_MANY).map(|index| Record::Application {
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
    let answer = api.customization(&id).await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"));
    assert_eq!(answer.header("vary"), "accept-encoding");
    let mut body = String::new();
    GzDecoder::new(&*answer.body).read_to_string(&mut body).unwrap();
    assert!(body.len() > 6_291_456, "{}", body.len());
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["affected_releasables"].as_array().unwrap().len(), TOO_MANY + 6);

    let tag = answer.header("etag");
    assert!(tag.ends_with("-gzip\""), "{tag}");
    let known = api.header("if-none-match", tag).customization(&id).await;
    assert_eq!((known.status, known.header("etag"), known.body.len()), (304, tag, 0));
}

/// So many products with so long descriptions that do not compress well that an answer with all of
/// them is longer than 6 MB even compressed, and in base64.
const DESCRIBED: usize = 70;
const DESCRIPTION_CHARACTERS: usize = 100_000;

#[tokio::test]
async fn an_answer_that_does_not_fit_even_compressed_is_refused() {
    let stack = TestStack::start().await;
    let catalog_id: Id = SAMPLE_CATALOG.parse().unwrap();
    let mut rng = Rng::with_seed(7);
    let products = (0..DESCRIBED).map(|index| {
        let noise: String =
            iter::repeat_with(|| rng.alphanumeric()).take(DESCRIPTION_CHARACTERS).collect();
        let product = json!({"key": format!("product-{index}"), "name": "x", "description": noise});
        Record::Product(serde_json::from_value(product).unwrap())
    });
    let base_image = json!({"id": "large", "name": "x"});
    let base_image = Record::BaseImage(serde_json::from_value(base_image).unwrap());
    let applications = (0..DESCRIBED).map(|index| Record::Application {
        catalog_id: catalog_id.clone(),
        application: application(index),
    });
    let records: Vec<_> = products.chain([base_image]).chain(applications).collect();
    records::write(&stack.table(), &records, |_| {}).await.unwrap();

    let api = stack.api();
    let gzip = api.header("accept-encoding", "gzip");
    let id = api.create(Form::upload()).await.id();
    gzip.customization(&id).await.assert_problem(&Problem::RESPONSE_TOO_LARGE);
    // Of what its filter leaves, there is not too much.
    let one = Form::upload().filter(json!({"product_key": "apache_kafka"}));
    let id = api.create(one).await.id();
    assert_eq!(gzip.customization(&id).await.status, 200);
}
