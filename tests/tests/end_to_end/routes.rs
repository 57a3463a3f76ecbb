//! The routes: those of the contract, of the template, of `cargo lambda watch` and of the gateway
//! here are the same.

use std::{collections::BTreeSet, fs, process::Command};

use local::{
    build::workspace,
    gateway::{ROUTES, Route, STAGE},
};
use serde_json::Value as Json;
use yaml_serde::Value as Yaml;

/// A route: its method, its path, and the function that answers.
type Routes = BTreeSet<(String, String, String)>;

fn yaml(file: &str) -> Yaml {
    yaml_serde::from_str(&fs::read_to_string(workspace().join(file)).unwrap()).unwrap()
}

fn members(value: &Yaml) -> Vec<(&str, &Yaml)> {
    let Yaml::Mapping(members) = value else { panic!("{value:?}") };
    members.iter().map(|(name, value)| (name.as_str().unwrap(), value)).collect()
}

fn of_the_gateway() -> Routes {
    let route = |route: &Route| {
        let path = format!("/{STAGE}{}", route.resource);
        (route.method.to_string(), path, route.function.to_string())
    };
    ROUTES.iter().map(route).collect()
}

#[test]
fn the_template_has_the_gateways_routes() {
    let template = yaml("template.yaml");
    let mut routes = Routes::new();
    for (_, resource) in members(&template["Resources"]) {
        if resource["Type"] == "AWS::Serverless::Function" {
            for (_, event) in members(&resource["Properties"]["Events"]) {
                let text = |name: &str| event["Properties"][name].as_str().unwrap();
                let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
                let path = format!("/{STAGE}{}", text("Path"));
                routes.insert((text("Method").to_owned(), path, binary.to_owned()));
            }
        }
    }
    assert_eq!(routes, of_the_gateway());
    assert_eq!(template["Resources"]["Api"]["Properties"]["StageName"], STAGE);
}

#[test]
fn cargo_lambda_has_the_gateways_routes() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = cargo.current_dir(workspace()).output().unwrap();
    let metadata: Json = serde_json::from_slice(&output.stdout).unwrap();
    let mut routes = Routes::new();
    for (path, targets) in metadata["metadata"]["lambda"]["watch"]["router"].as_object().unwrap() {
        for target in targets.as_array().unwrap() {
            let text = |name: &str| target[name].as_str().unwrap().to_owned();
            routes.insert((text("method"), path.clone(), text("function")));
        }
    }
    assert_eq!(routes, of_the_gateway());
}

#[test]
fn the_contract_has_the_gateways_routes() {
    const METHODS: [&str; 8] =
        ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let contract = yaml("openapi.yaml");
    let mut routes = BTreeSet::new();
    for (path, item) in members(&contract["paths"]) {
        for (method, _) in members(item) {
            if METHODS.contains(&method) {
                routes.insert((method.to_ascii_uppercase(), path.to_owned()));
            }
        }
    }
    let gateway: BTreeSet<_> =
        of_the_gateway().into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(routes, gateway);
}
