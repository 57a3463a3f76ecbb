//! The table's items: their keys, and what each of them holds.
//!
//! | item | `PK` | `SK` |
//! | --- | --- | --- |
//! | catalog | `CATALOG#<id>` | `CATALOG` |
//! | application | `CATALOG#<id>` | `APPLICATION#<product>#<branch>#<base image>#<id>` |
//! | customization | `CATALOG#<id>` | `CUSTOMIZATION#<id>` |
//! | receipt | `CATALOG#<id>` | `IDEMPOTENCY#<sha-256 of the key>` |
//! | build result | `CUSTOMIZATION#<id>` | `BUILD#<application>` |
//! | base image | `BASE_IMAGE#<id>` | `BASE_IMAGE` |
//! | product | `PRODUCT#<key>` | `PRODUCT` |
//! | registry | `REGISTRY#<id>` | `REGISTRY` |

use std::{collections::HashMap, fmt};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};

use super::StoreError;
use crate::{
    catalog::{Application, BaseImage, Catalog, Product, Registry},
    customization::{BuildResult, Filter},
    id::{CustomizationId, Digest, Id},
};

pub(super) type Item = HashMap<String, AttributeValue>;

/// What identifies an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    pub(super) fn catalog(id: &Id) -> Self {
        Self { pk: catalog_partition(id), sk: "CATALOG".to_owned() }
    }

    fn application(catalog: &Id, application: &Application) -> Self {
        let Application { product_key, branch, base_image_id, application_id, .. } = application;
        let sk = format!("APPLICATION#{product_key}#{branch}#{base_image_id}#{application_id}");
        Self { pk: catalog_partition(catalog), sk }
    }

    pub(super) fn customization(catalog: &Id, id: CustomizationId) -> Self {
        Self { pk: catalog_partition(catalog), sk: format!("CUSTOMIZATION#{id}") }
    }

    pub(super) fn receipt(catalog: &Id, idempotency_key: Digest) -> Self {
        Self { pk: catalog_partition(catalog), sk: format!("IDEMPOTENCY#{idempotency_key}") }
    }

    pub(super) fn build_result(customization: CustomizationId, application: &Id) -> Self {
        Self { pk: customization_partition(customization), sk: format!("BUILD#{application}") }
    }

    pub(super) fn base_image(id: &Id) -> Self {
        Self { pk: format!("BASE_IMAGE#{id}"), sk: "BASE_IMAGE".to_owned() }
    }

    pub(super) fn product(key: &Id) -> Self {
        Self { pk: format!("PRODUCT#{key}"), sk: "PRODUCT".to_owned() }
    }

    pub(super) fn registry(id: &Id) -> Self {
        Self { pk: format!("REGISTRY#{id}"), sk: "REGISTRY".to_owned() }
    }

    /// The key as a request gives it.
    pub(super) fn attributes(&self) -> Item {
        HashMap::from([
            ("PK".to_owned(), AttributeValue::S(self.pk.clone())),
            ("SK".to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }

    /// The key of `item`, as far as it has one.
    pub(super) fn of(item: &Item) -> Self {
        let text = |name| match item.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        Self { pk: text("PK"), sk: text("SK") }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pk, self.sk)
    }
}

/// The partition of a catalog and of what belongs to it.
pub(super) fn catalog_partition(id: &Id) -> String {
    format!("CATALOG#{id}")
}

/// The partition of a customization's build results.
pub(super) fn customization_partition(id: CustomizationId) -> String {
    format!("CUSTOMIZATION#{id}")
}

/// What every build result's sort key begins with.
pub(super) const BUILD_RESULTS: &str = "BUILD#";

/// What the sort keys of all applications that `filter` matches begin with. Others may begin so
/// too where the filter names a base image without a branch.
pub(super) fn applications_prefix(filter: Option<&Filter>) -> String {
    let mut prefix = "APPLICATION#".to_owned();
    let Some(filter) = filter else { return prefix };
    let (product, branch) = (filter.product_key(), filter.branch());
    let base_image = branch.and(filter.base_image_id());
    for part in [product, branch, base_image].into_iter().map_while(|part| part) {
        prefix += part.as_str();
        prefix.push('#');
    }
    prefix
}

/// `record` as the item at `key`.
pub(super) fn write(key: &Key, record: &impl Serialize) -> Result<Item, StoreError> {
    let mut item: Item =
        to_item(record).map_err(|source| StoreError::Corrupt { key: key.to_string(), source })?;
    item.extend(key.attributes());
    Ok(item)
}

/// The record that `item` holds.
pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let key = Key::of(&item);
    from_item(item).map_err(|source| StoreError::Corrupt { key: key.to_string(), source })
}

/// A record that is imported.
#[derive(Clone, Debug)]
pub enum Record {
    /// A catalog.
    Catalog(Catalog),
    /// An application of a catalog.
    Application {
        /// The catalog.
        catalog_id: Id,
        /// The application.
        application: Application,
    },
    /// A base image.
    BaseImage(BaseImage),
    /// A product.
    Product(Product),
    /// A registry.
    Registry(Registry),
}

impl Record {
    pub(super) fn to_item(&self) -> Result<Item, StoreError> {
        match self {
            Self::Catalog(catalog) => write(&Key::catalog(&catalog.id), catalog),
            Self::Application { catalog_id, application } => {
                write(&Key::application(catalog_id, application), application)
            }
            Self::BaseImage(image) => write(&Key::base_image(&image.id), image),
            Self::Product(product) => write(&Key::product(&product.key), product),
            Self::Registry(registry) => write(&Key::registry(&registry.id), registry),
        }
    }
}

/// `result` as an item of the customization `id`.
pub(super) fn build_result(id: CustomizationId, result: &BuildResult) -> Result<Item, StoreError> {
    write(&Key::build_result(id, &result.application_id), result)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_is_as_long_a_prefix_as_its_parts_allow() {
        for (filter, prefix) in [
            (json!({"product_key": "kafka"}), "APPLICATION#kafka#"),
            (json!({"product_key": "kafka", "branch": "2"}), "APPLICATION#kafka#2#"),
            (
                json!({"product_key": "kafka", "branch": "2", "base_image_id": "debian"}),
                "APPLICATION#kafka#2#debian#",
            ),
            (json!({"product_key": "kafka", "base_image_id": "debian"}), "APPLICATION#kafka#"),
            (json!({"base_image_id": "debian"}), "APPLICATION#"),
        ] {
            let filter: Filter = serde_json::from_value(filter).unwrap();
            assert_eq!(applications_prefix(Some(&filter)), prefix);
        }
        assert_eq!(applications_prefix(None), "APPLICATION#");
    }

    #[test]
    fn the_longest_sort_key_is_one_that_dynamodb_takes() {
        let longest = "𝄞".repeat(63);
        assert!(format!("{longest}a").parse::<Id>().is_err());
        let application = json!({
            "application_id": longest, "product_key": longest, "branch": longest,
            "base_image_id": longest, "registry_id": "r",
        });
        let application = serde_json::from_value(application).unwrap();
        let key = Key::application(&"c".parse().unwrap(), &application);
        assert!((1_000..=1_024).contains(&key.sk.len()), "{} bytes", key.sk.len());
    }

    #[test]
    fn a_corrupt_item_is_named_by_its_key() {
        let item = Key::product(&"kafka".parse().unwrap()).attributes();
        let error = read::<Product>(item).unwrap_err();
        assert_eq!(error.to_string(), "the item PRODUCT#kafka PRODUCT is corrupt");
    }
}
