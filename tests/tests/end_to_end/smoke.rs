//! The operator's check of a deployed stack, `smoke-test`: it passes against a working stack, says
//! what is wrong with a faulty one, and removes what it created.

use std::process::Stdio;

use local::{csp::Token, function::FunctionLimits};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tests::{
    cli::{Cli, CliOutput},
    form::Form,
    process::TIMEOUT,
    proxy::{Fault, Proxy, RequestMatcher, Times},
    stack::{ProxiedStack, SAMPLE_CATALOG, TestStack},
};
use tokio::time::timeout;

async fn smoke_test(user: &Cli, arguments: &[&str]) -> CliOutput {
    user.run_program("smoke-test", arguments).await
}

/// An operator whose requests to the gateway go through a proxy.
async fn user_of_proxy(stack: &TestStack) -> (Cli, Proxy) {
    let gateway = Proxy::start(stack.base_url()).await;
    (Cli::new(stack).env("CUSTOMIZATIONS_URL", gateway.url()), gateway)
}

fn requests(operation: &'static str, text: &str) -> RequestMatcher {
    RequestMatcher { operation, texts: vec![text.to_owned()] }
}

/// The lines with this first word.
fn lines<'a>(output: &'a CliOutput, word: &'a str) -> Vec<&'a str> {
    output.stdout.lines().filter(|line| line.starts_with(word)).collect()
}

/// Asserts that the stack is consistent, and that all its customizations are removed and belong to
/// the check. Returns their number.
async fn removed(stack: &TestStack) -> usize {
    let contents = stack.contents().await;
    contents.assert_consistent();
    let customizations = contents.customizations(SAMPLE_CATALOG);
    for (id, item) in &customizations {
        let name = item["name"].as_s().unwrap();
        assert!(name.starts_with("smoke test "), "{name}");
        assert_eq!(item["status"].as_s().unwrap(), "DELETED", "{id} {name}");
    }
    customizations.len()
}

#[tokio::test]
async fn it_passes_against_a_working_stack_and_removes_what_it_created() {
    let stack = TestStack::start().await;
    let reader = Token::default().permissions(["csp:org_member"]).sign().unwrap();
    let user = Cli::new(&stack).env("SMOKE_TEST_READ_TOKEN", &reader);
    let output = smoke_test(&user, &["--global"]).await;
    output.assert_success();
    assert_eq!(output.stderr, "");
    let passed = lines(&output, "ok    ").len();
    let closing = format!("{passed} of {passed} checks passed");
    assert_eq!(output.stdout.lines().last(), Some(&*closing), "{}", output.stdout);
    assert_eq!(output.stdout.lines().count(), passed + 1, "{}", output.stdout);
    assert_eq!(removed(&stack).await, 2);

    let user = user.without("SMOKE_TEST_READ_TOKEN");
    let filter = ["--product", "apache_kafka", "--branch", "2"];
    let output = smoke_test(&user, &filter).await;
    output.assert_success();
    let skipped =
        "skip  refuse a create without the permission (403): SMOKE_TEST_READ_TOKEN is not set";
    assert_eq!(lines(&output, "skip"), [skipped]);
    // Without the two checks of that token.
    let closing = format!("{0} of {0} checks passed, 1 skipped", passed - 2);
    assert_eq!(output.stdout.lines().last(), Some(&*closing));
    assert_eq!(removed(&stack).await, 4);
}

#[tokio::test]
async fn it_fails_without_a_valid_token_and_prints_no_token() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let expired = Token::default().expires_in(-3600).sign().unwrap();
    let user = Cli::new(&stack).env("CSP_ACCESS_TOKEN", &expired);
    let output = smoke_test(&user, &["--global"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    let failed = "FAIL  create a customization from a form: expected 201, got 401 \
                  (Unauthenticated: A valid CSP access token is required.; request id: ";
    assert!(output.stdout.starts_with(failed), "{}", output.stdout);
    assert!(lines(&output, "ok    refuse a request without a token (401)").len() == 1);
    let (passed, failed) = (lines(&output, "ok    ").len(), lines(&output, "FAIL  ").len());
    let closing = format!("{passed} of {} checks passed, 3 skipped", passed + failed);
    assert_eq!(output.stdout.lines().last(), Some(&*closing), "{}", output.stdout);
    for part in expired.split('.') {
        assert!(!output.stdout.contains(part) && !output.stderr.contains(part), "{output:?}");
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn it_names_the_fault_of_a_service_and_removes_what_it_created() {
    let stack = TestStack::start().await;
    let (user, gateway) = user_of_proxy(&stack).await;
    // A foreign response hides what a request did. The list then tells what must be removed.
    for (operation, text, fault, times, failure) in [
        (
            "GET",
            "/versions",
            Fault::ForeignResponse,
            Times::Always,
            "FAIL  list its versions: expected content-type: application/json, got no such header",
        ),
        (
            "POST",
            "/customizations",
            Fault::ForeignResponse,
            Times::Always,
            "FAIL  create a customization from a form: expected 201, got 200",
        ),
        (
            "GET",
            "/customizations",
            Fault::ForeignResponse,
            Times::Always,
            "FAIL  leave no customization that is not removed: \
             the list of active ones has no answer: \
             expected content-type: application/json, got no such header",
        ),
        (
            "PATCH",
            "/customizations",
            Fault::Fail(500, "InternalError"),
            Times::Always,
            "FAIL  make a new version: expected 204, got 500 (500 Internal Server Error)",
        ),
        (
            "DELETE",
            "/customizations",
            Fault::Fail(500, "InternalError"),
            Times::Once,
            "FAIL  remove it: expected 204, got 500 (500 Internal Server Error)",
        ),
    ] {
        let before = removed(&stack).await;
        let injected = gateway.inject(fault, requests(operation, text), times);
        let output = smoke_test(&user, &["--global"]).await;
        assert!(injected.count() > 0, "{operation} {text}");
        injected.stop();
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(lines(&output, "FAIL").contains(&failure), "{failure} in {}", output.stdout);
        let identified = "FAIL  every response of the service has a request id: expected the header \
                          x-amzn-requestid, got ";
        assert_eq!(lines(&output, identified).len(), 1, "{}", output.stdout);
        assert!(removed(&stack).await > before, "it created some");
    }
}

#[tokio::test]
async fn it_compares_the_downloaded_bytes() {
    let ProxiedStack { stack, s3, dynamodb: _dynamodb } =
        ProxiedStack::start(FunctionLimits::AWS).await;
    let user = Cli::new(&stack);
    s3.inject(Fault::ForeignResponse, requests("GET", "X-Amz-Signature"), Times::Always);
    let output = smoke_test(&user, &["--global"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    for download in ["the file", "the uploaded file", "the new version", "the earlier version"] {
        let failure = format!("FAIL  download {download}: expected the size ");
        assert_eq!(lines(&output, &failure).len(), 1, "{}", output.stdout);
    }
    assert!(!output.stdout.contains("X-Amz"), "a link is a secret: {}", output.stdout);
    assert_eq!(removed(&stack).await, 2);
}

#[tokio::test]
async fn it_removes_what_it_created_when_it_is_interrupted() {
    let stack = TestStack::start().await;
    let (user, gateway) = user_of_proxy(&stack).await;
    let stalled = gateway.inject(Fault::Stall, requests("GET", "/versions"), Times::Always);
    let mut command = user.program("smoke-test", &["--global"]).await;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    stalled.wait_for_request().await;
    kill(Pid::from_raw(child.id().unwrap().cast_signed()), Signal::SIGINT).unwrap();
    let output = timeout(TIMEOUT, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "interrupted; removing what this run created\n");
    assert_eq!(removed(&stack).await, 1);
}

#[tokio::test]
async fn it_leaves_the_customizations_of_others() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload().text("name", "smoke test of ours")).await.id();
    smoke_test(&Cli::new(&stack), &["--global"]).await.assert_success();
    assert_eq!(stack.api().customization(&id).await.json()["status"], "CREATED");
}

#[tokio::test]
async fn it_does_not_start_without_its_settings() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let user = Cli::new(&stack);
    let file = user.home(".config/customizations/config.toml").display().to_string();
    let no_setting = |name: &str, flag: &str, variable: &str, key: &str| {
        format!(
            "error: no {name}: use {flag}, set {variable}, or write `{key} = \"…\"` to {file}\n"
        )
    };
    let no_url = no_setting("URL of the service", "--url", "CUSTOMIZATIONS_URL", "url");
    let no_catalog = no_setting("catalog", "--catalog", "CUSTOMIZATIONS_CATALOG", "catalog");
    let no_token = "error: no token: set CSP_ACCESS_TOKEN or CSP_API_TOKEN, or save an API token \
                    with `customizations login`\n";
    let malformed = "error: the token in SMOKE_TEST_READ_TOKEN is not valid: it has spaces, or \
                     characters that are not ASCII\n";
    let user = user.env("SMOKE_TEST_READ_TOKEN", "a b");
    smoke_test(&user, &["--global"]).await.assert_failure(2, malformed);
    let user = user.without("CSP_ACCESS_TOKEN");
    smoke_test(&user, &["--global"]).await.assert_failure(2, no_token);
    let user = user.without("CUSTOMIZATIONS_CATALOG");
    smoke_test(&user, &["--global"]).await.assert_failure(2, &no_catalog);
    let user = user.without("CUSTOMIZATIONS_URL");
    smoke_test(&user, &["--global"]).await.assert_failure(2, &no_url);

    let output = smoke_test(&Cli::new(&stack), &[]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
    let required = "--product <KEY>|--branch <BRANCH>|--base-image <ID>|--global";
    assert!(output.stderr.contains(required), "{output:?}");
    assert_eq!(stack.contents().await, before);
}
