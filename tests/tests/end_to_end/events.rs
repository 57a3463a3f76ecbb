//! The sample events in `events/`: the real functions accept each of them.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use local::{
    csp::Token,
    function::{Deployment, Function, FunctionLimits, FunctionName},
};
use serde_json::{Value, json};
use shared::routes::{Operation, Permission};
use tests::stack::{MISSING_CUSTOMIZATION, TestStack, binaries};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events")
}

/// The name of the file with an event for `operation`: its name in kebab case and the event's shape.
fn file_name(operation: Operation, shape: &str) -> String {
    let mut name = String::new();
    for letter in format!("{operation:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    format!("{name}.{shape}.json")
}

/// The event `name` with a valid token and with `id` as its customization.
fn event(name: &str, id: &str) -> Value {
    let text =
        fs::read_to_string(directory().join(name)).unwrap().replace(MISSING_CUSTOMIZATION, id);
    let mut event: Value = serde_json::from_str(&text).unwrap();
    let token = format!("Bearer {}", Token::default().sign().unwrap());
    if name.ends_with(".rest.json") {
        assert_eq!(event["headers"]["Authorization"], "Bearer TOKEN");
        event["multiValueHeaders"]["Authorization"] = json!([token]);
        event["headers"]["Authorization"] = json!(token);
    } else {
        assert_eq!(event["headers"]["authorization"], "Bearer TOKEN");
        event["headers"]["authorization"] = json!(token);
    }
    event
}

async fn deploy(stack: &TestStack, name: FunctionName) -> Arc<Function> {
    let deployment = Deployment {
        name,
        binary: binaries().await.of(name).to_owned(),
        environment: stack.stack().environment().clone(),
        log: stack.directory().join(format!("{name}.log")),
        limits: FunctionLimits::AWS,
    };
    Function::start(deployment).await.unwrap()
}

async fn invoke(function: &Arc<Function>, event: &Value) -> Value {
    let response = function.invoke(event.to_string().into()).await.unwrap();
    serde_json::from_slice(&response).unwrap()
}

#[tokio::test]
async fn every_sample_event_is_accepted_by_its_function() {
    let stack = TestStack::start().await;
    let write = deploy(&stack, FunctionName::WriteCustomizations).await;
    let read = deploy(&stack, FunctionName::ReadCustomizations).await;
    let mut covered = BTreeSet::new();
    for shape in ["rest", "http"] {
        let mut send = async |operation: Operation, id: &str| {
            let function = match operation.route().permission {
                Permission::Write => &write,
                Permission::Read => &read,
            };
            let name = file_name(operation, shape);
            let response = invoke(function, &event(&name, id)).await;
            // A response to an HTTP API has the field `cookies`, one to a REST API does not.
            assert_eq!(response.get("cookies").is_some(), shape == "http", "{name}");
            covered.insert(name);
            let body = response["body"].as_str().unwrap();
            let body =
                if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
            (response["statusCode"].as_u64().unwrap(), response["headers"].clone(), body)
        };
        let (status, headers, created) = send(Operation::CreateCustomization, "").await;
        assert_eq!(status, 201, "{created}");
        let id = created["id"].as_str().unwrap();
        assert!(headers["location"].as_str().unwrap().ends_with(id));

        let (status, _, customization) = send(Operation::GetCustomization, id).await;
        assert_eq!((status, &customization["id"]), (200, &created["id"]));
        let (status, _, upload) = send(Operation::StartUpload, "").await;
        assert_eq!((status, &upload["upload"]["method"]), (201, &json!("PUT")), "{upload}");
        let (status, _, list) = send(Operation::ListCustomizations, "").await;
        assert_eq!((status, &list["items"][0]["id"]), (200, &created["id"]));
        assert_eq!(list["page_size"], 10);
        let (status, _, body) = send(Operation::UpdateCustomization, id).await;
        assert_eq!((status, body), (204, Value::Null));
        let (status, _, versions) = send(Operation::ListVersions, id).await;
        assert_eq!((status, &versions["items"][0]["version"]), (200, &json!("v2")));
        let (status, _, body) = send(Operation::RemoveCustomization, id).await;
        assert_eq!((status, body), (204, Value::Null));
        let (_, _, removed) = send(Operation::GetCustomization, id).await;
        assert_eq!((&removed["version"], &removed["status"]), (&json!("v2"), &json!("DELETED")));
        let (status, _, file) = send(Operation::GetFile, "").await;
        assert_eq!(status, 200, "{file}");
        assert!(
            file["url"].as_str().unwrap().contains(created["artifact"]["id"].as_str().unwrap())
        );
    }
    let entries = fs::read_dir(directory()).unwrap();
    let all: BTreeSet<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(covered, all, "every event is sent");
    for operation in Operation::ALL {
        assert!(all.contains(&file_name(*operation, "rest")), "{operation:?} has an event");
    }
}

#[tokio::test]
async fn an_event_with_an_invalid_body_is_refused() {
    const NOT_BASE64: &str = "the body is not valid base64";
    const NO_BOUNDARY: &str = "the body does not hold the boundary that the content type names";
    let stack = TestStack::start().await;
    let write = deploy(&stack, FunctionName::WriteCustomizations).await;
    let before = stack.contents().await;
    for name in ["create-customization.rest.json", "create-customization.http.json"] {
        let valid = event(name, "");
        let encoded = valid["body"].as_str().unwrap();
        let (head, tail) = encoded.split_at(76);
        for (body, is_base64, message) in [
            (json!("not base64!"), true, NOT_BASE64),
            (json!("héllo"), true, NOT_BASE64),
            (json!(&encoded[1..]), true, NOT_BASE64),
            (json!(format!("{head}\r\n{tail}")), true, NOT_BASE64),
            (json!(format!("{encoded}=")), true, NOT_BASE64),
            (json!("_-_-"), true, NOT_BASE64),
            (json!("\u{0}\u{1b}[2J\n"), true, NOT_BASE64),
            (json!(""), true, NO_BOUNDARY),
            (Value::Null, true, NO_BOUNDARY),
            (json!(encoded), false, NO_BOUNDARY),
            (Value::Null, false, NO_BOUNDARY),
        ] {
            let mut event = valid.clone();
            event["body"] = body;
            event["isBase64Encoded"] = json!(is_base64);
            let response = invoke(&write, &event).await;
            let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
            let violation = json!({"field": "body", "message": message});
            assert_eq!(body["violations"], json!([violation]), "{}", event["body"]);
            assert_eq!(response["statusCode"], 400);
        }
    }
    assert_eq!(stack.contents().await, before);
}
