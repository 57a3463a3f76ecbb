//! Tokens: where they come from, how they are refreshed, and that nobody else sees them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Output, Stdio},
};

use http::StatusCode;
use local::csp::Token;
use tests::{
    cli::{Cli, CliOutput},
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack},
    token_exchange::{Behaviour, TokenExchange},
};
use tls_proxy::{Authority, Certificate, TlsProxy};
use tokio::io::AsyncWriteExt;

const API_TOKEN: &str = "my-secret-api-token";

/// A user without a token, who knows the CSP.
fn user(stack: &TestStack, csp: &TokenExchange) -> Cli {
    Cli::new(stack).without("CSP_ACCESS_TOKEN").env("CSP_URL", csp.url())
}

/// Runs a command with this standard input.
async fn run_with_input(cli: &Cli, arguments: &[&str], input: &str) -> Output {
    let mut child = cli
        .command(arguments)
        .await
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap()
}

#[tokio::test]
async fn an_api_token_is_exchanged_for_access_tokens() {
    let stack = TestStack::start().await;
    let csp = TokenExchange::start(API_TOKEN).await;
    let cli = user(&stack, &csp).env("CSP_API_TOKEN", API_TOKEN);
    cli.run(&["list"]).await.assert_success();
    assert_eq!(csp.exchanges(), 1);
    // An access token needs no CSP.
    let cli = cli.env("CSP_ACCESS_TOKEN", &Token::default().sign().unwrap());
    cli.run(&["list"]).await.assert_success();
    assert_eq!(csp.exchanges(), 1);
}

#[tokio::test]
async fn an_access_token_is_replaced_before_it_expires() {
    let stack = TestStack::start().await;
    let csp = TokenExchange::start(API_TOKEN).await;
    let cli = user(&stack, &csp).env("CSP_API_TOKEN", API_TOKEN);
    let id = stack.api().create(Form::kafka()).await.id();
    let wait = ["get", &id, "--wait", "--timeout", "3s", "--interval", "200ms"];
    csp.set_behaviour(Behaviour { lifetime: 1800, stated_lifetime: 2, failure: None });
    assert_eq!(cli.run(&wait).await.code, Some(7));
    let exchanges = csp.exchanges();
    assert!((3..=5).contains(&exchanges), "one in each second: {exchanges}");
    // The service refuses an access token that the CSP took for valid, such as a revoked one.
    csp.set_behaviour(Behaviour { lifetime: -60, stated_lifetime: 1800, failure: None });
    let output = cli.run(&["list"]).await;
    assert_eq!(output.code, Some(4), "{output:?}");
    assert_eq!(csp.exchanges(), exchanges + 2, "one more try, and no more");
}

#[tokio::test]
async fn a_login_saves_the_api_token_for_its_owner_alone() {
    let stack = TestStack::start().await;
    let csp = TokenExchange::start(API_TOKEN).await;
    let cli = user(&stack, &csp);
    let missing = "error: no token: set CSP_ACCESS_TOKEN or CSP_API_TOKEN, or save an API token \
                   with `customizations login`\n";
    cli.run(&["list"]).await.assert_failure(4, missing);

    let output = run_with_input(&cli, &["login"], &format!("{API_TOKEN}\n")).await;
    let file = cli.home(".config/customizations/api-token");
    let expected = format!("the CSP accepts the API token; saved in {}\n", file.display());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&cli.home(".config/customizations"))), (0o600, 0o700));
    cli.run(&["list"]).await.assert_success();

    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let path = file.display();
    let exposed =
        format!("error: {path} can be read by other users; make it private: chmod 600 {path}\n");
    cli.run(&["list"]).await.assert_failure(2, &exposed);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    let output = cli.run(&["logout"]).await;
    assert_eq!(output.assert_success().stdout, format!("deleted {path}\n"));
    assert!(!file.exists());
    assert_eq!(cli.run(&["logout"]).await.assert_success().stdout, "no API token is saved\n");
    cli.run(&["list"]).await.assert_failure(4, missing);
}

#[tokio::test]
async fn a_wrong_api_token_is_refused_and_not_saved() {
    let stack = TestStack::start().await;
    let csp = TokenExchange::start(API_TOKEN).await;
    let cli = user(&stack, &csp);
    let refused = |source: &str| {
        format!(
            "error: the CSP refuses the API token from {source}: invalid_grant: Invalid refresh token\n"
        )
    };
    let output = run_with_input(&cli, &["login"], "mistyped\n").await;
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), refused("the input"));
    assert!(!cli.home(".config/customizations/api-token").exists());
    let output = run_with_input(&cli, &["login"], "\n").await;
    assert_eq!(output.status.code(), Some(4));
    let cli = cli.env("CSP_API_TOKEN", "revoked");
    cli.run(&["list"]).await.assert_failure(4, &refused("CSP_API_TOKEN"));
    let cli = cli.env("CSP_API_TOKEN", "two words");
    let malformed = "error: the token from CSP_API_TOKEN is not valid: it has spaces, or characters that are not ASCII\n";
    cli.run(&["list"]).await.assert_failure(4, malformed);

    let failure = Some((StatusCode::NOT_FOUND, "no such page"));
    csp.set_behaviour(Behaviour { lifetime: 0, stated_lifetime: 0, failure });
    let cli = cli.env("CSP_API_TOKEN", API_TOKEN);
    let message = format!(
        "error: the CSP at {}/ sends no access token; is this the URL of a CSP?\n",
        csp.url()
    );
    cli.run(&["list"]).await.assert_failure(5, &message);
}

#[tokio::test]
async fn no_token_is_printed() {
    let stack = TestStack::start().await;
    let csp = TokenExchange::start(API_TOKEN).await;
    let access_token = Token::default().expires_in(-60).sign().unwrap();
    let cli = user(&stack, &csp).env("CSP_API_TOKEN", API_TOKEN);
    let cli = cli.env("CSP_ACCESS_TOKEN", &access_token);
    cli.write("certs/x", "x");
    for arguments in [
        &["config"][..],
        &["config", "--json"],
        &["list"],
        &["push", "certs"],
        &["--help"],
        &["push", "--help"],
    ] {
        let CliOutput { stdout, stderr, .. } = cli.run(arguments).await;
        let printed = stdout + &stderr;
        assert!(!printed.contains(&access_token) && !printed.contains(API_TOKEN), "{printed}");
    }
    let expired = "The token in CSP_ACCESS_TOKEN may have expired: an access token is valid for half an hour.";
    assert!(cli.run(&["list"]).await.stderr.contains(expired));
}

#[tokio::test]
async fn a_token_of_another_organization_sees_nothing() {
    let stack = TestStack::start().await;
    let token = Token::default().organization("thieves").sign().unwrap();
    let cli = Cli::new(&stack).env("CSP_ACCESS_TOKEN", &token);
    let output = cli.run(&["list", "--catalog", SAMPLE_CATALOG]).await;
    assert_eq!(output.code, Some(3), "{output:?}");
    let token = Token::default().permissions(["none"]).sign().unwrap();
    let cli = cli.env("CSP_ACCESS_TOKEN", &token);
    let output = cli.run(&["list"]).await;
    assert_eq!(output.code, Some(4), "{output:?}");
    let forbidden = "error: Forbidden: The requesting user is not authorized for this operation.\n\
                     The token comes from CSP_ACCESS_TOKEN.\nrequest id: ";
    assert!(output.stderr.starts_with(forbidden), "{output:?}");
}

#[tokio::test]
async fn a_token_is_sent_only_to_a_trusted_server() {
    let stack = TestStack::start().await;
    let authority = Authority::new().unwrap();
    let upstream = stack.base_url().trim_start_matches("http://").to_owned();
    let trusted = |cli: Cli| {
        cli.write("ca.pem", authority.pem());
        let file = cli.path("ca.pem").display().to_string();
        cli.env("SSL_CERT_FILE", &file)
    };
    for (certificate, trusts, code, cause) in [
        (Certificate::Valid, true, 0, ""),
        (Certificate::Valid, false, 5, "UnknownIssuer"),
        (Certificate::Expired, true, 5, "certificate expired"),
        (Certificate::WrongHost, true, 5, "certificate not valid for name"),
    ] {
        let proxy = TlsProxy::start(&upstream, &authority, certificate).await.unwrap();
        let cli = Cli::new(&stack).env("CUSTOMIZATIONS_URL", proxy.url());
        let cli = if trusts { trusted(cli) } else { cli };
        let output = cli.run(&["list"]).await;
        assert_eq!(output.code, Some(code), "{output:?}");
        assert!(output.stderr.contains(cause), "{output:?}");
        assert!(!output.stderr.contains("trying again"), "{output:?}");
    }
}
