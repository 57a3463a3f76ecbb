//! The functions in `template.yaml`: their environment variables and IAM actions match the code.

use std::{collections::BTreeSet, fs};

use local::{
    build::workspace,
    environment::Environment,
    function::{Deployment, Function, FunctionLimits, FunctionName},
};
use tests::stack::{TestStack, binaries};
use yaml_serde::Value as Yaml;

/// A variable that the C library reads, not the functions.
const READ_BY_LIBC: &str = "MALLOC_MMAP_THRESHOLD_";

/// A variable that replaces `CSP_JWKS_URL`: the functions require exactly one of both.
const ALTERNATIVE_TO_JWKS_URL: &str = "CSP_JWKS";

/// The functions start without it.
const OPTIONAL: &str = "CSP_AUDIENCES";

fn template() -> Yaml {
    let text = fs::read_to_string(workspace().join("template.yaml")).unwrap();
    yaml_serde::from_str(&text).unwrap()
}

/// The template's resource of a function.
fn resource(template: &Yaml, function: FunctionName) -> &Yaml {
    let Yaml::Mapping(resources) = &template["Resources"] else { panic!("no resources") };
    let is_function = |resource: &&Yaml| {
        resource["Metadata"]["BuildProperties"]["Binary"].as_str() == Some(function.as_str())
    };
    resources.values().find(is_function).expect("the template has the function")
}

fn variables(variables: &Yaml) -> BTreeSet<String> {
    let Yaml::Mapping(variables) = &variables["Environment"]["Variables"] else {
        panic!("no variables")
    };
    variables.keys().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_function_requires_exactly_the_variables_of_the_template() {
    let stack = TestStack::start().await;
    let template = template();
    for function in FunctionName::ALL {
        let mut names = variables(&template["Globals"]["Function"]);
        names.extend(variables(&resource(&template, function)["Properties"]));
        for name in [READ_BY_LIBC, ALTERNATIVE_TO_JWKS_URL, OPTIONAL] {
            assert!(names.remove(name), "the template sets {name}");
        }
        let environment = |without: Option<&str>| {
            let mut environment = Environment::default();
            let complete = stack.stack().environment();
            for (name, value) in complete.iter() {
                let is_set = name.starts_with("AWS_") || names.contains(name);
                if is_set && Some(name) != without {
                    environment.set(name, value);
                }
            }
            environment
        };
        let start = async |environment| {
            let deployment = Deployment {
                name: function,
                binary: binaries().await.of(function).to_owned(),
                environment,
                log: stack.directory().join(format!("{function}.log")),
                limits: FunctionLimits::AWS,
            };
            Function::start(deployment).await.map(|function| function.stop())
        };
        start(environment(None)).await.expect("the template's variables are enough");
        for name in &names {
            let error = start(environment(Some(name))).await.expect_err(name).to_string();
            assert!(error.contains(name.as_str()), "{function} without {name}: {error}");
        }
    }
}

#[test]
fn each_role_allows_exactly_the_actions_of_its_function() {
    let template = template();
    for (function, actions) in [
        (FunctionName::WriteCustomizations, &write_customizations::ACTIONS[..]),
        (FunctionName::ReadCustomizations, &read_customizations::ACTIONS),
    ] {
        let policies = &resource(&template, function)["Properties"]["Policies"];
        let statements = policies[0]["Statement"].as_sequence().expect("statements");
        let allowed = statements.iter().map(|statement| statement["Action"].as_str().unwrap());
        let allowed: BTreeSet<_> = allowed.collect();
        assert_eq!(allowed, actions.iter().copied().collect(), "{function}");
    }
}
