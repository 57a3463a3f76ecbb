//! A customization's life: push, list, get, update, versions, download, remove.

use ::cli::output::bytes;
use serde_json::json;
use shared::domain::Digest;
use tests::{
    cli::{Cli, read},
    stack::{DEBIAN, MISSING_CUSTOMIZATION, SAMPLE_CATALOG, TestStack},
};

use super::large_file;

/// The rows of a table, as their cells.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(cells).collect()
}

/// The cells of a row, which are separated by two spaces or more.
fn cells(row: &str) -> Vec<&str> {
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// Pushes a folder for one application, and returns its identifier.
async fn push(stack: &TestStack, cli: &Cli) -> String {
    cli.write("certs/ca.pem", "certificate\n");
    let push = [
        "push",
        "certs",
        "--name",
        "my certificates",
        "--description",
        "for Kafka",
        "--product",
        "apache_kafka",
        "--branch",
        "2",
        "--base-image",
        DEBIAN,
    ];
    let output = cli.run(&push).await;
    let (created, url) = output.assert_success().stdout.split_once('\n').unwrap();
    let id = created.strip_prefix("created ").unwrap().strip_suffix(" (v1)").unwrap();
    let base = stack.base_url();
    assert_eq!(url, format!("{base}/v1/catalogs/{SAMPLE_CATALOG}/customizations/{id}\n"));
    assert!(output.stderr.starts_with("packed 1 file (12 B) into "), "{output:?}");
    assert!(output.stderr.contains("\nuploading certs.tar.gz ("), "{output:?}");
    id.to_owned()
}

#[tokio::test]
async fn a_pushed_folder_is_listed_and_shown() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let id = push(&stack, &cli).await;
    let body = stack.api().customization(&id).await.json();
    let filter = json!({"product_key": "apache_kafka", "branch": "2", "base_image_id": DEBIAN});
    for (name, value) in filter.as_object().unwrap() {
        assert_eq!(&body["filter"][name], value);
    }
    assert_eq!(
        (&body["name"], &body["description"]),
        (&json!("my certificates"), &json!("for Kafka"))
    );

    let table = cli.run(&["list"]).await.assert_success().stdout.clone();
    let at = body["created_at"].as_str().unwrap();
    let selected = format!("product apache_kafka, branch 2, base image {DEBIAN}");
    let row = vec![&id, "my certificates", "v1", "CREATED", &selected, at, "johndoe"];
    let headings = vec!["ID", "NAME", "VERSION", "STATUS", "APPLIES TO", "CREATED", "BY"];
    assert_eq!(rows(&table), [headings, row]);
    let listed = cli.run(&["list", "--json"]).await.json();
    assert_eq!(listed, stack.api().list("").await.json()["items"]);

    let shown = cli.run(&["get", &id]).await.assert_success().stdout.clone();
    let created = format!("{at} by johndoe");
    assert_eq!(
        rows(&shown),
        [
            vec!["id", &id],
            vec!["name", "my certificates"],
            vec!["description", "for Kafka"],
            vec!["version", "v1"],
            vec!["applies to", "product apache_kafka, branch 2, base image Debian 11"],
            vec!["file", "certs.tar.gz"],
            vec!["sha256", body["artifact"]["id"].as_str().unwrap()],
            vec!["created", &created],
            vec!["status", "CREATED"],
            vec![],
            vec!["APPLICATION", "BASE IMAGE", "RELEASE", "BUILD", "FAILURE"],
            vec!["Apache Kafka 2", "Debian 11", "2.8.2-5", "PENDING"],
        ]
    );
    assert_eq!(cli.run(&["get", &id, "--json"]).await.json(), body);
}

#[tokio::test]
async fn a_customization_is_updated_downloaded_and_removed() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let id = &*push(&stack, &cli).await;
    let first = stack.api().customization(id).await.json()["artifact"]["id"].clone();

    cli.write("certs/ca.pem", "another certificate\n");
    let output = cli.run(&["update", id, "certs", "--description", ""]).await;
    let updated = &output.assert_success().stdout;
    assert!(updated.starts_with(&format!("updated {id} (v2)\nhttp://")), "{output:?}");
    let output = cli.run(&["update", id, "--name", "certificates", "-q"]).await;
    assert_eq!((output.assert_success().stdout.as_str(), output.stderr.as_str()), ("v2\n", ""));
    let body = stack.api().customization(id).await.json();
    assert_eq!((&body["name"], body.get("description")), (&json!("certificates"), None));

    let versions = cli.run(&["versions", id]).await.assert_success().stdout.clone();
    let versions = rows(&versions);
    assert_eq!(versions[0], ["VERSION", "FILE", "UPLOADED", "BY", "SHA256"]);
    assert_eq!((versions[1][0], versions[2][0]), ("v2", "v1"));
    assert_eq!(json!(versions[2][4]), first);
    assert_eq!(cli.run(&["versions", id, "--json"]).await.json()[1]["version"], "v1");

    let output = cli.run(&["download", id]).await;
    assert_eq!(output.assert_success().stdout, "certs.tar.gz\n");
    let content = read(&cli.path("certs.tar.gz"));
    let size = bytes(content.len() as u64);
    assert_eq!(output.stderr, format!("downloaded {size}, SHA-256 verified\n"));
    assert_eq!(json!(Digest::of(&content).to_string()), body["artifact"]["id"]);
    let exists = "error: certs.tar.gz exists; replace it with --force\n";
    cli.run(&["download", id]).await.assert_failure(2, exists);
    let old = cli.run(&["download", id, "--version", "v1", "-o", "v1.tgz", "--json"]).await.json();
    let old_content = read(&cli.path("v1.tgz"));
    assert_eq!(old, json!({"file": "v1.tgz", "sha256": first, "size": old_content.len()}));
    assert_eq!(json!(Digest::of(&old_content).to_string()), first);
    let to_pipe = cli.command(&["download", id, "-o", "-"]).await.output().await.unwrap();
    assert_eq!(to_pipe.stdout, content);
    let missing = format!("error: customization {id} has no version v3\n");
    cli.run(&["download", id, "--version", "v3"]).await.assert_failure(3, &missing);

    let output = cli.run(&["remove", id]).await;
    assert_eq!(output.assert_success().stdout, format!("removed {id}\n"));
    let output = cli.run(&["list"]).await;
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", "no customizations\n"));
    assert_eq!(cli.run(&["list", "--removed", "--quiet"]).await.stdout, format!("{id}\n"));
    assert!(cli.run(&["get", id]).await.stdout.contains("DELETED"));
}

#[tokio::test]
async fn a_large_folder_is_uploaded_directly() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    cli.write("agent/agent", large_file());
    let output = cli.run(&["push", "agent", "--json"]).await;
    let created = output.json();
    assert!(output.stderr.ends_with("uploading agent.tar.gz (5.72 MiB) directly to S3\n"));
    assert_eq!((&created["name"], &created["global"]), (&json!("agent"), &json!(true)));
    let id = created["id"].as_str().unwrap();
    cli.run(&["download", id]).await.assert_success();
    // The same bytes are in the catalog already.
    let again = cli.run(&["push", "agent.tar.gz", "--json"]).await.json();
    assert_eq!(again["artifact"]["id"], created["artifact"]["id"]);
    let updated = cli.run(&["update", id, "agent", "--json"]).await.json();
    assert_eq!(updated["version"], "v2");
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn a_file_name_of_any_script_survives() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    cli.write("certs/x", "x").run(&["pack", "certs", "-o", "übung \"日本\" %41.tgz"]).await;
    let created = cli.run(&["push", "übung \"日本\" %41.tgz", "--json"]).await.json();
    assert_eq!(created["artifact"]["filename"], "übung \"日本\" %41.tgz");
    let output = cli.run(&["download", created["id"].as_str().unwrap(), "-f"]).await;
    assert_eq!(output.assert_success().stdout, "übung \"日本\" %41.tgz\n");
}

#[tokio::test]
async fn a_list_follows_pages_up_to_its_limit() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    cli.write("certs/x", "x");
    let output = cli.run(&["push", "certs", "-q"]).await;
    assert_eq!(output.assert_success().stderr, "");
    let id = output.stdout.trim_end().to_owned();
    let mut ids = stack.copy_customization(&id, 119).await;
    ids.reverse();
    let mut expected: Vec<String> = ids.iter().map(ToString::to_string).collect();
    expected.push(id);

    let ids = async |arguments: &[&str]| -> Vec<String> {
        let output = cli.run(&[&["list", "-q"], arguments].concat()).await;
        output.assert_success().stdout.lines().map(str::to_owned).collect()
    };
    assert_eq!(ids(&["--limit", "1000"]).await, expected);
    assert_eq!(ids(&["--limit", "101"]).await, expected[..101]);
    assert_eq!(ids(&["--limit", "100"]).await, expected[..100]);
    assert_eq!(ids(&["--limit", "1"]).await, expected[..1]);
    assert_eq!(ids(&[]).await, expected[..50]);
    assert_eq!(ids(&["--product", "apache_kafka"]).await, Vec::<String>::new());
    assert_eq!(ids(&["--global", "false"]).await, Vec::<String>::new());
    assert_eq!(ids(&["--global", "true", "--limit", "2"]).await, expected[..2]);
    let output = cli.run(&["list"]).await;
    assert_eq!(output.stderr, "50 of 120 customizations; --limit 120 shows all\n");
}

#[tokio::test]
async fn errors_of_the_service_are_readable_and_have_their_exit_codes() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    cli.write("certs/x", "x");
    let before = stack.contents().await;
    let push = ["push", "certs", "-q"];
    for (arguments, code, text) in [
        (
            &["--product", "none", "--name", ""][..],
            1,
            "error: Validation error: There was an error validating the request.\n  \
             name: must have 1 to 128 characters\n  \
             filter.product_key: there is no such product\nrequest id: ",
        ),
        (
            &["--product", "elasticsearch"],
            1,
            "error: Application not released: No application that matches the filter has been \
             released yet.\nrequest id: ",
        ),
        (
            &["--catalog", "none"],
            3,
            "error: Catalog not found: The catalog is not found.\nrequest id: ",
        ),
        (
            &["--catalog", "none/../x"],
            3,
            "error: Catalog not found: The catalog is not found.\nrequest id: ",
        ),
    ] {
        let output = cli.run(&[&push, arguments].concat()).await;
        assert_eq!((output.code, output.stdout.as_str()), (Some(code), ""), "{output:?}");
        let id = output.stderr.strip_prefix(text).unwrap_or_else(|| panic!("{output:?}"));
        assert_eq!(id.len(), 37, "{id}");
    }
    let branch = "error: --branch needs --product: name the product of the branch\n";
    cli.run(&["push", "certs", "--branch", "2"]).await.assert_failure(2, branch);
    for command in ["get", "versions", "remove", "download"] {
        let output = cli.run(&[command, MISSING_CUSTOMIZATION]).await;
        assert_eq!((output.code, output.stdout.as_str()), (Some(3), ""), "{output:?}");
    }
    let hostile = cli.write("x.tgz", "x").run(&["push", "x.tgz"]).await;
    let message = "error: x.tgz: the archive is not in gzip format; send a tar.gz\n";
    hostile.assert_failure(1, message);
    assert_eq!(stack.contents().await, before);
}
