//! `--wait`: the builds of a customization.

use std::time::Duration;

use admin::pipeline::{self, BuildReport};
use serde_json::Value;
use shared::domain::{BuildStatus, CustomizationStatus, Failure};
use tests::{
    cli::{Cli, CliOutput},
    form::Form,
    stack::{TestStack, target},
};
use tokio::time::sleep;

/// Records the result of an application's build.
async fn record(stack: &TestStack, id: &str, application: &str, status: BuildStatus) {
    let failure = (status == BuildStatus::FAILED).then(|| Failure {
        description: "the image\u{1b} is broken".to_owned(),
        source_url: Some("https://ci.example.com/1".to_owned()),
        error_date: None,
        cause: None,
    });
    let report = BuildReport { application_id: application.parse().unwrap(), status, failure };
    pipeline::record_build(&stack.table(), &target(id), report).await.unwrap();
}

/// The applications that the customization affects: those that are released, and the others.
async fn applications(stack: &TestStack, id: &str) -> (Vec<String>, Vec<String>) {
    let body = stack.api().customization(id).await.json();
    let applications = body["affected_releasables"].as_array().unwrap().clone();
    let (released, others): (Vec<Value>, Vec<Value>) =
        applications.into_iter().partition(|one| one.get("latest_release").is_some());
    let ids = |all: Vec<Value>| -> Vec<String> {
        all.iter().map(|one| one["application_id"].as_str().unwrap().to_owned()).collect()
    };
    (ids(released), ids(others))
}

/// Waits for the builds of a new global customization, which `report` reports meanwhile. Returns
/// its identifier and the output.
async fn wait(
    stack: &TestStack,
    cli: &Cli,
    options: &[&str],
    report: impl AsyncFnOnce(&str, &[String]),
) -> (String, CliOutput) {
    let id = stack.api().create(Form::upload()).await.id();
    let (released, others) = applications(stack, &id).await;
    assert!(released.len() > 1 && !others.is_empty(), "the sample has both");
    let arguments = [&["get", &id, "--wait", "--interval", "100ms"], options].concat();
    let reports = async {
        sleep(Duration::from_millis(300)).await;
        report(&id, &released).await;
    };
    let (output, ()) = tokio::join!(cli.run(&arguments), reports);
    (id, output)
}

#[tokio::test]
async fn waiting_ends_when_all_released_applications_are_built() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let report = async |id: &str, released: &[String]| {
        for application in released {
            record(&stack, id, application, BuildStatus::SUCCEEDED).await;
        }
    };
    let (id, output) = wait(&stack, &cli, &[], report).await;
    output.assert_success();
    // Each end is reported once. The builds of other applications are not waited for.
    let (released, others) = applications(&stack, &id).await;
    assert_eq!(output.stderr.lines().count(), released.len(), "{output:?}");
    assert!(output.stderr.contains("Apache Kafka 2 on Debian 11: SUCCEEDED\n"), "{output:?}");
    assert_eq!(output.stdout.matches("PENDING").count(), others.len(), "{output:?}");
    let body = cli.run(&["get", &id, "--wait", "--json"]).await.json();
    assert_eq!(body, stack.api().customization(&id).await.json());
}

#[tokio::test]
async fn a_failed_build_has_its_own_exit_code_and_its_reason() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let report = async |id: &str, released: &[String]| {
        record(&stack, id, &released[0], BuildStatus::FAILED).await;
        for application in &released[1..] {
            record(&stack, id, application, BuildStatus::SUCCEEDED).await;
        }
    };
    let (id, output) = wait(&stack, &cli, &[], report).await;
    assert_eq!(output.code, Some(6), "{output:?}");
    let reason = "FAILED: the image\\u{1b} is broken\n";
    assert!(output.stderr.contains(reason), "{output:?}");
    let total = applications(&stack, &id).await.0.len();
    assert!(output.stderr.ends_with(&format!("error: 1 of {total} builds failed\n")), "{output:?}");
    assert!(output.stdout.contains("(https://ci.example.com/1)"), "{output:?}");
}

#[tokio::test]
async fn waiting_ends_after_the_timeout() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let report = async |id: &str, released: &[String]| {
        record(&stack, id, &released[0], BuildStatus::SUCCEEDED).await;
    };
    let (id, output) = wait(&stack, &cli, &["--timeout", "1s"], report).await;
    let pending = applications(&stack, &id).await.0.len() - 1;
    assert_eq!(output.code, Some(7), "{output:?}");
    let error = format!("error: {pending} builds still pending after 1s\n");
    assert!(output.stderr.ends_with(&error), "{output:?}");
}

#[tokio::test]
async fn waiting_ends_when_the_pipeline_gives_up_or_the_customization_is_removed() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let give_up = async |id: &str, _: &[String]| {
        let status = CustomizationStatus::PROCESSING_CREATE_FAILED;
        pipeline::set_status(&stack.table(), &target(id), &status, "pipeline").await.unwrap();
    };
    let (_, output) = wait(&stack, &cli, &["-q"], give_up).await;
    assert_eq!(output.code, Some(6));
    let error = "error: the status of the customization is PROCESSING_CREATE_FAILED\n";
    assert_eq!((output.stderr.as_str(), output.stdout.as_str()), (error, ""));
    let remove = async |id: &str, _: &[String]| {
        stack.api().remove(id).await.assert_no_content();
    };
    let (_, output) = wait(&stack, &cli, &["-q"], remove).await;
    assert_eq!(output.code, Some(6));
    let error = "error: the customization is removed, so it is not built any more\n";
    assert_eq!((output.stderr.as_str(), output.stdout.as_str()), (error, ""));
}

#[tokio::test]
async fn a_push_and_an_update_wait_for_their_own_version() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    cli.write("certs/x", "1");
    let wait = ["--wait", "--timeout", "2s", "--interval", "100ms"];
    let filter = ["--product", "apache_kafka", "--branch", "2"];
    let push = [&["push", "certs", "-q"], &filter[..], &wait].concat();
    let output = cli.run(&push).await;
    assert_eq!(output.code, Some(7), "{output:?}");
    let id = output.stdout.trim_end().to_owned();
    for application in applications(&stack, &id).await.0 {
        record(&stack, &id, &application, BuildStatus::SUCCEEDED).await;
    }
    cli.run(&["get", &id, "--wait"]).await.assert_success();
    // The results are those of the first version.
    cli.write("certs/x", "2");
    let output = cli.run(&[&["update", &id, "certs"], &wait[..]].concat()).await;
    assert_eq!(output.code, Some(7), "{output:?}");
}

#[tokio::test]
async fn nothing_is_waited_for_if_no_released_application_is_affected() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let output = cli.run(&["get", "x", "--timeout", "1s"]).await;
    assert_eq!(output.code, Some(2), "a timeout without --wait is a mistake: {output:?}");
}
