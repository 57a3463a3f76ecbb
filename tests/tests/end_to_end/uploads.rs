//! Direct uploads: a large file goes straight to S3, and counts only once a request names it.

use std::{io::Write, time::Duration};

use archive_builder::{BLOCK, Field, Gzip, Tarball};
use aws_sdk_s3::{presigning::PresigningConfig, types::ChecksumMode};
use fastrand::Rng;
use flate2::{Compression, write::GzEncoder};
use http::Method;
use local::{
    csp::Token,
    function::FunctionLimits,
    stores::{BUCKET, UPLOAD_BUCKET},
};
use serde_json::{Value, json};
use shared::domain::Digest;
use tests::{
    api::{Api, Problem, Response},
    form::{Form, archive},
    proxy::{Fault, RequestMatcher, Times},
    stack::{OTHER_CATALOG, OTHER_ORGANIZATION, ProxiedStack, SAMPLE_CATALOG, TestStack},
};

/// An archive of more than 4.5 MB, which no form can hold.
fn large_archive() -> Vec<u8> {
    let mut bytes = vec![0; 6_000_000];
    Rng::with_seed(1).fill(&mut bytes);
    Tarball::new().file("agent", &bytes).gzip()
}

async fn create(api: &Api, body: Value) -> Response {
    api.send_json(Method::POST, "customizations", &body).await
}

fn download_url(link: &Value) -> &str {
    link["url"].as_str().unwrap()
}

#[tokio::test]
async fn a_large_file_is_uploaded_checked_and_downloaded() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let content = large_archive();
    let sha256 = api.upload(&content).await;
    let before = stack.contents().await;
    let body = json!({
        "sha256": sha256.to_uppercase(), "filename": "agent.tar.gz", "description": "d",
        "filter": {"product_key": "apache_kafka", "branch": "2"},
    });
    let created = create(&api, body).await;
    let id = created.id();
    let customization = created.json();
    assert_eq!(customization["artifact"]["id"], sha256);
    assert_eq!(customization["artifact"]["filename"], "agent.tar.gz");
    assert_eq!(customization["name"], "agent");
    assert_eq!(customization["filter"], json!({"product_key": "apache_kafka", "branch": "2"}));
    let link = api.get(customization["artifact"]["url"].as_str().unwrap()).await.json();
    assert_eq!(api.headers(&[]).get(download_url(&link)).await.body, content);
    let after = stack.contents().await;
    assert_eq!(after.objects.len(), before.objects.len() + 1);
    after.assert_consistent();

    // The catalog has the file now, so nothing is to be uploaded.
    let known = api.start_upload(&json!({"sha256": sha256, "size": content.len()})).await;
    assert_eq!((known.status, known.json().get("upload")), (200, None));

    let new = Tarball::new().file("new", &[7; 1_000]).gzip();
    let new_sha256 = api.upload(&new).await;
    let update = json!({"sha256": new_sha256, "filename": "new.tgz", "name": "n"});
    let path = format!("customizations/{id}");
    api.send_json(Method::PATCH, &path, &update).await.assert_no_content();
    let body = api.customization(&id).await.json();
    assert_eq!((&body["version"], &body["name"]), (&json!("v2"), &json!("n")));
    assert_eq!(body["artifact"]["id"], new_sha256);
    assert_eq!(body["artifact"]["filename"], "new.tgz");
    api.send_json(Method::PATCH, &path, &json!({"description": ""})).await.assert_no_content();
    let body = api.customization(&id).await.json();
    assert_eq!((&body["version"], body.get("description")), (&json!("v2"), None));
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn s3_accepts_only_the_declared_bytes_once() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let content = archive();
    let sha256 = Digest::of(&content).to_string();
    let start = api.start_upload(&json!({"sha256": sha256, "size": content.len()})).await;
    assert_eq!(start.status, 201, "{:?}", start.body);
    let upload = start.json()["upload"].clone();
    let url = upload["url"].as_str().unwrap();
    for signed in ["content-length", "if-none-match", "x-amz-checksum-sha256"] {
        assert!(url.contains(signed), "{signed} is signed: {url}");
        assert!(upload["headers"][signed].is_string(), "{upload}");
    }
    let names: Vec<_> = upload["headers"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["content-length", "if-none-match", "x-amz-checksum-sha256"]);
    assert!(url.contains("X-Amz-Expires=900"));
    let mut wrong = content.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(api.put_upload(&upload, &wrong).await.status, 400, "wrong bytes");
    let longer = [&content[..], b"x"].concat();
    assert_eq!(api.put_upload(&upload, &longer).await.status, 403, "wrong length");
    let with = |name: &str, value: Value| {
        let mut changed = upload.clone();
        changed["headers"][name] = value;
        changed
    };
    let other_sum = with("x-amz-checksum-sha256", json!("A".repeat(43) + "="));
    assert_eq!(api.put_upload(&other_sum, &content).await.status, 403, "changed header");
    let mut without = upload.clone();
    without["headers"].as_object_mut().unwrap().remove("if-none-match");
    assert_eq!(api.put_upload(&without, &content).await.status, 403, "missing header");
    let mut other_key = upload.clone();
    other_key["url"] = json!(url.replace(SAMPLE_CATALOG, OTHER_CATALOG));
    assert_eq!(api.put_upload(&other_key, &content).await.status, 403, "another key");
    let mut expired = upload.clone();
    expired["url"] = json!(url.replace("X-Amz-Expires=900", "X-Amz-Expires=1"));
    assert_eq!(api.put_upload(&expired, &content).await.status, 403, "another lifetime");

    assert_eq!(api.put_upload(&upload, &content).await.status, 200);
    assert_eq!(api.put_upload(&upload, &content).await.status, 412, "a second upload");
    assert_eq!(create(&api, json!({"sha256": sha256})).await.status, 201);
}

#[tokio::test]
async fn nothing_of_the_clients_metadata_reaches_a_download() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let content = archive();
    let sha256 = Digest::of(&content).to_string();
    let start = api.start_upload(&json!({"sha256": sha256, "size": content.len()})).await;
    let mut upload = start.json()["upload"].clone();
    for (name, value) in [("content-type", "text/html"), ("content-encoding", "br")] {
        upload["headers"][name] = json!(value);
    }
    assert_eq!(api.put_upload(&upload, &content).await.status, 200, "both are not signed");
    let created = create(&api, json!({"sha256": sha256})).await.json();
    let link = api.get(created["artifact"]["url"].as_str().unwrap()).await.json();
    let download = api.headers(&[]).get(download_url(&link)).await;
    assert_eq!(download.body, content);
    assert_eq!(download.header("content-type"), "application/gzip");
    assert_eq!(download.header("content-encoding"), "");
    let s3 = stack.stack().stores().s3_client();
    let key = format!("{SAMPLE_CATALOG}/{sha256}");
    for bucket in [BUCKET, UPLOAD_BUCKET] {
        let object = s3.head_object().bucket(bucket).key(&key);
        let object = object.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert!(object.checksum_sha256().is_some(), "{bucket}");
    }
}

#[tokio::test]
async fn an_invalid_upload_is_refused() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let before = stack.contents().await;
    let digits = "0".repeat(64);
    let sha256 = "must be a string of 64 hexadecimal digits";
    let size = "must be a number of bytes from 1";
    let missing = [
        ("sha256", "is missing; give the SHA-256 of the file"),
        ("size", "is missing; give the size of the file in bytes"),
    ];
    for (body, violations) in [
        (json!({}), missing.to_vec()),
        (json!({"sha256": "x", "size": 0}), vec![("sha256", sha256), ("size", size)]),
        (json!({"sha256": 1, "size": "1"}), vec![("sha256", sha256), ("size", size)]),
        (json!({"sha256": digits, "size": -1}), vec![("size", size)]),
        (json!({"sha256": digits, "size": 1.5}), vec![("size", size)]),
        (
            json!({"sha256": digits, "size": 1, "key": "x"}),
            vec![("key", "is unknown; an upload has sha256 and size")],
        ),
        (json!([]), vec![("body", "must be a JSON object")]),
    ] {
        let response = api.start_upload(&body).await;
        response.assert_problem(&Problem::violations(violations));
    }
    let too_large = json!({"sha256": digits, "size": 268_435_457});
    api.start_upload(&too_large).await.assert_problem(&Problem::UPLOAD_TOO_LARGE);
    let largest = json!({"sha256": digits, "size": 268_435_456});
    assert_eq!(api.start_upload(&largest).await.status, 201);
    let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/uploads");
    let text = api.header("content-type", "text/plain").send(Method::POST, &path, Vec::new()).await;
    text.assert_problem(&Problem::UNSUPPORTED);
    let reader = stack.api_with(Token::default().permissions(["csp:org_member"]));
    reader.start_upload(&largest).await.assert_problem(&Problem::FORBIDDEN);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn an_invalid_json_form_is_refused() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let sha256 = api.upload(&archive()).await;
    let id = api.create(Form::upload()).await.id();
    let before = stack.contents().await;
    let unknown = "is unknown; the JSON form has sha256, filename, name, description and filter";
    let text = "must be a string";
    for (body, violations) in [
        (json!({}), vec![("sha256", "is missing; give the SHA-256 of the uploaded file")]),
        (json!({"sha256": "x"}), vec![("sha256", "must be 64 hexadecimal digits")]),
        (
            json!({"sha256": sha256, "filename": 1, "name": null, "description": []}),
            vec![("description", text), ("filename", text), ("name", text)],
        ),
        (json!({"sha256": sha256, "filter": "x"}), vec![("filter", "must be a JSON object")]),
        (
            json!({"sha256": sha256, "filter": {"branch": "2"}}),
            vec![("filter.branch", "needs filter.product_key: name the product of the branch")],
        ),
        (json!({"sha256": sha256, "file": "x"}), vec![("file", unknown)]),
        (json!({"sha256": sha256, "filename": ".."}), vec![("filename", "must not be . or ..")]),
        (json!("x"), vec![("body", "must be a JSON object")]),
    ] {
        create(&api, body).await.assert_problem(&Problem::violations(violations));
    }
    let nothing = "has no field; give at least one of sha256, name and description";
    for (body, violations) in [
        (json!({}), vec![("body", nothing)]),
        (
            json!({"filename": "x"}),
            vec![("filename", "needs sha256: give the SHA-256 of the uploaded file")],
        ),
        (
            json!({"name": "n", "filter": {}}),
            vec![("filter", "cannot change; create another customization for another filter")],
        ),
    ] {
        let response = api.send_json(Method::PATCH, &format!("customizations/{id}"), &body).await;
        response.assert_problem(&Problem::violations(violations));
    }
    let api_json = api.header("content-type", "application/json");
    let path = format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations");
    let twice = format!(r#"{{"sha256": "{sha256}", "name": "a", "name": "b"}}"#);
    let response = api_json.send(Method::POST, &path, twice.into_bytes()).await;
    let violation = ("name", "is given more than once; give it once");
    response.assert_problem(&Problem::violations([violation]));
    let many: Vec<_> = (0..33).map(|number| format!("\"{number}\": 0")).collect();
    let many = format!("{{{}}}", many.join(", "));
    let response = api_json.send(Method::POST, &path, many.into_bytes()).await;
    response.assert_problem(&Problem::violations([("body", "must have at most 32 members")]));
    let too_long = format!(r#"{{"sha256": "{}"}}"#, "x".repeat(70_000));
    let response = api_json.send(Method::POST, &path, too_long.into_bytes()).await;
    response.assert_problem(&Problem::violations([("body", "must be at most 65536 bytes")]));
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn conflicts_have_the_documented_order() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let before = stack.contents().await;
    let missing = "0".repeat(64);
    create(&api, json!({"sha256": missing})).await.assert_problem(&Problem::NOT_UPLOADED);
    let unreleased = json!({"product_key": "elasticsearch"});
    let body = json!({"sha256": missing, "filter": unreleased});
    create(&api, body).await.assert_problem(&Problem::NOT_UPLOADED);
    assert_eq!(stack.contents().await, before);

    // Only the same catalog has the file.
    let sha256 = api.upload(&archive()).await;
    let other = stack.api_with(Token::default().organization(OTHER_ORGANIZATION));
    let path = format!("/v1/catalogs/{OTHER_CATALOG}/customizations");
    let of_other = other.header("content-type", "application/json");
    let body = json!({"sha256": sha256}).to_string().into_bytes();
    of_other.send(Method::POST, &path, body).await.assert_problem(&Problem::NOT_UPLOADED);
    let body = json!({"sha256": sha256, "filter": unreleased});
    create(&api, body).await.assert_problem(&Problem::NOT_RELEASED);
    assert_eq!(stack.contents().await, before, "an upload counts for nothing");

    let id = api.create(Form::upload()).await.id();
    api.remove(&id).await.assert_no_content();
    let path = format!("customizations/{id}");
    let response = api.send_json(Method::PATCH, &path, &json!({"sha256": missing})).await;
    response.assert_problem(&Problem::CUSTOMIZATION_REMOVED);
}

#[tokio::test]
async fn a_hostile_archive_is_refused_with_the_same_message_as_in_a_form() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let before = stack.contents().await;
    let valid = archive();
    for hostile in [
        Tarball::new().symlink("etc", "/etc").gzip(),
        Tarball::new().file("../x", b"").gzip(),
        Tarball::new().file("a", b"").file("A", b"").gzip(),
        Gzip::new(b"no tar").bytes(),
        valid[..valid.len() - 9].to_vec(),
        [&valid[..], b"x"].concat(),
        b"no gzip".to_vec(),
    ] {
        let in_form = api.create(Form::new().file("x.tgz", &hostile)).await.json();
        let sha256 = api.upload(&hostile).await;
        let response = create(&api, json!({"sha256": sha256})).await;
        assert_eq!(response.status, 400, "{:?}", response.body);
        assert_eq!(response.json()["violations"], in_form["violations"]);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn an_idempotency_key_needs_no_upload_for_its_replay() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let sha256 = api.upload(&archive()).await;
    let keyed = api.header("idempotency-key", "k");
    let first = create(&keyed, json!({"sha256": sha256, "name": "n"})).await;
    let id = first.id();
    let s3 = stack.stack().stores().s3_client();
    let key = format!("{SAMPLE_CATALOG}/{sha256}");
    s3.head_object().bucket(UPLOAD_BUCKET).key(&key).send().await.unwrap();
    let replay = create(&keyed, json!({"sha256": sha256, "name": "n"})).await;
    assert_eq!((replay.status, &replay.body), (201, &first.body));
    let other = create(&keyed, json!({"sha256": "0".repeat(64), "name": "n"})).await;
    other.assert_problem(&Problem::KEY_REUSED);
    api.remove(&id).await.assert_no_content();
    let replay = create(&keyed, json!({"sha256": sha256, "name": "n"})).await;
    assert_eq!((replay.status, &replay.body), (201, &first.body));
}

#[tokio::test]
async fn an_upload_that_changes_between_its_read_and_its_copy_is_not_kept() {
    let ProxiedStack { stack, dynamodb: _dynamodb, s3 } =
        ProxiedStack::start(FunctionLimits::AWS).await;
    let api = stack.api();
    let sha256 = api.upload(&archive()).await;
    let before = stack.contents().await;
    let matcher = RequestMatcher { operation: "PUT", texts: Vec::new() };
    let delay = s3.inject(Fault::Delay(Duration::from_secs(1)), matcher, Times::Once);
    let request = {
        let (api, body) = (api.clone(), json!({ "sha256": sha256 }));
        tokio::spawn(async move { create(&api, body).await })
    };
    delay.wait_for_request().await;
    // Written directly: a presigned request replaces no object.
    let replace = async |bytes: Vec<u8>| {
        let client = stack.stack().stores().s3_client();
        let put = client.put_object().bucket(UPLOAD_BUCKET).body(bytes.into());
        put.key(format!("{SAMPLE_CATALOG}/{sha256}")).send().await.unwrap();
    };
    replace(Tarball::new().symlink("etc", "/etc").gzip()).await;
    request.await.unwrap().assert_problem(&Problem::UNAVAILABLE);
    // The bytes are not those of the name, so their violation says nothing about the upload.
    create(&api, json!({"sha256": sha256})).await.assert_problem(&Problem::UNAVAILABLE);
    assert_eq!(stack.contents().await, before);

    // The upload expires between the read and the copy.
    replace(archive()).await;
    let matcher = RequestMatcher { operation: "PUT", texts: Vec::new() };
    let expired = s3.inject(Fault::Fail(404, "NoSuchKey"), matcher, Times::Once);
    create(&api, json!({"sha256": sha256})).await.assert_problem(&Problem::UNAVAILABLE);
    expired.stop();
    assert_eq!(stack.contents().await, before);
    assert_eq!(create(&api, json!({"sha256": sha256})).await.status, 201);
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn concurrent_uploads_of_one_file_by_both_ways_store_it_once() {
    let stack = TestStack::start().await;
    let api = stack.api();
    let before = stack.contents().await;
    let tasks: Vec<_> = (0..8)
        .map(|client| {
            let api = api.clone();
            tokio::spawn(async move {
                if client % 4 == 0 {
                    return api.create(Form::upload()).await.id();
                }
                let sha256 = api.upload(&archive()).await;
                create(&api, json!({"sha256": sha256})).await.id()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let after = stack.contents().await;
    after.assert_consistent();
    assert_eq!(after.customizations(SAMPLE_CATALOG).len(), 8);
    assert_eq!(after.objects.len(), before.objects.len() + 1);
}

#[tokio::test]
async fn an_expired_upload_request_is_refused_by_s3() {
    let stack = TestStack::start().await;
    let client = stack.stack().stores().s3_client();
    let lifetime = PresigningConfig::expires_in(Duration::from_secs(1)).unwrap();
    let put = client.put_object().bucket(UPLOAD_BUCKET).key("c/x").presigned(lifetime);
    let upload = json!({"url": put.await.unwrap().uri(), "headers": {}});
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stack.api().put_upload(&upload, b"x").await.status, 403);
}

/// An archive of one file of zeros that unpacks to this many bytes, with its header and its end.
fn zeros(unpacked_bytes: usize) -> Vec<u8> {
    let size = format!("{:011o}", unpacked_bytes - 3 * BLOCK);
    let header = Tarball::new().file("zeros", b"").set(Field::SIZE, size.as_bytes());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&header.tar_without_end()).unwrap();
    let piece = vec![0; 1024 * 1024];
    let mut left = unpacked_bytes - BLOCK;
    while left > 0 {
        let length = left.min(piece.len());
        gzip.write_all(&piece[..length]).unwrap();
        left -= length;
    }
    gzip.finish().unwrap()
}

#[tokio::test]
async fn a_direct_upload_may_unpack_to_exactly_one_gibibyte() {
    const LIMIT: usize = 1024 * 1024 * 1024;

    let stack = TestStack::start().await;
    let api = stack.api();
    let sha256 = api.upload(&zeros(LIMIT)).await;
    assert_eq!(create(&api, json!({"sha256": sha256})).await.status, 201);
    let before = stack.contents().await;
    let sha256 = api.upload(&zeros(LIMIT + BLOCK)).await;
    let message = "the archive unpacks to more than 1073741824 bytes";
    let response = create(&api, json!({"sha256": sha256})).await;
    response.assert_problem(&Problem::violations([("file", message)]));
    assert_eq!(stack.contents().await, before);
}
