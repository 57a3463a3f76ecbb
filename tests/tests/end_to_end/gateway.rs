//! The gateway's own answers: those of the template, to the letter.

use std::{collections::BTreeMap, fs, time::Duration};

use http::Method;
use local::{
    build::{Binaries, workspace},
    catalog::{self, Catalogs},
    csp::Token,
    gateway::GatewayLimits,
    stack::{Options, Reservation, Stack},
};
use serde_json::Value;
use tests::{
    api::{Answer, Api, raw},
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use yaml_serde::Value as Yaml;

/// The API in the template.
fn api() -> Yaml {
    let text = fs::read_to_string(workspace().join("template.yaml")).unwrap();
    let template: Yaml = yaml_serde::from_str(&text).unwrap();
    template["Resources"]["Api"]["Properties"].clone()
}

/// Asserts that an answer is what the template has the gateway answer in the case `name`.
#[track_caller]
fn assert_shaped(answer: &Answer, name: &str) {
    let response = &api()["GatewayResponses"][name];
    assert_eq!(u64::from(answer.status), response["StatusCode"].as_u64().unwrap(), "{name}");

    let Yaml::Mapping(headers) = &response["ResponseParameters"]["Headers"] else { panic!() };
    let text = |value: &Yaml| value.as_str().unwrap().trim_matches('\'').to_owned();
    let shaped: BTreeMap<_, _> = headers
        .iter()
        .map(|(name, value)| (text(name).to_ascii_lowercase(), text(value)))
        .collect();
    let of_any_answer = ["connection", "content-length", "date", "x-amzn-requestid"];
    let sent = answer.headers.keys().filter(|name| !of_any_answer.contains(&name.as_str()));
    let sent = sent.map(|name| (name.to_string(), answer.header(name.as_str()).to_owned()));
    assert_eq!(sent.collect::<BTreeMap<_, _>>(), shaped, "{name}");

    let Yaml::Tagged(body) = &response["ResponseTemplates"]["application/json"] else { panic!() };
    let body = text(&body.value)
        .replace("${ProblemTypeBase}", "https://example.com/probs")
        .replace("$context.requestId", answer.header("x-amzn-requestid"));
    assert_eq!(answer.json(), serde_json::from_str::<Value>(&body).unwrap(), "{name}");
}

#[tokio::test]
async fn what_reaches_no_function_is_answered_as_the_template_has_it() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for (method, path) in [
        (Method::GET, "/v1"),
        (Method::POST, "/v1/catalogs/c/customizations/"),
        (Method::DELETE, "/v1/catalogs/c/customizations/i"),
        (Method::POST, "/"),
    ] {
        let answer = api.send(method, path, Vec::new()).await;
        assert_shaped(&answer, "MISSING_AUTHENTICATION_TOKEN");
    }
    // More than Lambda takes, then more than the gateway does.
    for bytes in [5_000_000, 11_000_000] {
        let answer = api.create(Form::new().file("a.tgz", &vec![0; bytes])).await;
        assert_shaped(&answer, "REQUEST_TOO_LARGE");
    }
    let broken = b"POST /v1/catalogs/c/customizations HTTP/1.1\r\nhost: localhost\r\n\
                   transfer-encoding: chunked\r\n\r\nzz\r\n";
    assert_shaped(&raw(&stack.base_url(), broken).await, "BAD_REQUEST_BODY");
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_function_that_fails_is_answered_for_as_the_template_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let reservation = Reservation::new(0, directory.path()).await.unwrap();
    let binaries = Binaries::stand_in(env!("CARGO_BIN_EXE_faulty-function").into());
    let catalogs = Catalogs::read(&catalog::sample()).unwrap();
    let gateway_limits =
        GatewayLimits { integration_timeout: Duration::from_secs(1), ..GatewayLimits::AWS };
    let options = Options { gateway_limits, ..Options::new(binaries, catalogs) };
    let stack = Stack::start(reservation, options).await.unwrap();
    let api = Api::new(stack.base_url(), Token::default());
    for (fault, name) in [
        ("crash", "DEFAULT_5XX"),
        ("error", "DEFAULT_5XX"),
        ("babble", "DEFAULT_5XX"),
        ("hang", "INTEGRATION_TIMEOUT"),
    ] {
        println!("{fault}");
        assert_shaped(&api.create_in(fault, Form::upload()).await, name);
        assert_shaped(&api.get(&format!("/v1/catalogs/{fault}/customizations/x")).await, name);
    }
    stack.stop().await;
}

/// Asserts that a request was refused because of its host.
#[track_caller]
fn assert_misdirected(answer: &Answer) {
    assert_eq!(answer.status, 421);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let body = str::from_utf8(&answer.body).unwrap();
    assert!(body.ends_with("start local with --allow-host NAME\n"), "{body}");
}

#[tokio::test]
async fn a_request_for_a_foreign_host_is_refused() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let customizations = format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations");
    let (content_type, form) = Form::upload().finish();
    for host in ["attacker.example", "attacker.example:9000", "127.0.0.1.attacker.example"] {
        // The contract says nothing of this answer: whole URLs are not held to it.
        let api = stack.api().header("host", host);
        for path in ["/", "/openapi.yaml", "/reference.js", "/v1/catalogs/c/customizations/i"] {
            assert_misdirected(&api.get(&format!("{}{path}", stack.base_url())).await);
        }
        let api = api.header("content-type", &content_type);
        let url = format!("{}{customizations}", stack.base_url());
        assert_misdirected(&api.send(Method::POST, &url, form.clone()).await);
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let stack = TestStack::start().await;
    let address = stack.base_url().replace("http://", "");
    let mut gateway = TcpStream::connect(address).await.unwrap();
    gateway.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    gateway.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{answer}");
}

#[tokio::test]
async fn a_request_for_a_loopback_host_is_answered() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    for host in ["127.0.0.1", "localhost", "localhost:9000", "[::1]", "[::1]:9000"] {
        let answer = stack.api().header("host", host).customization(&id).await;
        assert_eq!(answer.status, 200, "{host}");
    }
}

#[test]
fn the_template_takes_every_body_for_bytes_as_the_gateway_here_does() {
    assert_eq!(api()["BinaryMediaTypes"], Yaml::from(vec!["*~1*"]));
}
