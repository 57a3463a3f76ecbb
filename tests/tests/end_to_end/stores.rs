//! The embedded S3 and DynamoDB: they refuse web pages and serve the AWS CLI.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{ChecksumMode, EncodingType};
use http::{HeaderName, Method};
use local::stores::{BUCKET, TABLE, UPLOAD_BUCKET};
use tests::{
    api::Response,
    form::{Form, archive},
    stack::{SAMPLE_CATALOG, TestStack},
};

/// The origin of a malicious web page in the developer's browser.
const ATTACKER: &str = "https://attacker.example";

/// Asserts that the request of a web page is refused and that the page cannot read the response.
#[track_caller]
fn assert_refused(response: &Response) {
    assert_eq!(response.status, 403);
    let body = "this server refuses requests from web pages, which have an Origin header\n";
    assert_eq!(response.body, body);
    assert_no_cors(response);
}

#[track_caller]
fn assert_no_cors(response: &Response) {
    let mut names = response.headers.keys().map(HeaderName::as_str);
    assert!(!names.any(|name| name.starts_with("access-control-")), "{:?}", response.headers);
}

#[tokio::test]
async fn a_request_of_a_web_page_is_refused() {
    let stack = TestStack::start().await;
    let stores = stack.stack().stores();
    let (dynamodb, s3) = (stores.dynamodb_client(), stores.s3_client());
    stack.api().create(Form::upload()).await.id();
    let before = stack.contents().await;
    let key = before.objects.keys().next().unwrap();

    // The requests are signed: the credentials of both stores are public.
    macro_rules! assert_refused {
        ($request:expr) => {{
            let request = $request.customize();
            let request = request.mutate_request(|request| {
                request.headers_mut().insert("origin", ATTACKER);
            });
            let error = request.send().await.unwrap_err();
            let response = error.raw_response().expect("the store responds");
            assert_eq!(response.status().as_u16(), 403);
            let cors = response.headers().iter().find(|(name, _)| name.starts_with("access-"));
            assert_eq!(cors, None);
        }};
    }
    let text = |text: &str| AttributeValue::S(text.to_owned());
    assert_refused!(dynamodb.scan().table_name(TABLE));
    let put = dynamodb.put_item().table_name(TABLE);
    assert_refused!(put.item("PK", text("x")).item("SK", text("x")));
    assert_refused!(s3.list_objects_v2().bucket(BUCKET));
    assert_refused!(s3.get_object().bucket(BUCKET).key(key));
    assert_refused!(s3.put_object().bucket(BUCKET).key("x").body(b"x".to_vec().into()));
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_cors_preflight_is_refused() {
    let stack = TestStack::start().await;
    let stores = stack.stack().stores();
    let preflight = stack.api().headers(&[
        ("origin", ATTACKER),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-amz-target"),
    ]);
    for endpoint in [stores.dynamodb_endpoint(), stores.s3_endpoint()] {
        for path in ["/", "/customizations/key"] {
            let url = format!("{endpoint}{path}");
            assert_refused(&preflight.send(Method::OPTIONS, &url, Vec::new()).await);
            assert_refused(&preflight.send(Method::POST, &url, Vec::new()).await);
            assert_refused(&preflight.get(&url).await);
            let response = stack.api().headers(&[]).send(Method::OPTIONS, &url, Vec::new()).await;
            assert_no_cors(&response);
        }
    }
}

/// DNS rebinding: a web page resolves a host name of its own to 127.0.0.1.
#[tokio::test]
async fn a_request_for_a_foreign_host_is_refused() {
    let stack = TestStack::start().await;
    let stores = stack.stack().stores();
    for endpoint in [stores.dynamodb_endpoint(), stores.s3_endpoint()] {
        let api = stack.api().headers(&[("host", "attacker.example")]);
        assert_eq!(api.get(&endpoint).await.status, 421);
    }
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let stack = TestStack::start().await;
    let stores = stack.stack().stores();
    let api = stack.api().headers(&[
        ("x-amz-target", "DynamoDB_20120810.ListTables"),
        ("content-type", "application/x-amz-json-1.0"),
    ]);
    let response = api.send(Method::POST, &stores.dynamodb_endpoint(), b"{}".to_vec()).await;
    assert_eq!(response.status, 400);
    let error = response.json()["__type"].as_str().unwrap().to_owned();
    assert!(error.ends_with("#MissingAuthenticationTokenException"), "{error}");
    let url = format!("{}/{BUCKET}", stores.s3_endpoint());
    assert_eq!(api.get(&url).await.status, 403);
}

#[tokio::test]
async fn dynamodb_refuses_unknown_operations_unknown_tables_and_invalid_values() {
    let stack = TestStack::start().await;
    let dynamodb = stack.dynamodb();
    let error = dynamodb.delete_table().table_name(TABLE).send().await.unwrap_err();
    assert_eq!(error.into_service_error().meta().code(), Some("UnknownOperationException"));
    let error = dynamodb.scan().table_name("other").send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_not_found_exception());
    let put = dynamodb.put_item().table_name(TABLE).item("PK", AttributeValue::Null(false));
    let error = put.send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"));
    let message = "One or more parameter values were invalid: Null attribute value types must have the \
                   value of true";
    assert_eq!(error.meta().message(), Some(message));
}

/// Stores an object under each key.
async fn put_objects(s3: &aws_sdk_s3::Client, keys: &[&str]) {
    for &key in keys {
        let body = key.as_bytes().to_vec().into();
        s3.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
    }
}

/// Lists the bucket in pages of one entry. Returns all keys and all common prefixes.
async fn list_in_pages_of_one(
    s3: &aws_sdk_s3::Client,
    delimiter: Option<&str>,
) -> (Vec<String>, Vec<String>) {
    let request = s3.list_objects_v2().bucket(BUCKET).set_delimiter(delimiter.map(Into::into));
    let mut pages = request.max_keys(1).into_paginator().send();
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert_eq!(page.key_count(), Some(1));
        keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        prefixes.extend(page.common_prefixes().iter().map(|one| one.prefix().unwrap().to_owned()));
    }
    (keys, prefixes)
}

#[tokio::test]
async fn aws_s3_ls_lists_the_objects() {
    let stack = TestStack::start().await;
    let s3 = stack.stack().stores().s3_client();
    put_objects(&s3, &["a/1", "a/2", "b", "c d/\u{fc}+1&<.txt", "c d/x/y", "e/"]).await;

    // aws s3 ls
    let buckets = s3.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, [UPLOAD_BUCKET, BUCKET]);
    assert!(buckets.buckets()[0].creation_date().is_some());

    for (prefix, start_after, keys, prefixes) in [
        // aws s3 ls s3://BUCKET
        ("", "", &["b"][..], &["a/", "c%20d/", "e/"][..]),
        // aws s3 ls s3://BUCKET/PREFIX
        ("a/", "", &["a/1", "a/2"], &[]),
        ("c d/", "", &["c%20d/%C3%BC%2B1%26%3C.txt"], &["c%20d/x/"]),
        ("c", "", &[], &["c%20d/"]),
        ("e/", "", &["e/"], &[]),
        ("nothing", "", &[], &[]),
        ("", "a/1", &["b"], &["a/", "c%20d/", "e/"]),
        ("", "b", &[], &["c%20d/", "e/"]),
    ] {
        let request = s3.list_objects_v2().bucket(BUCKET).prefix(prefix).delimiter("/");
        let request = request.start_after(start_after).encoding_type(EncodingType::Url);
        let page = request.send().await.unwrap();
        let found: Vec<_> = page.contents().iter().map(|object| object.key().unwrap()).collect();
        assert_eq!(found, keys, "{prefix} {start_after}");
        let found: Vec<_> =
            page.common_prefixes().iter().map(|one| one.prefix().unwrap()).collect();
        assert_eq!(found, prefixes, "{prefix} {start_after}");
        assert_eq!(page.is_truncated(), Some(false));
        let count = i32::try_from(keys.len() + prefixes.len()).unwrap();
        assert_eq!((page.key_count(), page.max_keys()), (Some(count), Some(1000)));
        assert!(page.contents().iter().all(|object| object.last_modified().is_some()));
    }

    // aws s3 ls --recursive, page by page
    let all = ["a/1", "a/2", "b", "c d/x/y", "c d/\u{fc}+1&<.txt", "e/"];
    let none = Vec::<String>::new();
    assert_eq!(list_in_pages_of_one(&s3, None).await, (all.map(str::to_owned).to_vec(), none));
    let (keys, prefixes) = list_in_pages_of_one(&s3, Some("/")).await;
    assert_eq!(
        (keys, prefixes),
        (vec!["b".into()], ["a/", "c d/", "e/"].map(str::to_owned).into())
    );
}

#[tokio::test]
async fn a_missing_bucket_is_not_found() {
    let stack = TestStack::start().await;
    let s3 = stack.stack().stores().s3_client();
    s3.head_bucket().bucket(BUCKET).send().await.unwrap();
    let error = s3.head_bucket().bucket("other").send().await.unwrap_err();
    assert!(error.into_service_error().is_not_found());
    let error = s3.list_objects_v2().bucket("other").send().await.unwrap_err();
    assert!(error.into_service_error().is_no_such_bucket());
}

#[tokio::test]
async fn aws_s3_cp_reads_a_file() {
    let stack = TestStack::start().await;
    let digest = stack.api().create(Form::upload()).await.json()["artifact"]["id"].clone();
    let key = format!("{SAMPLE_CATALOG}/{}", digest.as_str().unwrap());
    let s3 = stack.stack().stores().s3_client();
    let (archive, length) = (archive(), i64::try_from(archive().len()).unwrap());

    let head = s3.head_object().bucket(BUCKET).key(&key).checksum_mode(ChecksumMode::Enabled);
    let head = head.send().await.unwrap();
    assert_eq!(head.content_length(), Some(length));
    assert_eq!(head.content_type(), Some("application/gzip"));
    assert!(head.last_modified().is_some());
    let e_tag = head.e_tag().unwrap();

    // The SDK verifies the checksum, like the AWS CLI.
    let get = || s3.get_object().bucket(BUCKET).key(&key).checksum_mode(ChecksumMode::Enabled);
    let whole = get().send().await.unwrap();
    assert_eq!(whole.checksum_sha256(), head.checksum_sha256());
    assert_eq!(whole.content_length(), Some(length));
    assert_eq!(whole.body.collect().await.unwrap().to_vec(), archive);

    let part = get().range("bytes=1-4").if_match(e_tag).send().await.unwrap();
    assert_eq!(part.content_range(), Some(&*format!("bytes 1-4/{length}")));
    assert_eq!(part.checksum_sha256(), None);
    assert_eq!(part.body.collect().await.unwrap().to_vec(), archive[1..5]);
    let tail = get().range("bytes=-3").send().await.unwrap();
    assert_eq!(tail.body.collect().await.unwrap().to_vec(), archive[archive.len() - 3..]);

    let status =
        |error: &aws_sdk_s3::error::SdkError<_>| error.raw_response().unwrap().status().as_u16();
    let beyond = get().range(format!("bytes={length}-")).send().await.unwrap_err();
    assert_eq!(status(&beyond), 416);
    let other = get().if_match("\"other\"").send().await.unwrap_err();
    assert_eq!(status(&other), 412);
    let missing = s3.get_object().bucket(BUCKET).key("nothing").send().await.unwrap_err();
    assert!(missing.into_service_error().is_no_such_key());
    let missing = s3.head_object().bucket(BUCKET).key("nothing").send().await.unwrap_err();
    assert!(missing.into_service_error().is_not_found());
}

#[tokio::test]
async fn aws_dynamodb_reads_the_table() {
    let stack = TestStack::start().await;
    let dynamodb = stack.dynamodb();
    let all: BTreeSet<_> = stack.contents().await.items.into_keys().collect();
    let text = |text: &str| AttributeValue::S(text.to_owned());

    // aws dynamodb list-tables, describe-table
    let tables = dynamodb.list_tables().send().await.unwrap();
    assert_eq!(tables.table_names(), [TABLE]);
    let table = dynamodb.describe_table().table_name(TABLE).send().await.unwrap();
    assert_eq!(table.table().unwrap().item_count(), i64::try_from(all.len()).ok());

    // aws dynamodb scan --page-size 3
    let mut pages = dynamodb.scan().table_name(TABLE).limit(3).into_paginator().send();
    let mut scanned = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.items().len() <= 3);
        scanned.extend(page.items().iter().map(|item| {
            let text = |name: &str| item[name].as_s().unwrap().clone();
            (text("PK"), text("SK"))
        }));
    }
    assert_eq!(scanned.len(), all.len(), "no duplicates");
    assert_eq!(scanned.into_iter().collect::<BTreeSet<_>>(), all);

    // aws dynamodb query, get-item
    let query = dynamodb.query().table_name(TABLE);
    let query = query.key_condition_expression("PK = :pk AND begins_with(SK, :sk)");
    let query =
        query.expression_attribute_values(":pk", text(&format!("CATALOG#{SAMPLE_CATALOG}")));
    let query = query.expression_attribute_values(":sk", text("APPLICATION#apache_kafka#"));
    assert_eq!(query.send().await.unwrap().count(), 3);
    let get = dynamodb.get_item().table_name(TABLE);
    let get = get.key("PK", text("PRODUCT#apache_kafka")).key("SK", text("PRODUCT"));
    assert_eq!(get.send().await.unwrap().item().unwrap()["name"], text("Apache Kafka"));
}
