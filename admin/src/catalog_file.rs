//! The file that catalogs are loaded from.
//!
#![doc = concat!("```json\n", include_str!("catalog_file/example.json"), "```")]
//!
//! Each list may be left out, as may what is an [`Option`] in [`shared::catalog`], where every
//! field is described. What an application refers to is in the file, or in the table already.

use std::{collections::HashSet, fmt};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use shared::{
    catalog::{Application, BaseImage, Catalog, Product, Registry},
    id::Id,
};

/// A file with one of each.
pub const EXAMPLE: &str = include_str!("catalog_file/example.json");

/// What a file holds, checked as far as the file alone tells.
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

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: `catalogs[0].applications[2].branch`.
    pub place: String,
    /// What.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl CatalogFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(json: &str) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::default();
        let file = match serde_json::from_str(json) {
            Ok(Value::Object(file)) => reader.file(file),
            Ok(_) => {
                reader.fault("file", "must be a JSON object");
                Self::default()
            }
            Err(error) => {
                reader.fault("file", format!("is not JSON: {error}"));
                Self::default()
            }
        };
        if reader.faults.is_empty() { Ok(file) } else { Err(reader.faults) }
    }
}

/// Collects faults while it reads on.
#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault { place: place.into(), message: message.into() });
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
            let known = "a file has base_images, products, registries and catalogs";
            self.fault(key, format!("is unknown; {known}"));
        }
        CatalogFile { base_images, products, registries, catalogs }
    }

    fn catalog(&mut self, place: &str, mut value: Value) -> Option<CatalogEntry> {
        let applications = value.as_object_mut().and_then(|catalog| catalog.remove("applications"));
        let catalog = self.record(place, value);
        let place = format!("{place}.applications");
        let applications: Vec<Application> = self.list(&place, applications);
        let ids = applications.iter().map(|application| &application.application_id);
        self.unique(&place, "application_id", ids);
        Some(CatalogEntry { catalog: catalog?, applications })
    }

    /// The values of the list at `place`, which may be left out.
    fn values(&mut self, place: &str, list: Option<Value>) -> Vec<Value> {
        match list {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.fault(place, "must be a list");
                Vec::new()
            }
        }
    }

    /// The records of the list at `place`, without those that are at fault.
    fn list<T: DeserializeOwned>(&mut self, place: &str, list: Option<Value>) -> Vec<T> {
        let values = self.values(place, list);
        let records = values
            .into_iter()
            .enumerate()
            .filter_map(|(index, value)| self.record(&format!("{place}[{index}]"), value));
        records.collect()
    }

    /// The record at `place`, if it is one.
    fn record<T: DeserializeOwned>(&mut self, place: &str, value: Value) -> Option<T> {
        let mut track = serde_path_to_error::Track::new();
        let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
        let mut unknown = Vec::new();
        let record =
            serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string()));
        for field in unknown {
            self.fault(format!("{place}.{field}"), "is unknown");
        }
        match record {
            Ok(record) => Some(record),
            Err(error) => {
                let place = match track.path().to_string().as_str() {
                    "." => place.to_owned(),
                    field => format!("{place}.{field}"),
                };
                self.fault(place, error.to_string());
                None
            }
        }
    }

    /// Tells of every identifier in the list at `place` that an earlier one has, too.
    fn unique<'a>(&mut self, place: &str, field: &str, ids: impl Iterator<Item = &'a Id>) {
        let mut seen = HashSet::new();
        let doubled: Vec<&Id> = ids.filter(|&id| !seen.insert(id)).collect();
        for id in doubled {
            self.fault(place, format!("{field} {id} is given more than once"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: &str) -> Vec<String> {
        CatalogFile::parse(json).unwrap_err().iter().map(Fault::to_string).collect()
    }

    #[test]
    fn the_documented_example_is_read() {
        let file = CatalogFile::parse(EXAMPLE).unwrap();
        assert_eq!(file.catalogs[0].applications[0].branch.as_str(), "2");
        assert!(CatalogFile::parse("{}").is_ok(), "every list may be left out");
    }

    #[test]
    fn every_fault_is_found_with_its_place() {
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
            faults(json),
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
    fn what_is_no_json_object_is_refused() {
        assert_eq!(faults("[]"), ["file: must be a JSON object"]);
        assert_eq!(
            faults("{"),
            ["file: is not JSON: EOF while parsing an object at line 1 column 1"]
        );
    }
}
