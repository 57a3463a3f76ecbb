//! The API reference: a page that loads nothing that the stack does not serve.

use std::fs;

use local::build::workspace;
use tests::{api::Answer, form::Form, stack::TestStack};

/// What the attribute `name` of the tags in `html` holds.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(&start)
        .skip(1)
        .map(|rest| rest.split_once('"').expect("a closed attribute").0)
        .collect()
}

#[tokio::test]
async fn the_page_at_the_root_loads_what_the_stack_serves_and_nothing_else() {
    let stack = TestStack::start().await;
    let visitor = stack.api().headers(&[]);
    let get = async |path: &str| -> Answer {
        let answer = visitor.get(&format!("{}{path}", stack.base_url())).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("http") && !policy.contains('*'), "{path}: {policy}");
        answer
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
    let start = get("/reference.js").await;
    let start = std::str::from_utf8(&start.body).unwrap();
    assert!(start.contains("url: \"/openapi.yaml\"") && !start.contains("http"), "{start}");
    let contract = get("/openapi.yaml").await;
    assert_eq!(contract.body, fs::read(workspace().join("openapi.yaml")).unwrap());
}

#[tokio::test]
async fn the_token_in_the_page_is_good() {
    let stack = TestStack::start().await;
    let start = stack.api().headers(&[]).get(&format!("{}/reference.js", stack.base_url())).await;
    let start = std::str::from_utf8(&start.body).unwrap();
    let token = start.split_once("token: \"").unwrap().1.split_once('"').unwrap().0;
    let visitor = stack.api().headers(&[("authorization", &format!("Bearer {token}"))]);
    assert_eq!(visitor.create(Form::upload()).await.status, 201);
}
