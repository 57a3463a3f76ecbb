//! Every row of the contract's tables: each refusal with its exact body, and nothing stored.

use archive_builder::{Gzip, Tarball};
use http::Method;
use serde_json::json;
use tests::{
    api::Problem,
    form::Form,
    stack::{NOBODYS_CUSTOMIZATION, SAMPLE_CATALOG, TestStack},
};

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for catalog in ["nobodys", "a%23b", "a%2Fb", &"a".repeat(129)] {
        println!("{catalog}");
        let posted = api.post(catalog, "text/plain", Vec::new()).await;
        posted.assert_problem(&Problem::CATALOG_NOT_FOUND);
        let path = format!("/v1/catalogs/{catalog}/customizations/x");
        api.get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
        let path = format!("/v1/catalogs/{catalog}/files/x");
        api.get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    }
    for id in ["x", NOBODYS_CUSTOMIZATION, "%23"] {
        api.customization(id).await.assert_problem(&Problem::CUSTOMIZATION_NOT_FOUND);
    }
    for digest in ["x", &"0".repeat(64), &"A".repeat(64)] {
        let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}?filename=x");
        api.get(&path).await.assert_problem(&Problem::FILE_NOT_FOUND);
    }
    for (method, path) in [
        (Method::GET, "/v1"),
        (Method::POST, "/"),
        (Method::GET, "/v1/catalogs"),
        (Method::DELETE, "/v1/catalogs/a/customizations/b"),
        (Method::GET, "/v1/catalogs/a/customizations"),
    ] {
        api.send(method, path, Vec::new()).await.assert_problem(&Problem::NOT_FOUND);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_download_needs_a_file_name() {
    let stack = TestStack::start().await;
    let created = stack.api().create(Form::upload()).await.json();
    let digest = created["artifact"]["id"].as_str().unwrap();
    for (query, message) in [
        ("", "is missing; say what to call the download"),
        ("?filename=", "is missing; say what to call the download"),
        ("?filename=a%0D%0Ab", "must not hold control characters or marks of writing direction"),
        ("?filename=..", "must name a file"),
    ] {
        let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}{query}");
        stack.api().get(&path).await.assert_problem(&Problem::violations([("filename", message)]));
    }
}

/// An archive of exactly this many bytes: noise, which does not compress, and a comment in the
/// gzip header that fills up what is missing.
fn archive_of(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    });
    let noise: Vec<u8> = noise.by_ref().take(bytes).collect();
    let tar = |length| Tarball::new().file("noise", &noise[..length]).tar();
    let overhead = Gzip::new(&tar(bytes)).bytes().len() - bytes;
    let tar = tar(bytes - overhead - 1_000);
    let missing = bytes - Gzip::new(&tar).bytes().len();
    let archive = Gzip::new(&tar).comment(&vec![b'x'; missing - 1]).bytes();
    assert_eq!(archive.len(), bytes);
    archive
}

#[tokio::test]
async fn a_file_may_have_4_500_000_bytes_and_no_more() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let largest = api.create(Form::new().file("a.tgz", &archive_of(4_500_000))).await;
    assert_eq!(largest.status, 201, "{:?}", largest.body);
    let before = stack.contents().await;
    let too_large = api.create(Form::new().file("a.tgz", &vec![0; 4_500_001])).await;
    too_large.assert_problem(&Problem::TOO_LARGE);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_hostile_archive_is_refused_and_not_stored() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let hostile = Tarball::new().file("../../etc/passwd", b"root::0:0:::\n").gzip();
    let answer = stack.api().create(Form::new().file("a.tgz", &hostile)).await;
    let message = "entry `../../etc/passwd` has `..` in its path";
    answer.assert_problem(&Problem::violations([("file", message)]));
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_filter_must_match_something_released() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for filter in [
        json!({"product_key": "elasticsearch"}),
        json!({"product_key": "elasticsearch", "branch": "8"}),
        json!({"product_key": "apache_kafka", "branch": "4"}),
        json!({"product_key": "postgresql", "base_image_id": "cc6c7f4d-b38a-405b-a1ca-3ac0a79418c1"}),
    ] {
        let answer = api.create(Form::upload().filter(filter)).await;
        answer.assert_problem(&Problem::NOT_RELEASED);
    }
    assert_eq!(stack.contents().await, before);
}
