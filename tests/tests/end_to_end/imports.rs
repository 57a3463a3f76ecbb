//! The operator's command `admin`: imports that are killed, concurrent imports, and retries of
//! temporary faults.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Stdio, time::Duration};

use fastrand::Rng;
use serde_json::json;
use tests::{
    form::Form,
    process::command,
    proxy::{Fault, Proxy, RequestMatcher, Times},
    stack::{Contents, KAFKA_ON_DEBIAN, SAMPLE_CATALOG, TestStack},
};
use tokio::process::Command;

/// The number of applications in the imported catalog.
const APPLICATIONS: usize = 600;
const APPLICATIONS_PER_PRODUCT: usize = 10;

/// The number of batches of 25 records that the import writes: products, base image and registry
/// first, then the catalog on its own, then its applications.
const BATCHES: usize =
    (APPLICATIONS / APPLICATIONS_PER_PRODUCT + 2).div_ceil(25) + APPLICATIONS.div_ceil(25);

/// The number of killed imports before the one that completes.
const KILLS: usize = 4;

/// Writes the import file of a large catalog.
fn write_import_file(stack: &TestStack) -> PathBuf {
    let applications: Vec<_> = (0..APPLICATIONS)
        .map(|index| {
            json!({
                "application_id": format!("application-{index}"),
                "product_key": format!("product-{}", index / APPLICATIONS_PER_PRODUCT),
                "branch": "1", "base_image_id": "image", "registry_id": "registry",
            })
        })
        .collect();
    let products: Vec<_> = (0..APPLICATIONS / APPLICATIONS_PER_PRODUCT)
        .map(|index| json!({"key": format!("product-{index}"), "name": "x"}))
        .collect();
    let file = json!({
        "base_images": [{"id": "image", "name": "x"}],
        "products": products,
        "registries": [{"id": "registry", "name": "x", "url": "https://registry.example.com"}],
        "catalogs": [{"id": "large", "org_id": "o", "applications": applications}],
    });
    let path = stack.directory().join("catalogs.json");
    fs::write(&path, file.to_string()).unwrap();
    path
}

/// The command `admin` with these arguments. It reaches the stack's table through `proxy`.
async fn admin(stack: &TestStack, proxy: &Proxy, arguments: &[&str]) -> Command {
    let mut admin = command("admin").await;
    admin
        .args(arguments)
        .env_clear()
        .envs(stack.stack().environment().iter())
        .env("AWS_ENDPOINT_URL_DYNAMODB", proxy.url())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    admin
}

/// The command that imports the large catalog.
async fn import(stack: &TestStack, proxy: &Proxy) -> Command {
    admin(stack, proxy, &["import", write_import_file(stack).to_str().unwrap()]).await
}

async fn stack_and_proxy() -> (TestStack, Proxy) {
    let stack = TestStack::start().await;
    let proxy = Proxy::start(stack.stack().stores().dynamodb_endpoint()).await;
    (stack, proxy)
}

/// The number of batches written since the last call.
fn take_batches(proxy: &Proxy) -> usize {
    proxy.take_operations().iter().filter(|operation| *operation == "BatchWriteItem").count()
}

/// The content of the stores after an undisturbed import.
async fn contents_after_import() -> Contents {
    let (stack, proxy) = stack_and_proxy().await;
    assert!(import(&stack, &proxy).await.status().await.unwrap().success());
    assert_eq!(take_batches(&proxy), BATCHES);
    stack.contents().await
}

/// Asserts that the catalog, product, base image and registry of each application exist.
fn assert_no_dangling_references(contents: &Contents) {
    let keys: BTreeSet<_> = contents.items.keys().map(|(pk, sk)| (&**pk, &**sk)).collect();
    for ((pk, sk), item) in &contents.items {
        if sk.starts_with("APPLICATION#") {
            assert!(keys.contains(&(&**pk, "CATALOG")), "{pk}");
            for (name, kind) in [
                ("product_key", "PRODUCT"),
                ("base_image_id", "BASE_IMAGE"),
                ("registry_id", "REGISTRY"),
            ] {
                let reference = format!("{kind}#{}", item[name].as_s().unwrap());
                assert!(keys.contains(&(&*reference, kind)), "{reference}");
            }
        }
    }
}

#[tokio::test]
async fn a_killed_import_is_completed_by_the_next() {
    let (stack, proxy) = stack_and_proxy().await;
    let items_before = stack.contents().await.items.len();
    let expected = contents_after_import().await;
    let mut rng = Rng::with_seed(7);
    for _ in 0..KILLS {
        let kill_after = rng.usize(1..BATCHES);
        let mut process = import(&stack, &proxy).await.spawn().unwrap();
        let mut written = 0;
        while written < kill_after {
            written += take_batches(&proxy);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.kill().await.unwrap();
        proxy.take_operations();
        let contents = stack.contents().await;
        assert!(contents.items.len() > items_before, "the killed import has written records");
        assert_no_dangling_references(&contents);
    }
    assert!(import(&stack, &proxy).await.status().await.unwrap().success());
    assert_eq!(stack.contents().await, expected);
}

#[tokio::test]
async fn concurrent_imports_of_one_file_have_the_result_of_one() {
    let (stack, proxy) = stack_and_proxy().await;
    let mut first = import(&stack, &proxy).await.spawn().unwrap();
    let mut second = import(&stack, &proxy).await.spawn().unwrap();
    assert!(first.wait().await.unwrap().success());
    assert!(second.wait().await.unwrap().success());
    assert_eq!(stack.contents().await, contents_after_import().await);
}

#[tokio::test]
async fn only_one_of_two_concurrent_imports_gets_a_new_catalog() {
    let (stack, proxy) = stack_and_proxy().await;
    // Delays the write of the catalog until both imports have looked for it.
    let matcher =
        RequestMatcher { operation: "TransactWriteItems", texts: vec!["CATALOG#new".to_owned()] };
    let delay = proxy.inject(Fault::Delay(Duration::from_secs(3)), matcher, Times::Always);
    let mut imports = Vec::new();
    for organization in ["a", "b"] {
        let file = stack.directory().join(format!("{organization}.json"));
        let catalogs = json!({"catalogs": [{"id": "new", "org_id": organization}]});
        fs::write(&file, catalogs.to_string()).unwrap();
        let mut import = admin(&stack, &proxy, &["import", file.to_str().unwrap()]).await;
        imports.push((organization, import.stderr(Stdio::piped()).spawn().unwrap()));
    }
    let mut winners = Vec::new();
    for (organization, import) in imports {
        let output = import.wait_with_output().await.unwrap();
        if output.status.success() {
            winners.push(organization);
            continue;
        }
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.ends_with("; its owner cannot change\n"), "{message}");
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert!(delay.count() >= 2, "both imports have tried to write the catalog");
    let contents = stack.contents().await;
    let catalog = &contents.items[&("CATALOG#new".to_owned(), "CATALOG".to_owned())];
    assert_eq!(catalog["org_id"].as_s().unwrap(), winners[0]);
}

#[tokio::test]
async fn a_write_is_retried_after_a_temporary_fault() {
    const CONFLICT: Fault = Fault::Fail(400, "TransactionConflictException");
    const THROTTLED: Fault = Fault::Fail(400, "ProvisionedThroughputExceededException");
    let (stack, proxy) = stack_and_proxy().await;
    let id = stack.api().create(Form::upload()).await.id();
    let target = ["--catalog", SAMPLE_CATALOG, "--customization", &id];
    let build = ["record-build", "--application", KAFKA_ON_DEBIAN, "--status", "SUCCEEDED"];
    let status = ["set-status", "--status", "DELETED"];
    let file = write_import_file(&stack);
    let import = ["import", file.to_str().unwrap()];
    let cancelled = Fault::Cancel(&["TransactionConflict", "None"]);
    for (arguments, operation, faults) in [
        (import.to_vec(), "BatchWriteItem", [Fault::Unprocessed, CONFLICT, THROTTLED]),
        (import.to_vec(), "TransactWriteItems", [CONFLICT, THROTTLED, Fault::LoseResponse]),
        ([&build[..], &target].concat(), "TransactWriteItems", [cancelled, CONFLICT, THROTTLED]),
        (
            [&status[..], &target].concat(),
            "TransactWriteItems",
            [CONFLICT, THROTTLED, Fault::Reset],
        ),
    ] {
        for fault in faults {
            println!("{operation}: {fault:?}");
            let matcher = RequestMatcher { operation, texts: Vec::new() };
            let injected = proxy.inject(fault, matcher, Times::Once);
            let status = admin(&stack, &proxy, &arguments).await.status().await.unwrap();
            assert!(status.success());
            assert_eq!(injected.count(), 1);
            injected.stop();
        }
    }
    let contents = stack.contents().await;
    let expected = contents_after_import().await;
    assert!(expected.items.iter().all(|(key, item)| contents.items.get(key) == Some(item)));
    let body = stack.api().customization(&id).await.json();
    assert_eq!(body["status"], "DELETED");
    let releasables = body["affected_releasables"].as_array().unwrap();
    let found = releasables.iter().find(|one| one["application_id"] == KAFKA_ON_DEBIAN).unwrap();
    assert_eq!(found["status"], "SUCCEEDED");
}
