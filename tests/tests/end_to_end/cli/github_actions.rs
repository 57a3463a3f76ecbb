//! The example of a workflow for GitHub Actions.

use std::{collections::BTreeMap, fs, time::Duration};

use admin::pipeline::{self, BuildReport};
use local::build::workspace;
use serde_json::{Value, json};
use shared::domain::BuildStatus;
use tests::{
    cli::Cli,
    stack::{SAMPLE_CATALOG, TestStack, target},
    token_exchange::TokenExchange,
};
use tokio::time::sleep;

/// Runs the steps of the workflow with these secrets and variables, as a runner does for an event.
async fn run_workflow(cli: &Cli, event: &str, context: &BTreeMap<&str, &str>) -> Vec<String> {
    let path = workspace().join("cli/github-actions.yml");
    let workflow: Value = yaml_serde::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let steps = workflow["jobs"]["customization"]["steps"].as_array().unwrap();
    let mut outputs = Vec::new();
    for step in steps.iter().filter(|step| step.get("run").is_some() && step["name"] != "install") {
        if let Some(condition) = step.get("if") {
            assert_eq!(condition, "github.event_name == 'push'");
            if event != "push" {
                continue;
            }
        }
        let mut program = vec!["env".to_owned()];
        for (name, value) in step.get("env").and_then(Value::as_object).into_iter().flatten() {
            let expression = value.as_str().unwrap();
            let expression = expression.strip_prefix("${{ ").unwrap().strip_suffix(" }}").unwrap();
            program.push(format!("{name}={}", context[expression]));
        }
        program.extend(["bash", "-euo", "pipefail", "-c"].map(str::to_owned));
        program.push(step["run"].as_str().unwrap().to_owned());
        let program: Vec<&str> = program.iter().map(String::as_str).collect();
        let (code, output) = cli.type_on_terminal(&program, ("", "")).await;
        assert_eq!(code, Some(0), "{output}");
        outputs.push(output);
    }
    outputs
}

#[tokio::test]
async fn the_workflow_uploads_on_a_merge() {
    let stack = TestStack::start().await;
    let csp = TokenExchange::start("api-token").await;
    let cli = Cli::offline().env("CSP_URL", csp.url());
    cli.write("certs/ca.pem", "certificate");
    let url = stack.base_url();
    let mut context = BTreeMap::from([
        ("secrets.CSP_API_TOKEN", "api-token"),
        ("vars.CUSTOMIZATIONS_URL", &url),
        ("vars.CUSTOMIZATIONS_CATALOG", SAMPLE_CATALOG),
        ("vars.CUSTOMIZATION_ID", ""),
        ("github.run_id", "1"),
    ]);
    let before = stack.contents().await;
    assert_eq!(run_workflow(&cli, "pull_request", &context).await.len(), 1);
    assert_eq!(stack.contents().await, before);

    let merge = async |context: &BTreeMap<&str, &str>| {
        // A runner starts with a new checkout.
        fs::remove_file(cli.path("certs.tar.gz")).unwrap();
        tokio::select! {
            outputs = run_workflow(&cli, "push", context) => outputs,
            () = build_all(&stack) => unreachable!("the pipeline never ends"),
        }
    };
    let outputs = merge(&context).await;
    assert!(outputs[1].contains("created "), "{outputs:?}");
    let list = stack.api().list("").await.json();
    let id = list["items"][0]["id"].as_str().unwrap();
    context.insert("vars.CUSTOMIZATION_ID", id);
    context.insert("github.run_id", "2");
    cli.write("certs/ca.pem", "another certificate");
    merge(&context).await;
    // The runner repeats the run.
    merge(&context).await;
    let list = stack.api().list("").await.json();
    assert_eq!((&list["total_size"], &list["items"][0]["version"]), (&json!(1), &json!("v2")));
}

/// Reports every pending build as successful, as the build pipeline does.
async fn build_all(stack: &TestStack) {
    loop {
        let list = stack.api().list("").await.json();
        for item in list["items"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap();
            let body = stack.api().customization(id).await.json();
            for one in body["affected_releasables"].as_array().unwrap() {
                let application_id = one["application_id"].as_str().unwrap().parse().unwrap();
                let status = BuildStatus::SUCCEEDED;
                let report = BuildReport { application_id, status, failure: None };
                pipeline::record_build(&stack.table(), &target(id), report).await.unwrap();
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
}
