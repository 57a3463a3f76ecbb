//! Reads the operations, parameters, bodies and headers of openapi.yaml.

use std::{collections::BTreeMap, fs};

use http::{Method, StatusCode};
use jsonschema::{Draft, Registry, RegistryBuilder, Validator};
use local::build::workspace;
use serde_json::{Value, json};

use super::{Contract, Field, FormSpec, Operation, ResponseSpec, ResponseSpecs};

/// Base URI of the document, for `$ref` in its schemas.
const URI: &str = "urn:contract";

const METHODS: [Method; 7] = [
    Method::GET,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
    Method::HEAD,
    Method::PATCH,
];

impl Contract {
    pub(super) fn read() -> Self {
        let document = document();
        let schemas = schemas(&document);
        let root = Node { document: &document, schemas: &schemas, pointer: String::new() };

        let paths = root.at("paths").expect("there are paths");
        let operations =
            paths.members().flat_map(|(path, item)| operations(&path, &item)).collect();
        let components = root.at("components").expect("there are components");
        let not_found =
            components.at("responses").and_then(|responses| responses.at("NoSuchRoute"));
        let not_found = not_found.expect("the response NoSuchRoute is documented").response();
        let security = components.at("securitySchemes").expect("there are security schemes");
        Self {
            operations,
            no_such_route: BTreeMap::from([(StatusCode::NOT_FOUND, not_found)]),
            credentials: security.members().map(|(_, scheme)| scheme.credential()).collect(),
        }
    }
}

fn document() -> Value {
    let text = fs::read_to_string(workspace().join("openapi.yaml")).expect("openapi.yaml exists");
    yaml_serde::from_str(&text).expect("openapi.yaml is YAML")
}

fn schemas(document: &Value) -> Registry<'_> {
    let schemas = Registry::new().add(URI, document).and_then(RegistryBuilder::prepare);
    schemas.expect("the schemas of openapi.yaml are valid")
}

fn operations(path: &str, item: &Node<'_>) -> Vec<Operation> {
    let operation = |method: Method| {
        let operation = item.at(&method.as_str().to_ascii_lowercase())?;
        let parameters = |location| {
            let lists = [item, &operation].into_iter().filter_map(|node| node.at("parameters"));
            let all = lists.flat_map(|list| list.members().collect::<Vec<_>>());
            let matching = all.filter(|(_, parameter)| parameter.text("in") == location);
            matching
                .map(|(_, parameter)| (parameter.text("name").to_owned(), parameter.field()))
                .collect()
        };
        let headers: BTreeMap<String, Field> = parameters("header");
        Some(Operation {
            path: path.to_owned(),
            path_parameters: parameters("path"),
            query_parameters: parameters("query"),
            headers: headers
                .into_iter()
                .map(|(name, field)| (name.to_ascii_lowercase(), field))
                .collect(),
            form: operation.at("requestBody").and_then(|body| body.form()),
            json: operation.at("requestBody").and_then(|body| body.json()),
            responses: operation.at("responses").expect("an operation has responses").responses(),
            method,
        })
    };
    METHODS.into_iter().filter_map(operation).collect()
}

/// A node of the document.
#[derive(Clone)]
struct Node<'a> {
    document: &'a Value,
    schemas: &'a Registry<'a>,
    /// The node's JSON Pointer.
    pointer: String,
}

impl<'a> Node<'a> {
    fn value(&self) -> &'a Value {
        self.document.pointer(&self.pointer).expect("the pointer of a node is valid")
    }

    /// The member `name`. Follows its `$ref` if it has one.
    fn at(&self, name: &str) -> Option<Self> {
        let name = name.replace('~', "~0").replace('/', "~1");
        let member = Self { pointer: format!("{}/{name}", self.pointer), ..self.clone() };
        let value = self.document.pointer(&member.pointer)?;
        match value["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
            Some(target) => Some(Self { pointer: target.to_owned(), ..member }),
            None => Some(member),
        }
    }

    fn members(&self) -> impl Iterator<Item = (String, Self)> {
        let names: Vec<String> = match self.value() {
            Value::Object(members) => members.keys().cloned().collect(),
            Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
            _ => Vec::new(),
        };
        names.into_iter().filter_map(|name| Some((name.clone(), self.at(&name)?)))
    }

    fn text(&self, name: &str) -> &'a str {
        self.value()[name].as_str().unwrap_or_default()
    }

    /// The validator of the member `schema`.
    fn schema(&self) -> Validator {
        let schema = self.at("schema").expect("the node has a schema");
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_registry(self.schemas)
            .should_validate_formats(true)
            .build(&json!({ "$ref": format!("{URI}#{}", schema.pointer) }))
            .expect("the schema is valid")
    }

    fn field(&self) -> Field {
        Field { required: self.value()["required"] == true, schema: self.schema() }
    }

    /// The schema of a body in JSON.
    fn json(&self) -> Option<Validator> {
        Some(self.at("content")?.at("application/json")?.schema())
    }

    fn form(&self) -> Option<FormSpec> {
        let form = self.at("content")?.at("multipart/form-data")?;
        let parts =
            form.at("encoding").into_iter().flat_map(|parts| parts.members().collect::<Vec<_>>());
        let json = parts.filter(|(_, part)| part.text("contentType") == "application/json");
        Some(FormSpec { schema: form.schema(), json: json.map(|(name, _)| name).collect() })
    }

    fn responses(&self) -> ResponseSpecs {
        let status = |text: String| text.parse().expect("a status code");
        self.members().map(|(name, response)| (status(name), response.response())).collect()
    }

    fn response(&self) -> ResponseSpec {
        let members = |name| self.at(name).map(|node| node.members().collect::<Vec<_>>());
        let headers = members("headers").unwrap_or_default().into_iter();
        let content = members("content").unwrap_or_default().into_iter();
        ResponseSpec {
            headers: headers
                .map(|(name, node)| (name.to_ascii_lowercase(), node.field()))
                .collect(),
            content: content.map(|(name, node)| (name, node.schema())).collect(),
        }
    }

    /// The header with the credentials of a security scheme.
    fn credential(&self) -> String {
        match self.text("type") {
            "apiKey" => self.text("name").to_ascii_lowercase(),
            _ => "authorization".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_matches_its_schema() {
        let document = document();
        let schemas = schemas(&document);
        let root = Node { document: &document, schemas: &schemas, pointer: String::new() };
        let shared = root.at("components").and_then(|components| components.at("responses"));
        let operations = root.at("paths").unwrap();
        let own = operations.members().flat_map(|(_, item)| item.members().collect::<Vec<_>>());
        let own = own.filter_map(|(_, operation)| operation.at("responses"));
        let mut examples = 0;
        for (name, response) in own.chain(shared).flat_map(|all| all.members().collect::<Vec<_>>())
        {
            let content = response.at("content").into_iter();
            for (_, content) in content.flat_map(|content| content.members().collect::<Vec<_>>()) {
                for (_, example) in content.at("examples").expect("an example").members() {
                    let value = &example.value()["value"];
                    let violations: Vec<_> =
                        content.schema().iter_errors(value).map(|e| e.to_string()).collect();
                    assert_eq!(violations, [""; 0], "{name}: {value}");
                    examples += 1;
                }
            }
        }
        assert!(examples > 20, "{examples}");
    }
}
