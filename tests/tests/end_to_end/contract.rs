//! Errors of the contract: the exact body of each, and that nothing is stored.

use archive_builder::{Gzip, Tarball};
use http::Method;
use serde_json::json;
use tests::{
    api::Problem,
    form::Form,
    stack::{MISSING_CUSTOMIZATION, SAMPLE_CATALOG, TestStack},
};

#[tokio::test]
async fn a_missing_resource_or_route_is_not_found() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for catalog in ["missing", "a%23b", "a%2Fb", &"a".repeat(129)] {
        println!("{catalog}");
        let posted = api.post(catalog, "text/plain", Vec::new()).await;
        posted.assert_problem(&Problem::CATALOG_NOT_FOUND);
        let path = format!("/v1/catalogs/{catalog}/customizations/x");
        api.get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
        let path = format!("/v1/catalogs/{catalog}/files/x");
        api.get(&path).await.assert_problem(&Problem::CATALOG_NOT_FOUND);
    }
    for id in ["x", MISSING_CUSTOMIZATION, "%23"] {
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
        (Method::PUT, "/v1/catalogs/a/customizations/b"),
        (Method::DELETE, "/v1/catalogs/a/customizations"),
        (Method::POST, "/v1/catalogs/a/customizations/b/versions"),
    ] {
        api.send(method, path, Vec::new()).await.assert_problem(&Problem::NOT_FOUND);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_download_link_without_a_valid_file_name_is_refused() {
    let stack = TestStack::start().await;
    let created = stack.api().create(Form::upload()).await.json();
    let digest = created["artifact"]["id"].as_str().unwrap();
    for (query, message) in [
        ("", "is missing; say what to call the download"),
        ("?filename=", "is missing; say what to call the download"),
        ("?filename=a%0D%0Ab", "must not hold control or bidirectional formatting characters"),
        ("?filename=..", "must not be . or .."),
    ] {
        let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/files/{digest}{query}");
        stack.api().get(&path).await.assert_problem(&Problem::violations([("filename", message)]));
    }
}

/// An archive of exactly this many bytes.
///
/// Its file is random, so that it does not compress; the file name in the gzip header pads it.
fn archive_of(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    });
    let noise: Vec<u8> = noise.by_ref().take(bytes).collect();
    let tar = |length| Tarball::new().file("noise", &noise[..length]).tar();
    let gzip_bytes = |length| Gzip::new(&tar(length)).bytes().len();
    // The name takes 1 to 255 bytes and a NUL.
    let mut length = bytes;
    let name_bytes = loop {
        let unnamed_bytes = gzip_bytes(length);
        match bytes.checked_sub(unnamed_bytes + 1) {
            Some(missing @ 1..=255) => break missing,
            _ => length = length + bytes - unnamed_bytes - 128,
        }
    };
    let archive = Gzip::new(&tar(length)).name(&vec![b'x'; name_bytes]).bytes();
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
async fn a_path_traversal_in_an_archive_is_refused() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let path_traversal = Tarball::new().file("../../etc/passwd", b"root::0:0:::\n").gzip();
    let response = stack.api().create(Form::new().file("a.tgz", &path_traversal)).await;
    let message = "entry `../../etc/passwd` has `..` in its path";
    response.assert_problem(&Problem::violations([("file", message)]));
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_filter_without_a_released_application_is_refused() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for filter in [
        json!({"product_key": "elasticsearch"}),
        json!({"product_key": "elasticsearch", "branch": "8"}),
        json!({"product_key": "apache_kafka", "branch": "4"}),
        json!({"product_key": "postgresql", "base_image_id": "cc6c7f4d-b38a-405b-a1ca-3ac0a79418c1"}),
    ] {
        let response = api.create(Form::upload().filter(filter)).await;
        response.assert_problem(&Problem::NOT_RELEASED);
    }
    assert_eq!(stack.contents().await, before);
}
