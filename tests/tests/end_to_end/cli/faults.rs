//! Faults between the command and the service, or S3.

use std::time::Duration;

use local::function::FunctionLimits;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tests::{
    cli::Cli,
    form::Form,
    process::TIMEOUT,
    proxy::{Fault, Proxy, RequestMatcher, Times},
    stack::{ProxiedStack, SAMPLE_CATALOG, TestStack},
};
use tokio::{process::Command, time::timeout};

use super::large_file;

/// A user whose requests to the gateway go through a proxy.
async fn user(stack: &TestStack) -> (Cli, Proxy) {
    let gateway = Proxy::start(stack.base_url()).await;
    let cli = Cli::new(stack).env("CUSTOMIZATIONS_URL", gateway.url());
    cli.write("certs/ca.pem", "certificate\n");
    (cli, gateway)
}

fn requests(operation: &'static str, text: &str) -> RequestMatcher {
    RequestMatcher { operation, texts: vec![text.to_owned()] }
}

#[tokio::test]
async fn a_lost_response_makes_no_second_customization() {
    let stack = TestStack::start().await;
    let (cli, gateway) = user(&stack).await;
    for fault in [Fault::LoseResponse, Fault::ResetInResponse, Fault::ResetInRequest, Fault::Reset]
    {
        let before = stack.contents().await.customizations(SAMPLE_CATALOG).len();
        let injected = gateway.inject(fault, requests("POST", "/customizations"), Times::Once);
        let output = cli.run(&["push", "certs"]).await;
        output.assert_success();
        assert!(output.stderr.contains("; trying again in "), "{output:?}");
        assert_eq!(injected.count(), 1);
        injected.stop();
        let contents = stack.contents().await;
        assert_eq!(contents.customizations(SAMPLE_CATALOG).len(), before + 1, "{fault:?}");
        contents.assert_consistent();
    }
}

#[tokio::test]
async fn a_lost_response_to_an_update_makes_no_second_version() {
    let stack = TestStack::start().await;
    let (cli, gateway) = user(&stack).await;
    let id = stack.api().create(Form::upload()).await.id();
    gateway.inject(Fault::LoseResponse, requests("PATCH", &id), Times::Once);
    let output = cli.run(&["update", &id, "certs", "-q"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "v2\n"), "{output:?}");
    gateway.inject(Fault::LoseResponse, requests("DELETE", &id), Times::Once);
    cli.run(&["remove", &id]).await.assert_success();
}

#[tokio::test]
async fn an_unavailable_service_ends_the_command_with_the_key_to_repeat_it() {
    let stack = TestStack::start().await;
    let (cli, gateway) = user(&stack).await;
    let fault = gateway.inject(
        Fault::Fail(502, "InternalServerException"),
        requests("POST", "/customizations"),
        Times::Always,
    );
    let output = cli.run(&["push", "certs"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(5), ""), "{output:?}");
    assert_eq!(fault.count(), 5, "a bounded number of attempts");
    let (_, key) = output.stderr.split_once("add: --idempotency-key ").expect("the key");
    let key = key.lines().next().unwrap();
    fault.stop();
    // The key makes it one customization, however often it is repeated.
    let repeat = ["push", "certs", "-q", "--idempotency-key", key];
    let first = cli.run(&repeat).await.assert_success().stdout.clone();
    assert_eq!(cli.run(&repeat).await.assert_success().stdout, first);
    let contents = stack.contents().await;
    assert_eq!(contents.customizations(SAMPLE_CATALOG).len(), 1);
    let invalid = "error: the idempotency key must be text without line ends\n";
    let output = cli.run(&["push", "certs", "-q", "--idempotency-key", "a\nb"]).await;
    output.assert_failure(2, invalid);
}

#[tokio::test]
async fn retry_after_is_followed() {
    let ProxiedStack { stack, dynamodb, s3: _s3 } = ProxiedStack::start(FunctionLimits::AWS).await;
    let cli = Cli::new(&stack);
    let any = RequestMatcher { operation: "BatchGetItem", texts: vec![] };
    let fault = dynamodb.inject(Fault::Fail(500, "InternalServerError"), any, Times::Always);
    let listed =
        tokio::spawn(async move { cli.run(&["get", tests::stack::MISSING_CUSTOMIZATION]).await });
    fault.wait_for_request().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    fault.stop();
    let output = listed.await.unwrap();
    // The service responds with 503 and `Retry-After: 5`.
    let retried = "503 Service Unavailable; trying again in 5.0 s\n";
    assert!(output.stderr.starts_with(retried), "{output:?}");
    assert_eq!(output.code, Some(3), "{output:?}");
}

#[tokio::test]
async fn faults_of_s3_during_an_upload_are_retried() {
    let ProxiedStack { stack, s3, dynamodb: _dynamodb } =
        ProxiedStack::start(FunctionLimits::AWS).await;
    let cli = Cli::new(&stack);
    let mut content = large_file();
    for fault in [
        Fault::Reset,
        Fault::ResetInRequest,
        Fault::LoseResponse,
        Fault::Fail(503, "SlowDown"),
        // An expired presigned request: the command asks for another one.
        Fault::Fail(403, "AccessDenied"),
        Fault::Fail(409, "ConditionalRequestConflict"),
    ] {
        content[0] ^= 1;
        content[1] = content[1].wrapping_add(1);
        cli.write("agent/agent", &content);
        let injected = s3.inject(fault, requests("PUT", "X-Amz-Signature"), Times::Once);
        cli.run(&["push", "agent"]).await.assert_success();
        assert_eq!(injected.count(), 1, "{fault:?}");
        injected.stop();
    }
    cli.write("agent/agent", content.repeat(2));
    let always = s3.inject(
        Fault::Fail(403, "AccessDenied"),
        requests("PUT", "X-Amz-Signature"),
        Times::Always,
    );
    let output = cli.run(&["push", "agent", "-q"]).await;
    output.assert_failure(5, "error: S3 responds with 403 (AccessDenied)\n");
    assert_eq!(always.count(), 3);
    stack.contents().await.assert_consistent();
}

#[tokio::test]
async fn a_download_is_complete_and_verified_or_leaves_nothing() {
    let ProxiedStack { stack, s3, dynamodb: _dynamodb } =
        ProxiedStack::start(FunctionLimits::AWS).await;
    let cli = Cli::new(&stack);
    let created = stack.api().create(Form::upload()).await;
    let id = created.id();
    let digest = created.json()["artifact"]["id"].as_str().unwrap().to_owned();
    for fault in [Fault::Truncate, Fault::ResetInResponse, Fault::Fail(503, "SlowDown")] {
        let injected = s3.inject(fault, requests("GET", "X-Amz-Signature"), Times::Once);
        cli.run(&["download", &id, "-f"]).await.assert_success();
        assert_eq!(injected.count(), 1, "{fault:?}");
        injected.stop();
    }
    std::fs::remove_file(cli.path("certs.tar.gz")).unwrap();
    let foreign = s3.inject(Fault::ForeignResponse, requests("GET", "X-Amz-"), Times::Always);
    let output = cli.run(&["download", &id]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(5), ""), "{output:?}");
    let start = "error: the downloaded file has the SHA-256 ";
    assert!(output.stderr.starts_with(start), "{output:?}");
    assert!(output.stderr.ends_with(&format!(" instead of {digest}\n")), "{output:?}");
    let piped = cli.run(&["download", &id, "-o", "-"]).await;
    assert_eq!((piped.code, piped.stdout.as_str()), (Some(5), ""), "{piped:?}");
    foreign.stop();
    s3.inject(Fault::Fail(403, "AccessDenied"), requests("GET", "X-Amz-"), Times::Always);
    let output = cli.run(&["download", &id]).await;
    output.assert_failure(5, "error: S3 responds with 403 (AccessDenied)\n");
    assert_eq!(cli.names(), Vec::<String>::new());
}

#[tokio::test]
async fn an_interrupted_command_leaves_nothing_and_says_how_to_go_on() {
    let ProxiedStack { stack, s3, dynamodb: _dynamodb } =
        ProxiedStack::start(FunctionLimits::AWS).await;
    let (cli, gateway) = user(&stack).await;
    let id = stack.api().create(Form::upload()).await.id();
    let interrupt = async |mut command: Command, fault: tests::proxy::InjectedFault| {
        let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        fault.wait_for_request().await;
        kill(Pid::from_raw(child.id().unwrap().cast_signed()), Signal::SIGINT).unwrap();
        let output = timeout(TIMEOUT, child.wait_with_output()).await.unwrap().unwrap();
        fault.stop();
        assert_eq!(output.status.code(), Some(130));
        String::from_utf8(output.stderr).unwrap()
    };
    let stalled = s3.inject(Fault::Stall, requests("GET", "X-Amz-Signature"), Times::Always);
    let stderr = interrupt(cli.command(&["download", &id]).await, stalled).await;
    assert_eq!(stderr, "interrupted\n");
    assert_eq!(cli.names(), ["certs"]);

    let stalled = gateway.inject(Fault::Stall, requests("POST", "/customizations"), Times::Always);
    let stderr = interrupt(cli.command(&["push", "certs", "-q"]).await, stalled).await;
    assert!(stderr.contains("add: --idempotency-key "), "{stderr}");
    assert!(stderr.ends_with("interrupted\n"), "{stderr}");
}

#[tokio::test]
async fn a_foreign_service_is_not_trusted() {
    let stack = TestStack::start().await;
    let (cli, gateway) = user(&stack).await;
    let fault = gateway.inject(Fault::ForeignResponse, requests("GET", "/v1"), Times::Always);
    let output = cli.run(&["list"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(5), ""), "{output:?}");
    assert!(output.stderr.contains("; is the URL that of the service?"), "{output:?}");
    fault.stop();
    let listed: Value = cli.run(&["list", "--json"]).await.json();
    assert_eq!(listed, Value::Array(Vec::new()));
}
