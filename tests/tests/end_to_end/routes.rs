//! The route table, compared with `template.yaml`, `openapi.yaml` and the router of `cargo lambda
//! watch` in `Cargo.toml`.

use std::{collections::BTreeSet, fs};

use local::build::workspace;
use shared::routes::{BASE_PATH, Operation, Route};
use yaml_serde::Value as Yaml;

/// Method, path and function of each route.
type Routes = BTreeSet<(String, String, String)>;

fn text(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).unwrap()
}

fn yaml(file: &str) -> Yaml {
    yaml_serde::from_str(&text(file)).unwrap()
}

fn members(value: &Yaml) -> Vec<(&str, &Yaml)> {
    let Yaml::Mapping(members) = value else { panic!("{value:?}") };
    members.iter().map(|(name, value)| (name.as_str().unwrap(), value)).collect()
}

fn route_table() -> Routes {
    let routes = Operation::ALL.iter().map(|operation| operation.route());
    let row = |route: Route| {
        (route.method.to_string(), route.path(), route.permission.function().to_owned())
    };
    routes.map(row).collect()
}

#[test]
fn the_template_has_the_routes_of_the_table() {
    let template = yaml("template.yaml");
    let mut routes = Routes::new();
    for (_, resource) in members(&template["Resources"]) {
        if resource["Type"] == "AWS::Serverless::Function" {
            for (_, event) in members(&resource["Properties"]["Events"]) {
                let text = |name: &str| event["Properties"][name].as_str().unwrap();
                let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
                let path = format!("{BASE_PATH}{}", text("Path"));
                routes.insert((text("Method").to_owned(), path, binary.to_owned()));
            }
        }
    }
    assert_eq!(routes, route_table());
    let stage = template["Resources"]["Api"]["Properties"]["StageName"].as_str().unwrap();
    assert_eq!(format!("/{stage}"), BASE_PATH);
}

#[test]
fn the_contract_has_the_routes_of_the_table() {
    let contract = yaml("openapi.yaml");
    let is_method = |name: &str| name.chars().all(|c| c.is_ascii_lowercase()) && name.len() < 8;
    let mut routes = BTreeSet::new();
    for (path, item) in members(&contract["paths"]) {
        let methods = members(item).into_iter().map(|(name, _)| name);
        let methods =
            methods.filter(|name| is_method(name) && *name != "summary" && *name != "servers");
        routes.extend(methods.map(|method| (method.to_uppercase(), path.to_owned())));
    }
    let table: BTreeSet<_> =
        route_table().into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(routes, table);
}

#[test]
fn cargo_lambda_watch_has_the_routes_of_the_table() {
    let manifest = text("Cargo.toml");
    let section = manifest.split("[workspace.metadata.lambda.watch.router]\n").nth(1).unwrap();
    let mut routes = Routes::new();
    for line in section.lines().take_while(|line| !line.starts_with('[')) {
        // "PATH" = [{ method = "METHOD", function = "FUNCTION" }, …]
        let mut quoted = line.split('"').skip(1).step_by(2).map(str::to_owned);
        let Some(path) = quoted.next() else { continue };
        while let (Some(method), Some(function)) = (quoted.next(), quoted.next()) {
            routes.insert((method, path.clone(), function));
        }
    }
    assert_eq!(routes, route_table());
}
