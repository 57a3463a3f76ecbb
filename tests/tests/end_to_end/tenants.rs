//! Another organization's data does not exist: its answers are those for what does not, and the
//! stores are asked the same on the way to them.

use std::collections::BTreeSet;

use archive_builder::Tarball;
use local::{csp::Token, function::FunctionLimits};
use serde_json::{Value, json};
use shared::routes::Operation;
use tests::{
    api::{Answer, Api, Problem},
    form::Form,
    stack::{
        NOBODYS_CUSTOMIZATION, OTHER_CATALOG, OTHER_ORGANIZATION, ProxiedStack, SAMPLE_CATALOG,
        TestStack,
    },
};

const NOBODYS_CATALOG: &str = "00000000-0000-4000-8000-000000000000";

/// A request, with a catalog and something in it left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Create,
    CreateFiltered,
    CreateKeyed,
    CreateBroken,
    Customization,
    File,
    FileUnnamed,
}

impl Route {
    const CREATES: [Self; 4] =
        [Self::Create, Self::CreateFiltered, Self::CreateKeyed, Self::CreateBroken];
    const FILES: [Self; 2] = [Self::File, Self::FileUnnamed];

    const fn operation(self) -> Operation {
        match self {
            Self::Create | Self::CreateFiltered | Self::CreateKeyed | Self::CreateBroken => {
                Operation::CreateCustomization
            }
            Self::Customization => Operation::GetCustomization,
            Self::File | Self::FileUnnamed => Operation::GetFile,
        }
    }

    /// Requests the resource `id` of `catalog`.
    async fn ask(self, api: &Api, catalog: &str, id: &str) -> Answer {
        let filter = json!({"product_key": "apache_kafka", "branch": "2"});
        match self {
            Self::Create => api.create_in(catalog, Form::upload()).await,
            Self::CreateFiltered => api.create_in(catalog, Form::upload().filter(filter)).await,
            Self::CreateKeyed => {
                let api = api.header("idempotency-key", "k");
                api.create_in(catalog, Form::upload().filter(filter)).await
            }
            Self::CreateBroken => api.create_in(catalog, Form::new().filter(filter)).await,
            Self::Customization => {
                api.get(&format!("/v1/catalogs/{catalog}/customizations/{id}")).await
            }
            Self::File => api.get(&format!("/v1/catalogs/{catalog}/files/{id}?filename=x")).await,
            Self::FileUnnamed => api.get(&format!("/v1/catalogs/{catalog}/files/{id}")).await,
        }
    }
}

/// All of an answer that can tell one request from another, but for what names the request.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let id = answer.header("x-amzn-requestid");
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let text = |value: &http::HeaderValue| value.to_str().unwrap().replace(id, "");
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = String::from_utf8(answer.body.to_vec()).unwrap().replace(id, "");
    (answer.status, headers, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn what_is_anothers_is_answered_as_what_does_not_exist() {
    let ProxiedStack { stack, dynamodb, s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let created = stack.api().create(Form::upload()).await.json();
    let id = created["id"].as_str().unwrap();
    let digest = created["artifact"]["id"].as_str().unwrap();
    let stranger = stack.api_with(Token::default().organization(OTHER_ORGANIZATION));
    // What filters name is cached for all afterwards; the bytes are none that are asked for below.
    let other = Tarball::new().file("other", b"").gzip();
    let filter = json!({"product_key": "apache_kafka", "branch": "2"});
    let form = Form::new().file("other.tgz", &other).filter(filter);
    assert_eq!(stranger.create_in(OTHER_CATALOG, form).await.status, 201);
    let before = stack.contents().await;

    let nobodys_digest = "0".repeat(64);
    let mut cases = Vec::new();
    for route in Route::CREATES {
        cases.push((
            route,
            (SAMPLE_CATALOG, ""),
            (NOBODYS_CATALOG, ""),
            Problem::CATALOG_NOT_FOUND,
        ));
    }
    for (theirs, nobodys) in [
        ((SAMPLE_CATALOG, id), (NOBODYS_CATALOG, id)),
        ((SAMPLE_CATALOG, id), (NOBODYS_CATALOG, NOBODYS_CUSTOMIZATION)),
        ((SAMPLE_CATALOG, NOBODYS_CUSTOMIZATION), (NOBODYS_CATALOG, NOBODYS_CUSTOMIZATION)),
        ((SAMPLE_CATALOG, "x"), (NOBODYS_CATALOG, "x")),
    ] {
        cases.push((Route::Customization, theirs, nobodys, Problem::CATALOG_NOT_FOUND));
    }
    let (theirs, nobodys) = ((OTHER_CATALOG, id), (OTHER_CATALOG, NOBODYS_CUSTOMIZATION));
    cases.push((Route::Customization, theirs, nobodys, Problem::CUSTOMIZATION_NOT_FOUND));
    for route in Route::FILES {
        let (theirs, nobodys) = ((SAMPLE_CATALOG, digest), (NOBODYS_CATALOG, digest));
        cases.push((route, theirs, nobodys, Problem::CATALOG_NOT_FOUND));
        let (theirs, nobodys) = ((SAMPLE_CATALOG, "x"), (NOBODYS_CATALOG, &*nobodys_digest));
        cases.push((route, theirs, nobodys, Problem::CATALOG_NOT_FOUND));
    }
    let (theirs, nobodys) = ((OTHER_CATALOG, digest), (OTHER_CATALOG, &*nobodys_digest));
    cases.push((Route::File, theirs, nobodys, Problem::FILE_NOT_FOUND));

    let covered: BTreeSet<_> = cases.iter().map(|(route, ..)| route.operation()).collect();
    assert_eq!(covered, Operation::ALL.iter().copied().collect(), "every operation has a case");
    // What was asked for until now.
    drop((dynamodb.take_operations(), s3.take_operations()));
    for (route, theirs, nobodys, problem) in cases {
        println!("{route:?} {theirs:?}");
        let asked = async |(catalog, id): (&str, &str)| {
            let answer = route.ask(&stranger, catalog, id).await;
            answer.assert_problem(&problem);
            (comparable(&answer), dynamodb.take_operations(), s3.take_operations())
        };
        let theirs = asked(theirs).await;
        assert_eq!(theirs, asked(nobodys).await);
        let (_, dynamodb_calls, s3_calls) = theirs;
        assert_eq!(dynamodb_calls, ["BatchGetItem"], "nothing is read before ownership is known");
        assert!(s3_calls.is_empty() || route == Route::File, "{s3_calls:?}");
    }
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
