//! Another organization's data does not exist: its answers are those for what does not.

use local::csp::Token;
use tests::{
    api::Problem,
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack},
};

const OTHER_ORGANIZATION: &str = "5e0f1b7a-9c1d-4f0e-8a55-7d1c3b2a4f60";
const OTHER_CATALOG: &str = "351c1739-ca01-4a74-8124-1b99257cd7c9";

#[tokio::test]
async fn a_second_organization_sees_nothing_of_the_first() {
    let stack = TestStack::start().await;
    let created = stack.api().create(Form::upload()).await.json();
    let (id, digest) =
        (created["id"].as_str().unwrap(), created["artifact"]["id"].as_str().unwrap());
    let before = stack.contents().await;
    let stranger = stack.api_with(Token::default().organization(OTHER_ORGANIZATION));

    for path in [
        format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations/{id}"),
        format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations/none"),
        format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}?filename=x"),
        format!("/v1/catalogs/{SAMPLE_CATALOG}/files/none?filename=x"),
    ] {
        stranger.get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    }
    let upload = stranger.create(Form::upload()).await;
    upload.assert_problem(&Problem::CATALOG_NOT_FOUND);

    // Nor by way of the stranger's own catalog.
    let path = format!("/v1/catalogs/{OTHER_CATALOG}/customizations/{id}");
    stranger.get(&path).await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
    let path = format!("/v1/catalogs/{OTHER_CATALOG}/files/{digest}?filename=x");
    stranger.get(&path).await.assert_problem(&Problem::FILE_NOT_FOUND);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_second_organization_has_catalogs_of_its_own() {
    let stack = TestStack::start().await;
    let owner = stack.api_with(Token::default().organization(OTHER_ORGANIZATION));
    let created = owner.create_in(OTHER_CATALOG, Form::upload()).await;
    let location = created.header("location").to_owned();
    assert_eq!(owner.get(&location).await.status, 200);
    stack.api().get(&location).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
}
