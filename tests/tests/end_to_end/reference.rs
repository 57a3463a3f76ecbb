//! The API reference at the root of the gateway: a page that loads only files of the gateway.

use std::fs;

use local::build::workspace;
use tests::{api::Response, form::Form, stack::TestStack};

/// The values of the attribute `name` of all tags in `html`.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(&start)
        .skip(1)
        .map(|rest| rest.split_once('"').expect("a closed attribute").0)
        .collect()
}

#[tokio::test]
async fn the_api_reference_loads_only_files_of_the_gateway() {
    let stack = TestStack::start().await;
    let visitor = stack.api().headers(&[]);
    let get = async |path: &str| -> Response {
        let response = visitor.get(&format!("{}{path}", stack.base_url())).await;
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        let policy = response.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("http") && !policy.contains('*'), "{path}: {policy}");
        response
    };
    let page = get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let html = std::str::from_utf8(&page.body).unwrap();
    assert_eq!(attributes(html, "href"), [""; 0]);
    let scripts = attributes(html, "src");
    assert_eq!(scripts, ["/scalar.js", "/reference.js"]);
    for script in scripts {
        let script = get(script).await;
        assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
        assert!(!script.body.is_empty());
    }
    let script = get("/reference.js").await;
    let script = std::str::from_utf8(&script.body).unwrap();
    assert!(script.contains("url: \"/openapi.yaml\"") && !script.contains("http"), "{script}");
    let contract = get("/openapi.yaml").await;
    assert_eq!(contract.body, fs::read(workspace().join("openapi.yaml")).unwrap());
}

#[tokio::test]
async fn the_token_in_the_api_reference_is_valid() {
    let stack = TestStack::start().await;
    let script = stack.api().headers(&[]).get(&format!("{}/reference.js", stack.base_url())).await;
    let script = std::str::from_utf8(&script.body).unwrap();
    let token = script.split_once("token: \"").unwrap().1.split_once('"').unwrap().0;
    let visitor = stack.api().headers(&[("authorization", &format!("Bearer {token}"))]);
    assert_eq!(visitor.create(Form::upload()).await.status, 201);
}
