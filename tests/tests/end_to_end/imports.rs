//! What the operator's command writes: imports that are killed half-way and run again, two at once,
//! and whatever stands in its way for a moment.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Stdio, time::Duration};

use fastrand::Rng;
use serde_json::json;
use tests::{
    form::Form,
    process::command,
    proxy::{Call, Fault, Proxy, Times},
    stack::{Contents, KAFKA_ON_DEBIAN, SAMPLE_CATALOG, TestStack},
};
use tokio::process::Command;

/// The applications of a file's catalog, and of these those that share a product.
const APPLICATIONS: usize = 600;
const OF_ONE_PRODUCT: usize = 10;

/// The batches of 25 that the file takes to be written: what applications refer to, and then, after
/// the catalog, they themselves.
const BATCHES: usize = (APPLICATIONS / OF_ONE_PRODUCT + 2).div_ceil(25) + APPLICATIONS.div_ceil(25);

/// How often an import is killed before one comes to its end.
const KILLS: usize = 4;

/// A file of a large catalog.
fn file(stack: &TestStack) -> PathBuf {
    let applications: Vec<_> = (0..APPLICATIONS)
        .map(|index| {
            json!({
                "application_id": format!("application-{index}"),
                "product_key": format!("product-{}", index / OF_ONE_PRODUCT),
                "branch": "1", "base_image_id": "image", "registry_id": "registry",
            })
        })
        .collect();
    let products: Vec<_> = (0..APPLICATIONS / OF_ONE_PRODUCT)
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

/// The operator's command, with these arguments, on the stack, by way of `proxy`.
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

/// The command that imports the file.
async fn import(stack: &TestStack, proxy: &Proxy) -> Command {
    admin(stack, proxy, &["import", file(stack).to_str().unwrap()]).await
}

async fn stack_and_proxy() -> (TestStack, Proxy) {
    let stack = TestStack::start().await;
    let proxy = Proxy::start(stack.stack().stores().dynamodb_endpoint()).await;
    (stack, proxy)
}

/// What the table holds after an import that nothing happens to.
async fn expected() -> Contents {
    let (stack, proxy) = stack_and_proxy().await;
    assert!(import(&stack, &proxy).await.status().await.unwrap().success());
    let batches =
        proxy.take_operations().iter().filter(|operation| *operation == "BatchWriteItem").count();
    assert_eq!(batches, BATCHES);
    stack.contents().await
}

/// Asserts that whatever an application refers to is there.
fn assert_nothing_dangles(contents: &Contents) {
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
async fn an_import_that_is_killed_half_way_is_finished_by_the_next() {
    let (stack, proxy) = stack_and_proxy().await;
    let untouched = stack.contents().await.items.len();
    let expected = expected().await;
    let mut rng = Rng::with_seed(7);
    for _ in 0..KILLS {
        let enough = rng.usize(1..BATCHES);
        let mut process = import(&stack, &proxy).await.spawn().unwrap();
        let mut written = 0;
        while written < enough {
            written +=
                proxy.take_operations().iter().filter(|one| *one == "BatchWriteItem").count();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.kill().await.unwrap();
        proxy.take_operations();
        let contents = stack.contents().await;
        assert!(contents.items.len() > untouched, "something was written");
        assert_nothing_dangles(&contents);
    }
    assert!(import(&stack, &proxy).await.status().await.unwrap().success());
    assert_eq!(stack.contents().await, expected);
}

#[tokio::test]
async fn two_imports_at_once_are_as_one() {
    let (stack, proxy) = stack_and_proxy().await;
    let mut first = import(&stack, &proxy).await.spawn().unwrap();
    let mut second = import(&stack, &proxy).await.spawn().unwrap();
    assert!(first.wait().await.unwrap().success());
    assert!(second.wait().await.unwrap().success());
    assert_eq!(stack.contents().await, expected().await);
}

#[tokio::test]
async fn of_two_imports_at_once_only_one_gets_a_new_catalog() {
    let (stack, proxy) = stack_and_proxy().await;
    // Neither has written the catalog when the other looks for it.
    let call = Call { operation: "PutItem", texts: Vec::new() };
    proxy.inject(Fault::Delay(Duration::from_secs(3)), call, Times::Always);
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
        assert!(message.ends_with("; it cannot be given away\n"), "{message}");
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let contents = stack.contents().await;
    let catalog = &contents.items[&("CATALOG#new".to_owned(), "CATALOG".to_owned())];
    assert_eq!(catalog["org_id"].as_s().unwrap(), winners[0]);
}

#[tokio::test]
async fn what_stands_in_a_write_s_way_for_a_moment_is_waited_for() {
    const CONFLICT: Fault = Fault::Fail(400, "TransactionConflictException");
    const THROTTLED: Fault = Fault::Fail(400, "ProvisionedThroughputExceededException");
    let (stack, proxy) = stack_and_proxy().await;
    let id = stack.api().create(Form::upload()).await.id();
    let of = ["--catalog", SAMPLE_CATALOG, "--customization", &id];
    let build = ["record-build", "--application", KAFKA_ON_DEBIAN, "--status", "SUCCEEDED"];
    let status = ["set-status", "--status", "DELETED"];
    let file = file(&stack);
    let import = ["import", file.to_str().unwrap()];
    let cancelled = Fault::Cancel(&["TransactionConflict", "None"]);
    for (arguments, operation, faults) in [
        (import.to_vec(), "BatchWriteItem", [Fault::Unprocessed, CONFLICT, THROTTLED]),
        (import.to_vec(), "TransactWriteItems", [CONFLICT, THROTTLED, Fault::LoseResponse]),
        ([&build[..], &of].concat(), "TransactWriteItems", [cancelled, CONFLICT, THROTTLED]),
        ([&status[..], &of].concat(), "TransactWriteItems", [CONFLICT, THROTTLED, Fault::Reset]),
    ] {
        for fault in faults {
            println!("{operation}: {fault:?}");
            let call = Call { operation, texts: Vec::new() };
            let injected = proxy.inject(fault, call, Times::Once);
            let status = admin(&stack, &proxy, &arguments).await.status().await.unwrap();
            assert!(status.success());
            assert_eq!(injected.times(), 1);
            injected.stop();
        }
    }
    let contents = stack.contents().await;
    let expected = expected().await;
    assert!(expected.items.iter().all(|(key, item)| contents.items.get(key) == Some(item)));
    let body = stack.api().customization(&id).await.json();
    assert_eq!(body["status"], "DELETED");
    let releasables = body["affected_releasables"].as_array().unwrap();
    let found = releasables.iter().find(|one| one["application_id"] == KAFKA_ON_DEBIAN).unwrap();
    assert_eq!(found["status"], "SUCCEEDED");
}
