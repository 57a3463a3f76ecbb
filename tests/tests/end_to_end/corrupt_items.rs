//! Items with an attribute of the wrong type, and items of a later version.

use aws_sdk_dynamodb::types::AttributeValue;
use local::csp::Token;
use serde_json::json;
use tests::{
    api::Problem,
    form::Form,
    stack::{
        DEBIAN, KAFKA_ON_DEBIAN, OTHER_CATALOG, OTHER_ORGANIZATION, SAMPLE_CATALOG, TestStack,
    },
};

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[tokio::test]
async fn a_corrupt_item_is_a_500_only_for_requests_that_read_it() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let postgresql = || Form::upload().filter(json!({"product_key": "postgresql"}));
    let kafka = || Form::upload().filter(json!({"product_key": "apache_kafka", "branch": "2"}));
    let sound = api.create(postgresql()).await.id();
    let with_corrupt_record = api.create(postgresql()).await.id();
    let with_corrupt_build = api.create(postgresql()).await.id();
    let with_corrupt_application = api.create(kafka()).await.id();
    let with_corrupt_version = api.create(postgresql()).await.id();
    api.update(&with_corrupt_version, Form::upload()).await.assert_no_content();
    let with_key = |key| api.header("idempotency-key", key);
    with_key("corrupt").create(postgresql()).await.id();

    let catalog = format!("CATALOG#{SAMPLE_CATALOG}");
    let customizations = format!("CUSTOMIZATIONS#{SAMPLE_CATALOG}");
    let contents = stack.contents().await;
    let idempotency_key =
        contents.idempotency_records(SAMPLE_CATALOG).keys().next().unwrap().to_string();
    let number = || AttributeValue::N("7".to_owned());
    let corrupt = [
        (customizations.clone(), format!("CUSTOMIZATION#{with_corrupt_record}"), "artifact"),
        (customizations.clone(), format!("CUSTOMIZATION#{with_corrupt_record}"), "artifact"),
        (customizations.clone(), format!("CUSTOMIZATION#{with_corrupt_record}"), "artifact"),
        (customizations.clone(), format!("VERSION#{with_corrupt_version}#0000000001"), "artifact"),
        (format!("CUSTOMIZATION#{with_corrupt_build}"), "BUILD#x".to_owned(), "status"),
        (catalog, format!("APPLICATION#apache_kafka#2#{DEBIAN}#{KAFKA_ON_DEBIAN}"), "registry_id"),
        (customizations, format!("IDEMPOTENCY#{idempotency_key}"), "customization"),
        (format!("CATALOG#{OTHER_CATALOG}"), "CATALOG".to_owned(), "org_id"),
        ("PRODUCT#argo-cd".to_owned(), "PRODUCT".to_owned(), "name"),
    ];
    for (pk, sk, name) in &corrupt {
        stack.set_attribute((pk, sk), name, number()).await;
    }

    let argo = Form::upload().filter(json!({"product_key": "argo-cd"}));
    let responses = [
        api.customization(&with_corrupt_record).await,
        api.list("").await,
        api.remove(&with_corrupt_record).await,
        api.versions(&with_corrupt_version).await,
        api.customization(&with_corrupt_build).await,
        api.customization(&with_corrupt_application).await,
        with_key("corrupt").create(postgresql()).await,
        api.create_in(OTHER_CATALOG, Form::upload()).await,
        api.create(argo).await,
    ];
    for (response, (pk, sk, _)) in responses.iter().zip(&corrupt) {
        println!("{pk} {sk}");
        response.assert_problem(&Problem::INTERNAL);
        let cause = stack.logged_cause_of(response);
        assert!(cause.contains(&format!("the item {pk} {sk} is corrupt: ")), "{cause}");
    }

    let other = Token::default().organization(OTHER_ORGANIZATION);
    let of_other_tenant = stack.api_with(other).customization(&with_corrupt_record).await;
    of_other_tenant.assert_problem(&Problem::CATALOG_NOT_FOUND);
    assert_eq!(api.customization(&sound).await.status, 200);
    assert_eq!(api.customization(&with_corrupt_version).await.status, 200);
    assert_eq!(api.list("page=1&page_size=1").await.status, 200);
    api.update(&sound, Form::upload()).await.assert_no_content();
    assert_eq!(api.create(postgresql()).await.status, 201);
    assert_eq!(with_key("sound").create(postgresql()).await.status, 201);
}

#[tokio::test]
async fn values_and_attributes_of_a_later_version_are_accepted() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    let record = (&*format!("CUSTOMIZATIONS#{SAMPLE_CATALOG}"), &*format!("CUSTOMIZATION#{id}"));
    stack.set_attribute(record, "status", text("HIBERNATED")).await;
    stack.set_attribute(record, "invented_later", text("x")).await;
    let partition = format!("CUSTOMIZATION#{id}");
    let build = (&*partition, &*format!("BUILD#{KAFKA_ON_DEBIAN}"));
    stack.set_attribute(build, "application_id", text(KAFKA_ON_DEBIAN)).await;
    stack.set_attribute(build, "status", text("POSTPONED")).await;

    let response = stack.api().customization(&id).await;
    assert_eq!(response.status, 200, "{:?}", response.body);
    let body = response.json();
    assert_eq!(body["status"], "HIBERNATED");
    let releasables = body["affected_releasables"].as_array().unwrap();
    let found = releasables.iter().find(|one| one["application_id"] == KAFKA_ON_DEBIAN).unwrap();
    assert_eq!(found["status"], "POSTPONED");
}
