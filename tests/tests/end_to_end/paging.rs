//! A catalog with more applications than one page of DynamoDB holds.

use std::collections::BTreeSet;

use serde_json::json;
use shared::{
    catalog::{Application, BaseImage, Product, Release},
    customization::{BuildResult, BuildStatus},
    store::Record,
};
use tests::{
    api::Problem,
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack},
};

/// So many that their items need several pages of 1 MB.
const APPLICATIONS: usize = 1_500;

/// Of these, all those of the last product in the table's order are released, and only they.
fn application(index: usize) -> Application {
    let product = index % 250;
    Application {
        application_id: format!("application-{index:04}").parse().unwrap(),
        product_key: format!("product-{product}").parse().unwrap(),
        branch: "1".parse().unwrap(),
        base_image_id: "large".parse().unwrap(),
        registry_id: "0f5d1a86-2e04-4c55-9d5f-6c1b6f2f7a10".parse().unwrap(),
        latest_release: (product == 99).then(|| Release {
            id: "r".parse().unwrap(),
            revision: "0".into(),
            released_at: "2023-03-03T00:59:52.762Z".to_owned().try_into().unwrap(),
            version: "1".into(),
        }),
        // As long as an identifier can be.
        latest_pipeline_id: Some("𝄞".repeat(128).parse().unwrap()),
    }
}

#[tokio::test]
async fn all_of_a_large_catalog_is_affected() {
    let stack = TestStack::start().await;
    let table = stack.table();
    let catalog_id: shared::id::Id = SAMPLE_CATALOG.parse().unwrap();
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
    table.import(&records, |_| {}).await.unwrap();

    let api = stack.api();
    let id = api.create(Form::upload()).await.id();
    let result = BuildResult {
        application_id: application(APPLICATIONS - 1).application_id,
        status: BuildStatus::SUCCEEDED,
        failure: None,
    };
    table.record_build(&catalog_id, id.parse().unwrap(), &result).await.unwrap();

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
