//! The format of the JSON file that an import reads.
//!
#![doc = concat!("```json\n", include_str!("catalog_file/example.json"), "```")]
//!
//! Each list is optional. The fields are those of the types in [`shared::domain`]; a field that is
//! an [`Option`] there is optional. The references of an application must be in the file or in the
//! table.

use std::{collections::HashSet, fmt};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use shared::domain::{Application, BaseImage, Catalog, Id, Product, Registry};

/// An example of a file, with one record of each type.
pub const EXAMPLE: &str = include_str!("catalog_file/example.json");

/// The content of a file. It is valid, but not yet checked against the table.
#[derive(Clone, Debug, Default)]
pub struct CatalogFile {
    /// The base images.
    pub base_images: Vec<BaseImage>,
    /// The products.
    pub products: Vec<Product>,
    /// The registries.
    pub registries: Vec<Registry>,
    /// The catalogs with their applications, in the order of the file.
    pub catalogs: Vec<CatalogEntry>,
}

/// A catalog and its applications.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    /// The catalog.
    pub catalog: Catalog,
    /// Its applications.
    pub applications: Vec<Application>,
}

/// An error in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The path of the field, such as `catalogs[0].applications[2].branch`.
    pub path: String,
    /// The reason why the field is invalid.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl CatalogFile {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// Returns all errors of the file.
    pub fn parse(json: &str) -> Result<Self, Vec<FieldError>> {
        let mut reader = Reader::default();
        let file = match serde_json::from_str(json) {
            Ok(Value::Object(file)) => reader.file(file),
            Ok(_) => {
                reader.error("file", "must be a JSON object");
                Self::default()
            }
            Err(error) => {
                reader.error("file", format!("is not JSON: {error}"));
                Self::default()
            }
        };
        if reader.errors.is_empty() { Ok(file) } else { Err(reader.errors) }
    }
}

/// Parses a file and collects its errors.
#[derive(Default)]
struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.errors.push(FieldError { path: path.into(), message: message.into() });
    }

    fn file(&mut self, mut file: Map<String, Value>) -> CatalogFile {
        let base_images = self.list("base_images", file.remove("base_images"));
        let products = self.list("products", file.remove("products"));
        let registries = self.list("registries", file.remove("registries"));
        self.unique("base_images", "id", base_images.iter().map(|image: &BaseImage| &image.id));
        self.unique("products", "key", products.iter().map(|product: &Product| &product.key));
        self.unique("registries", "id", registries.iter().map(|registry: &Registry| &registry.id));

        let mut catalogs = Vec::new();
        for (index, value) in
            self.values("catalogs", file.remove("catalogs")).into_iter().enumerate()
        {
            catalogs.extend(self.catalog(&format!("catalogs[{index}]"), value));
        }
        let ids = catalogs.iter().map(|entry: &CatalogEntry| &entry.catalog.id);
        self.unique("catalogs", "id", ids);
        for key in file.keys() {
            let expected = "a file has base_images, products, registries and catalogs";
            self.error(key, format!("is unknown; {expected}"));
        }
        CatalogFile { base_images, products, registries, catalogs }
    }

    fn catalog(&mut self, path: &str, mut value: Value) -> Option<CatalogEntry> {
        let applications = value.as_object_mut().and_then(|catalog| catalog.remove("applications"));
        let catalog = self.record(path, value);
        let path = format!("{path}.applications");
        let applications: Vec<Application> = self.list(&path, applications);
        let ids = applications.iter().map(|application| &application.application_id);
        self.unique(&path, "application_id", ids);
        Some(CatalogEntry { catalog: catalog?, applications })
    }

    /// Returns the values of the optional list at `path`.
    fn values(&mut self, path: &str, list: Option<Value>) -> Vec<Value> {
        match list {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.error(path, "must be a list");
                Vec::new()
            }
        }
    }

    /// Returns the valid records of the list at `path`.
    fn list<T: DeserializeOwned>(&mut self, path: &str, list: Option<Value>) -> Vec<T> {
        let values = self.values(path, list);
        let records = values
            .into_iter()
            .enumerate()
            .filter_map(|(index, value)| self.record(&format!("{path}[{index}]"), value));
        records.collect()
    }

    /// Returns the record at `path`, if it is valid.
    fn record<T: DeserializeOwned>(&mut self, path: &str, value: Value) -> Option<T> {
        let mut track = serde_path_to_error::Track::new();
        let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
        let mut unknown = Vec::new();
        let record =
            serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string()));
        for field in unknown {
            self.error(format!("{path}.{field}"), "is unknown");
        }
        match record {
            Ok(record) => Some(record),
            Err(error) => {
                let path = match track.path().to_string().as_str() {
                    "." => path.to_owned(),
                    field => format!("{path}.{field}"),
                };
                self.error(path, error.to_string());
                None
            }
        }
    }

    /// Reports duplicate identifiers in the list at `path`.
    fn unique<'a>(&mut self, path: &str, field: &str, ids: impl Iterator<Item = &'a Id>) {
        let mut seen = HashSet::new();
        let duplicates: Vec<&Id> = ids.filter(|&id| !seen.insert(id)).collect();
        for id in duplicates {
            self.error(path, format!("{field} {id} is given more than once"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(json: &str) -> Vec<String> {
        CatalogFile::parse(json).unwrap_err().iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn the_documented_example_is_parsed() {
        let file = CatalogFile::parse(EXAMPLE).unwrap();
        assert_eq!(file.catalogs[0].applications[0].branch.as_str(), "2");
        assert!(CatalogFile::parse("{}").is_ok(), "every list may be left out");
    }

    #[test]
    fn every_error_is_reported_with_its_path() {
        let json = r#"{
            "base_images": [{"id": "a", "name": 1}, {"id": "a#b", "name": ""}, {"id": "c", "name": "", "nmae": ""}],
            "products": {},
            "registries": [{"id": "a", "name": "", "url": ""}, {"id": "a", "name": "", "url": ""}],
            "catalogs": [
                {"id": "c", "applications": [{"application_id": "a"}]},
                {"id": "c", "org_id": "o", "color": "red", "applications.x": 1, "applications": {}},
                7
            ],
            "catalog": []
        }"#;
        let id = "must be 1 to 128 characters of at most 252 bytes, none of them \
            `#`, `/`, `\\`, `%` or a control character";
        assert_eq!(
            errors(json),
            [
                "base_images[0].name: invalid type: integer `1`, expected a string".to_owned(),
                format!("base_images[1].id: {id}"),
                "base_images[2].nmae: is unknown".to_owned(),
                "products: must be a list".to_owned(),
                "registries: id a is given more than once".to_owned(),
                "catalogs[0]: missing field `org_id`".to_owned(),
                "catalogs[0].applications[0]: missing field `product_key`".to_owned(),
                "catalogs[1].applications.x: is unknown".to_owned(),
                "catalogs[1].color: is unknown".to_owned(),
                "catalogs[1].applications: must be a list".to_owned(),
                "catalogs[2]: invalid type: integer `7`, expected struct Catalog".to_owned(),
                "catalog: is unknown; a file has base_images, products, registries and catalogs"
                    .to_owned(),
            ],
        );
    }

    #[test]
    fn json_other_than_an_object_is_refused() {
        assert_eq!(errors("[]"), ["file: must be a JSON object"]);
        assert_eq!(
            errors("{"),
            ["file: is not JSON: EOF while parsing an object at line 1 column 1"]
        );
    }
}
