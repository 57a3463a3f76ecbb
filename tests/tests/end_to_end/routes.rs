//! The routes: the gateway here has those of the template, which the gate compares with those of the
//! contract and of `cargo lambda watch`.

use std::{collections::BTreeSet, fs};

use local::build::workspace;
use shared::routes::{BASE_PATH, Operation, Route};
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

fn route_table() -> Routes {
    let routes = Operation::ALL.iter().map(|operation| operation.route());
    let row = |route: Route| {
        (route.method.to_string(), route.path(), route.permission.function().to_owned())
    };
    routes.map(row).collect()
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
                let path = format!("{BASE_PATH}{}", text("Path"));
                routes.insert((text("Method").to_owned(), path, binary.to_owned()));
            }
        }
    }
    assert_eq!(routes, route_table());
    let stage = template["Resources"]["Api"]["Properties"]["StageName"].as_str().unwrap();
    assert_eq!(format!("/{stage}"), BASE_PATH);
}
