//! The gateway: its own responses are exactly those of the template, and it checks the host.

use std::{collections::BTreeMap, fs, time::Duration};

use http::Method;
use local::{
    build::{Binaries, workspace},
    catalog::{self, Catalogs},
    csp::Token,
    environment::Environment,
    function::{Deployment, FunctionLimits, FunctionName, Process},
    gateway::GatewayLimits,
    stack::{Options, Reservation, Stack},
};
use serde_json::Value;
use tests::{
    api::{Api, Response, send_raw},
    form::Form,
    stack::{SAMPLE_CATALOG, TestStack},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use yaml_serde::Value as Yaml;

/// The properties of the API in the template.
fn template_api() -> Yaml {
    let text = fs::read_to_string(workspace().join("template.yaml")).unwrap();
    let template: Yaml = yaml_serde::from_str(&text).unwrap();
    template["Resources"]["Api"]["Properties"].clone()
}

/// Asserts that a response is the template's gateway response `name`.
#[track_caller]
fn assert_gateway_response(response: &Response, name: &str) {
    let expected = &template_api()["GatewayResponses"][name];
    assert_eq!(u64::from(response.status), expected["StatusCode"].as_u64().unwrap(), "{name}");

    let Yaml::Mapping(headers) = &expected["ResponseParameters"]["Headers"] else { panic!() };
    let text = |value: &Yaml| value.as_str().unwrap().trim_matches('\'').to_owned();
    let expected_headers: BTreeMap<_, _> = headers
        .iter()
        .map(|(name, value)| (text(name).to_ascii_lowercase(), text(value)))
        .collect();
    let common = ["connection", "content-length", "date", "x-amzn-requestid"];
    let sent = response.headers.keys().filter(|name| !common.contains(&name.as_str()));
    let sent = sent.map(|name| (name.to_string(), response.header(name.as_str()).to_owned()));
    assert_eq!(sent.collect::<BTreeMap<_, _>>(), expected_headers, "{name}");

    let Yaml::Tagged(body) = &expected["ResponseTemplates"]["application/json"] else { panic!() };
    let body = text(&body.value)
        .replace("${ProblemTypeBase}", "https://example.com/probs")
        .replace("$context.requestId", response.header("x-amzn-requestid"));
    assert_eq!(response.json(), serde_json::from_str::<Value>(&body).unwrap(), "{name}");
}

#[tokio::test]
async fn a_request_that_reaches_no_function_has_the_gateway_response_of_the_template() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    for (method, path) in [
        (Method::GET, "/v1"),
        (Method::POST, "/v1/catalogs/c/customizations/"),
        (Method::PUT, "/v1/catalogs/c/customizations/i"),
        (Method::POST, "/"),
    ] {
        let response = api.send(method, path, Vec::new()).await;
        assert_gateway_response(&response, "MISSING_AUTHENTICATION_TOKEN");
    }
    for method in [Method::OPTIONS, Method::PUT] {
        let response = api.send(method, &customizations(), Vec::new()).await;
        assert_gateway_response(&response, "MISSING_AUTHENTICATION_TOKEN");
    }
    for encoding in ["gzip", "deflate", "gzip, identity"] {
        let response = api.header("content-encoding", encoding).create(Form::kafka()).await;
        assert_gateway_response(&response, "UNSUPPORTED_MEDIA_TYPE");
    }
    let broken = b"POST /v1/catalogs/c/customizations HTTP/1.1\r\nhost: localhost\r\n\
                   transfer-encoding: chunked\r\n\r\nzz\r\n";
    assert_gateway_response(&send_raw(&stack.base_url(), broken).await, "BAD_REQUEST_BODY");
    assert_eq!(stack.contents().await, before);
}

/// Path of the customizations of the sample catalog.
fn customizations() -> String {
    format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations")
}

#[tokio::test]
async fn too_large_requests_have_the_responses_that_no_template_can_shape() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let api = stack.api();
    let upload = |bytes: usize| {
        let api = api.clone();
        async move { api.create(Form::new().file("a.tgz", &vec![0; bytes])).await }
    };
    // In base64, the event exceeds Lambda's limit of 6 MB.
    let event = upload(5_000_000).await;
    assert_eq!((event.status, event.header("content-type")), (413, "application/json"));
    assert_eq!(event.body, r#"{"message":"Request Too Long"}"#);
    assert_ne!(event.header("x-amzn-requestid"), "");

    let body = upload(11_000_000).await;
    assert_eq!((body.status, body.header("content-type")), (413, "text/plain"));
    assert_eq!(body.body, "HTTP content length exceeded 10485760 bytes.");
    assert_eq!(body.header("x-amzn-requestid"), "");
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn too_large_headers_are_a_431() {
    let stack = TestStack::start().await;
    let token = "a".repeat(10_240);
    let response = stack.api().header("authorization", &token).customization("x").await;
    assert_eq!((response.status, response.header("content-type")), (431, "text/plain"));
    assert_eq!(response.body, "HTTP header is larger than 10240 bytes.");
    assert_eq!(response.header("x-amzn-requestid"), "");
}

#[tokio::test]
async fn a_failing_function_has_the_gateway_response_of_the_template() {
    let directory = tempfile::tempdir().unwrap();
    let reservation = Reservation::new(0, directory.path()).await.unwrap();
    let binaries = Binaries::stand_in(env!("CARGO_BIN_EXE_faulty-function").into());
    let catalogs = Catalogs::read(&catalog::sample()).unwrap();
    let gateway_limits =
        GatewayLimits { integration_timeout: Duration::from_secs(1), ..GatewayLimits::AWS };
    let options = Options { gateway_limits, ..Options::new(binaries, catalogs) };
    let stack = Stack::start(reservation, options).await.unwrap();
    let api = Api::new(stack.base_url(), Token::default());
    for (failure, name) in [
        ("crash", "DEFAULT_5XX"),
        ("error", "DEFAULT_5XX"),
        ("invalid-response", "DEFAULT_5XX"),
        ("hang", "INTEGRATION_TIMEOUT"),
    ] {
        println!("{failure}");
        assert_gateway_response(&api.create_in(failure, Form::upload()).await, name);
        assert_gateway_response(
            &api.get(&format!("/v1/catalogs/{failure}/customizations/x")).await,
            name,
        );
    }
    stack.stop().await;
}

/// Asserts that the gateway refused the host of a request.
#[track_caller]
fn assert_misdirected(response: &Response) {
    assert_eq!(response.status, 421);
    assert_eq!(response.header("content-type"), "text/plain; charset=utf-8");
    let body = str::from_utf8(&response.body).unwrap();
    assert!(body.ends_with("start local with --allow-host NAME\n"), "{body}");
}

/// DNS rebinding: a web page resolves a host name of its own to 127.0.0.1.
#[tokio::test]
async fn a_request_for_a_foreign_host_is_refused() {
    let stack = TestStack::start().await;
    let before = stack.contents().await;
    let customizations = format!("/v1/catalogs/{SAMPLE_CATALOG}/customizations");
    let (content_type, form) = Form::upload().finish();
    for host in ["attacker.example", "attacker.example:9000", "127.0.0.1.attacker.example"] {
        // Absolute URLs, because the contract does not document status 421.
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
    let mut response = String::new();
    gateway.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{response}");
}

#[tokio::test]
async fn a_request_for_a_loopback_host_is_accepted() {
    let stack = TestStack::start().await;
    let id = stack.api().create(Form::upload()).await.id();
    for host in ["127.0.0.1", "localhost", "localhost:9000", "[::1]", "[::1]:9000"] {
        let response = stack.api().header("host", host).customization(&id).await;
        assert_eq!(response.status, 200, "{host}");
    }
}

#[test]
fn the_template_treats_every_body_as_binary() {
    assert_eq!(template_api()["BinaryMediaTypes"], Yaml::from(vec!["*~1*"]));
}

#[tokio::test]
async fn the_deadline_of_the_first_event_starts_after_initialization() {
    const INIT: Duration = Duration::from_secs(1);
    let directory = tempfile::tempdir().unwrap();
    let mut environment = Environment::default();
    environment.set("INIT_MS", INIT.as_millis().to_string());
    let deployment = Deployment {
        name: FunctionName::ReadCustomizations,
        binary: env!("CARGO_BIN_EXE_faulty-function").into(),
        environment,
        log: directory.path().join("log"),
        limits: FunctionLimits::AWS,
    };
    let mut process = Process::start(&deployment).await.unwrap();
    assert!(process.init_duration() >= INIT);
    let event = r#"{"pathParameters": {"catalog_id": "deadline"}}"#;
    let left = process.invoke(event.into()).await.unwrap();
    let left: u64 = serde_json::from_slice(&left).unwrap();
    let limit = FunctionLimits::AWS.invocation_timeout;
    let left = Duration::from_millis(left);
    assert!(left + INIT > limit && left <= limit, "{left:?}");
}
