//! Tenant isolation: another organization's data and missing data have equal responses and cause
//! equal requests to the stores.

use std::collections::BTreeSet;

use archive_builder::Tarball;
use local::{csp::Token, function::FunctionLimits};
use serde_json::{Value, json};
use shared::routes::Operation;
use tests::{
    api::{Api, Problem, Response},
    form::Form,
    stack::{
        MISSING_CUSTOMIZATION, OTHER_CATALOG, OTHER_ORGANIZATION, ProxiedStack, SAMPLE_CATALOG,
        TestStack,
    },
};

/// A catalog that no organization has.
const MISSING_CATALOG: &str = "00000000-0000-4000-8000-000000000000";

/// A kind of request to a resource of a catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestKind {
    Create,
    CreateWithFilter,
    CreateWithKey,
    CreateWithoutFile,
    Update,
    UpdateWithKey,
    UpdateWithoutField,
    Remove,
    StartUpload,
    StartInvalidUpload,
    List,
    ListWithUnknownParameter,
    Get,
    ListVersions,
    GetFile,
    GetFileWithoutName,
}

impl RequestKind {
    /// The requests to a catalog as a whole.
    const OF_CATALOG: [Self; 8] = [
        Self::Create,
        Self::CreateWithFilter,
        Self::CreateWithKey,
        Self::CreateWithoutFile,
        Self::StartUpload,
        Self::StartInvalidUpload,
        Self::List,
        Self::ListWithUnknownParameter,
    ];
    /// The requests to one customization.
    const OF_CUSTOMIZATION: [Self; 6] = [
        Self::Update,
        Self::UpdateWithKey,
        Self::UpdateWithoutField,
        Self::Remove,
        Self::Get,
        Self::ListVersions,
    ];
    const GET_FILES: [Self; 2] = [Self::GetFile, Self::GetFileWithoutName];

    const fn operation(self) -> Operation {
        match self {
            Self::Create
            | Self::CreateWithFilter
            | Self::CreateWithKey
            | Self::CreateWithoutFile => Operation::CreateCustomization,
            Self::Update | Self::UpdateWithKey | Self::UpdateWithoutField => {
                Operation::UpdateCustomization
            }
            Self::Remove => Operation::RemoveCustomization,
            Self::StartUpload | Self::StartInvalidUpload => Operation::StartUpload,
            Self::List | Self::ListWithUnknownParameter => Operation::ListCustomizations,
            Self::Get => Operation::GetCustomization,
            Self::ListVersions => Operation::ListVersions,
            Self::GetFile | Self::GetFileWithoutName => Operation::GetFile,
        }
    }

    /// Sends a request to the resource `id` of `catalog`. A request to the catalog as a whole
    /// ignores `id`.
    async fn send(self, api: &Api, catalog: &str, id: &str) -> Response {
        let filter = json!({"product_key": "apache_kafka", "branch": "2"});
        match self {
            Self::Create => api.create_in(catalog, Form::upload()).await,
            Self::CreateWithFilter => api.create_in(catalog, Form::upload().filter(filter)).await,
            Self::CreateWithKey => {
                let api = api.header("idempotency-key", "k");
                api.create_in(catalog, Form::upload().filter(filter)).await
            }
            Self::CreateWithoutFile => api.create_in(catalog, Form::new().filter(filter)).await,
            Self::Update => api.update_in(catalog, id, Form::upload()).await,
            Self::UpdateWithKey => {
                let api = api.header("idempotency-key", "k");
                api.update_in(catalog, id, Form::upload()).await
            }
            Self::UpdateWithoutField => api.update_in(catalog, id, Form::new()).await,
            Self::Remove => api.remove_in(catalog, id).await,
            Self::StartUpload | Self::StartInvalidUpload => {
                let size = u8::from(self == Self::StartUpload);
                let body = json!({"sha256": "0".repeat(64), "size": size}).to_string();
                let api = api.header("content-type", "application/json");
                let path = format!("/v1/catalogs/{catalog}/uploads");
                api.send(http::Method::POST, &path, body.into_bytes()).await
            }
            Self::List => api.get(&format!("/v1/catalogs/{catalog}/customizations")).await,
            Self::ListWithUnknownParameter => {
                api.get(&format!("/v1/catalogs/{catalog}/customizations?color=red")).await
            }
            Self::Get => api.get(&format!("/v1/catalogs/{catalog}/customizations/{id}")).await,
            Self::ListVersions => {
                api.get(&format!("/v1/catalogs/{catalog}/customizations/{id}/versions")).await
            }
            Self::GetFile => {
                api.get(&format!("/v1/catalogs/{catalog}/files/{id}?filename=x")).await
            }
            Self::GetFileWithoutName => {
                api.get(&format!("/v1/catalogs/{catalog}/files/{id}")).await
            }
        }
    }
}

/// Status, headers and body of a response, without its date and request identifier.
fn comparable(response: &Response) -> (u16, Vec<(String, String)>, Value) {
    let id = response.header("x-amzn-requestid");
    let headers = response.headers.iter().filter(|(name, _)| *name != "date");
    let text = |value: &http::HeaderValue| value.to_str().unwrap().replace(id, "");
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = String::from_utf8(response.body.to_vec()).unwrap().replace(id, "");
    (response.status, headers, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn a_resource_of_another_organization_is_indistinguishable_from_a_missing_one() {
    let ProxiedStack { stack, dynamodb, s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let created = stack.api().create(Form::upload()).await.json();
    let id = created["id"].as_str().unwrap();
    let digest = created["artifact"]["id"].as_str().unwrap();
    let other_tenant = stack.api_with(Token::default().organization(OTHER_ORGANIZATION));
    // Caches the base images and products of filters, so that the cache does not cause differences.
    // The file differs from the one that the cases below request.
    let other = Tarball::new().file("other", b"").gzip();
    let filter = json!({"product_key": "apache_kafka", "branch": "2"});
    let form = Form::new().file("other.tgz", &other).filter(filter);
    assert_eq!(other_tenant.create_in(OTHER_CATALOG, form).await.status, 201);
    let before = stack.contents().await;

    let missing_digest = "0".repeat(64);
    let mut cases = Vec::new();
    for kind in RequestKind::OF_CATALOG {
        cases.push((kind, (SAMPLE_CATALOG, ""), (MISSING_CATALOG, ""), Problem::CATALOG_NOT_FOUND));
    }
    for kind in RequestKind::OF_CUSTOMIZATION {
        for (foreign, missing) in [
            ((SAMPLE_CATALOG, id), (MISSING_CATALOG, id)),
            ((SAMPLE_CATALOG, id), (MISSING_CATALOG, MISSING_CUSTOMIZATION)),
            ((SAMPLE_CATALOG, MISSING_CUSTOMIZATION), (MISSING_CATALOG, MISSING_CUSTOMIZATION)),
            ((SAMPLE_CATALOG, "x"), (MISSING_CATALOG, "x")),
        ] {
            cases.push((kind, foreign, missing, Problem::CATALOG_NOT_FOUND));
        }
        let (foreign, missing) = ((OTHER_CATALOG, id), (OTHER_CATALOG, MISSING_CUSTOMIZATION));
        cases.push((kind, foreign, missing, Problem::CUSTOMIZATION_NOT_FOUND));
    }
    for kind in RequestKind::GET_FILES {
        let (foreign, missing) = ((SAMPLE_CATALOG, digest), (MISSING_CATALOG, digest));
        cases.push((kind, foreign, missing, Problem::CATALOG_NOT_FOUND));
        let (foreign, missing) = ((SAMPLE_CATALOG, "x"), (MISSING_CATALOG, &*missing_digest));
        cases.push((kind, foreign, missing, Problem::CATALOG_NOT_FOUND));
    }
    let (foreign, missing) = ((OTHER_CATALOG, digest), (OTHER_CATALOG, &*missing_digest));
    cases.push((RequestKind::GetFile, foreign, missing, Problem::FILE_NOT_FOUND));

    let covered: BTreeSet<_> = cases.iter().map(|(kind, ..)| kind.operation()).collect();
    assert_eq!(covered, Operation::ALL.iter().copied().collect(), "every operation has a case");
    // Discards the operations until now.
    drop((dynamodb.take_operations(), s3.take_operations()));
    for (kind, foreign, missing, problem) in cases {
        println!("{kind:?} {foreign:?}");
        let observe = async |(catalog, id): (&str, &str)| {
            let response = kind.send(&other_tenant, catalog, id).await;
            response.assert_problem(&problem);
            (comparable(&response), dynamodb.take_operations(), s3.take_operations())
        };
        let (foreign_catalog, _) = foreign;
        let foreign = observe(foreign).await;
        assert_eq!(foreign, observe(missing).await);
        let (_, dynamodb_operations, s3_operations) = foreign;
        assert_eq!(
            dynamodb_operations,
            ["BatchGetItem"],
            "nothing more is read before the ownership check"
        );
        let asks_for_file = kind == RequestKind::GetFile && foreign_catalog == OTHER_CATALOG;
        let expected: &[&str] = if asks_for_file { &["HEAD"] } else { &[] };
        assert_eq!(s3_operations, expected);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn each_organization_has_access_to_its_own_catalogs_only() {
    let stack = TestStack::start().await;
    let owner = stack.api_with(Token::default().organization(OTHER_ORGANIZATION));
    let created = owner.create_in(OTHER_CATALOG, Form::upload()).await;
    let location = created.header("location").to_owned();
    assert_eq!(owner.get(&location).await.status, 200);
    stack.api().get(&location).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
}
