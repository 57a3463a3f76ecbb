//! Requests that the service must refuse, each with its problem document.

use cli::{api::model::Filter, archive_file::MAX_FORM_BYTES};
use reqwest::{Method, header::HeaderValue};
use uuid::Uuid;

use super::journey::Created;
use crate::{
    READ_TOKEN, SmokeTest,
    client::Request,
    expect::{self, Failure},
    problem::Problem,
    sample::Archive,
};

/// Checks that the service refuses a request with this problem.
async fn refuse(
    test: &SmokeTest,
    name: &str,
    request: Result<Request, Failure>,
    problem: &Problem,
) {
    let check = async { problem.expect(&test.client.send(&request?).await?) };
    test.report.check(name, check).await;
}

fn list(test: &SmokeTest) -> Result<Request, Failure> {
    test.client.request(Method::GET, &["customizations"])
}

fn create(test: &SmokeTest, archive: &Archive, purpose: &str) -> Result<Request, Failure> {
    let request = test.client.request(Method::POST, &["customizations"])?;
    request.form(archive, &test.sample.fields(purpose))
}

/// Sends requests without a valid token, and without the permission.
pub(super) async fn authentication(test: &SmokeTest) {
    let invalid = HeaderValue::from_static("Bearer no-token");
    let unsigned = changed_signature(test.client.token());
    for (name, request) in [
        ("refuse a request without a token (401)", list(test).map(Request::without_token)),
        ("refuse an invalid token (401)", list(test).map(|request| request.token(invalid))),
        (
            "refuse a token with another signature (401)",
            list(test).map(|request| request.token(unsigned)),
        ),
        (
            "refuse a create without a token (401)",
            create(test, &test.sample.archive(1), "no token").map(Request::without_token),
        ),
    ] {
        refuse(test, name, request, &Problem::UNAUTHENTICATED).await;
    }
    let Some(token) = &test.read_token else {
        let reason = format!("{READ_TOKEN} is not set");
        test.report.skip("refuse a create without the permission (403)", &reason);
        return;
    };
    let read = async {
        let request = list(test)?.token(token.clone());
        expect::status(&test.client.send(&request).await?, 200)
    };
    test.report.check("list with only the permission to read", read).await;
    let request = create(test, &test.sample.archive(1), "no permission");
    let request = request.map(|request| request.token(token.clone()));
    refuse(test, "refuse a create without the permission (403)", request, &Problem::FORBIDDEN)
        .await;
}

/// Returns the token with its signature reversed.
fn changed_signature(token: &HeaderValue) -> HeaderValue {
    let changed = token.to_str().ok().and_then(|token| token.rsplit_once('.'));
    let changed = changed.map(|(signed, signature)| {
        format!("{signed}.{}", signature.chars().rev().collect::<String>())
    });
    let changed = changed.and_then(|token| HeaderValue::from_str(&token).ok());
    let mut changed = changed.unwrap_or(HeaderValue::from_static("Bearer no-token"));
    changed.set_sensitive(true);
    changed
}

/// Requests objects and routes that do not exist.
pub(super) async fn missing_objects(test: &SmokeTest) {
    let client = &test.client;
    let random = Uuid::new_v4().to_string();
    // The SHA-256 of an archive that nobody has uploaded.
    let digest = test.sample.archive(0).sha256();
    for (name, request, problem) in [
        (
            "refuse a catalog that does not exist (404)",
            client.request_to(Method::GET, &["v1", "catalogs", &random, "customizations"]),
            Problem::CATALOG_NOT_FOUND,
        ),
        (
            "refuse a customization that does not exist (404)",
            client.request(Method::GET, &["customizations", &random]),
            Problem::CUSTOMIZATION_NOT_FOUND,
        ),
        (
            "refuse a file that does not exist (404)",
            client
                .request(Method::GET, &["files", &digest])
                .map(|request| request.query(&[("filename", "smoke-test.tar.gz")])),
            Problem::FILE_NOT_FOUND,
        ),
        (
            "refuse a route that does not exist (404)",
            client.request_to(Method::GET, &["v1", "no-such-route"]),
            Problem::NOT_FOUND,
        ),
    ] {
        refuse(test, name, request, &problem).await;
    }
}

/// Sends invalid forms.
pub(super) async fn invalid_forms(test: &SmokeTest) {
    let post = test.client.request(Method::POST, &["customizations"]);
    let request = post.map(|request| request.text("smoke test"));
    refuse(test, "refuse a body of text (415)", request, &Problem::UNSUPPORTED).await;
    let no_gzip = Archive::new("smoke-test.tar.gz", &b"no gzip"[..]);
    let request = create(test, &no_gzip, "no gzip");
    refuse(test, "refuse a file that is not gzip (400)", request, &Problem::NO_ARCHIVE).await;
    let request = create(test, &test.sample.hostile_archive(), "hostile archive");
    refuse(test, "refuse an archive with ../x (400)", request, &Problem::PATH_TRAVERSAL).await;
    let mut fields = test.sample.fields("unknown product");
    let product_key = Some(format!("no-such-product-{}", Uuid::new_v4().simple()));
    fields.filter = Some(Filter { product_key, ..Filter::default() });
    let request = test.client.request(Method::POST, &["customizations"]);
    let request = request.and_then(|request| request.form(&test.sample.archive(1), &fields));
    refuse(test, "refuse an unknown product (400)", request, &Problem::NO_PRODUCT).await;
}

/// Sends a form with a file that is one byte too large.
pub(super) async fn too_large_files(test: &SmokeTest) {
    let size = usize::try_from(MAX_FORM_BYTES).unwrap_or_default() + 1;
    let request = create(test, &Archive::new("smoke-test.tar.gz", vec![0; size]), "too large");
    let name = "refuse a form with a file of 4,500,001 bytes (413)";
    refuse(test, name, request, &Problem::FORM_TOO_LARGE).await;
}

/// Sends the request that created a customization again, and another one with its key.
pub(super) async fn idempotency_keys(test: &SmokeTest, created: &Created) {
    let replay = async {
        let response = test.client.send(&created.request).await?;
        expect::status(&response, 201)?;
        expect::that(response.body == created.body, "the body is that of the first response")
    };
    test.report
        .check("repeat the create with its idempotency key, for the same response", replay)
        .await;
    let other = created.request.clone().form(&test.sample.archive(2), &test.sample.fields("form"));
    let name = "refuse its idempotency key for another request (422)";
    refuse(test, name, other, &Problem::KEY_REUSED).await;
}
