//! The keys of the table, and the conversion between records and items.
//!
//! | item | `PK` | `SK` |
//! | --- | --- | --- |
//! | catalog | `CATALOG#<id>` | `CATALOG` |
//! | application | `CATALOG#<id>` | `APPLICATION#<product>#<branch>#<base image>#<id>` |
//! | customization | `CUSTOMIZATIONS#<catalog>` | `CUSTOMIZATION#<id>` |
//! | earlier version | `CUSTOMIZATIONS#<catalog>` | `VERSION#<id>#<number, ten digits>` |
//! | idempotency record | `CUSTOMIZATIONS#<catalog>` | `IDEMPOTENCY#<sha-256 of user and key>` |
//! | build result | `CUSTOMIZATION#<id>` | `BUILD#<application>` |
//! | base image | `BASE_IMAGE#<id>` | `BASE_IMAGE` |
//! | product | `PRODUCT#<key>` | `PRODUCT` |
//! | registry | `REGISTRY#<id>` | `REGISTRY` |
//!
//! Customers write only `CUSTOMIZATIONS#…` partitions. Only the operator writes the others. So the
//! IAM role of the write function can be limited to `CUSTOMIZATIONS#…` partitions
//! (`dynamodb:LeadingKeys`). Then the function can change neither the owner of a catalog nor a
//! build result.

use std::{collections::HashMap, fmt};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

use super::error::StorageError;
use crate::domain::{Application, CustomizationId, Digest, Filter, Id, Version};

/// The attributes of an item, by name.
pub type Item = HashMap<String, AttributeValue>;

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    partition: String,
    sort: String,
}

impl Key {
    /// The key of a catalog.
    #[must_use]
    pub fn catalog(id: &Id) -> Self {
        Self { partition: catalog_partition(id), sort: "CATALOG".to_owned() }
    }

    /// The key of an application.
    #[must_use]
    pub fn application(catalog_id: &Id, application: &Application) -> Self {
        let Application { product_key, branch, base_image_id, application_id, .. } = application;
        let sort = format!("APPLICATION#{product_key}#{branch}#{base_image_id}#{application_id}");
        Self { partition: catalog_partition(catalog_id), sort }
    }

    /// The key of a customization.
    #[must_use]
    pub fn customization(catalog_id: &Id, id: CustomizationId) -> Self {
        Self {
            partition: customizations_partition(catalog_id),
            sort: format!("{CUSTOMIZATIONS_PREFIX}{id}"),
        }
    }

    /// The key of an earlier version of a customization.
    #[must_use]
    pub fn version(catalog_id: &Id, id: CustomizationId, version: Version) -> Self {
        let prefix = versions_prefix(id);
        // Ten digits hold every number, so that text sorts like numbers.
        let sort = format!("{prefix}{:010}", version.number());
        Self { partition: customizations_partition(catalog_id), sort }
    }

    /// The key of an idempotency record.
    #[must_use]
    pub fn idempotency_record(catalog_id: &Id, key: Digest) -> Self {
        Self { partition: customizations_partition(catalog_id), sort: format!("IDEMPOTENCY#{key}") }
    }

    /// The key of a build result.
    #[must_use]
    pub fn build_result(customization_id: CustomizationId, application_id: &Id) -> Self {
        let partition = build_results_partition(customization_id);
        Self { partition, sort: format!("{BUILD_RESULTS_PREFIX}{application_id}") }
    }

    /// The key of a base image.
    #[must_use]
    pub fn base_image(id: &Id) -> Self {
        Self { partition: format!("BASE_IMAGE#{id}"), sort: BASE_IMAGE.to_owned() }
    }

    /// The key of a product.
    #[must_use]
    pub fn product(key: &Id) -> Self {
        Self { partition: format!("PRODUCT#{key}"), sort: PRODUCT.to_owned() }
    }

    /// The key of a registry.
    #[must_use]
    pub fn registry(id: &Id) -> Self {
        Self { partition: format!("REGISTRY#{id}"), sort: REGISTRY.to_owned() }
    }

    pub(super) fn sort(&self) -> &str {
        &self.sort
    }

    /// The key as attributes.
    pub(super) fn attributes(&self) -> Item {
        HashMap::from([
            ("PK".to_owned(), AttributeValue::S(self.partition.clone())),
            ("SK".to_owned(), AttributeValue::S(self.sort.clone())),
        ])
    }

    /// The key of `item`; a missing part is empty.
    pub(super) fn of(item: &Item) -> Self {
        let text = |name| match item.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        Self { partition: text("PK"), sort: text("SK") }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.partition, self.sort)
    }
}

/// The sort key of a base image.
pub(super) const BASE_IMAGE: &str = "BASE_IMAGE";

/// The sort key of a product.
pub(super) const PRODUCT: &str = "PRODUCT";

/// The sort key of a registry.
pub(super) const REGISTRY: &str = "REGISTRY";

/// The sort key prefix of customizations.
pub(super) const CUSTOMIZATIONS_PREFIX: &str = "CUSTOMIZATION#";

/// The sort key prefix of build results.
pub(super) const BUILD_RESULTS_PREFIX: &str = "BUILD#";

/// The partition of a catalog and its applications.
pub(super) fn catalog_partition(id: &Id) -> String {
    format!("CATALOG#{id}")
}

/// The sort key prefix of a customization's earlier versions.
pub(super) fn versions_prefix(id: CustomizationId) -> String {
    format!("VERSION#{id}#")
}

/// The partition of a catalog's customizations, their earlier versions, and idempotency records.
pub(super) fn customizations_partition(catalog_id: &Id) -> String {
    format!("CUSTOMIZATIONS#{catalog_id}")
}

/// The partition of a customization's build results.
pub(super) fn build_results_partition(id: CustomizationId) -> String {
    format!("CUSTOMIZATION#{id}")
}

/// The longest common prefix of the sort keys of applications that `filter` selects. If `filter`
/// has a base image but no branch, the prefix also matches other applications.
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

/// Converts `record` to the item at `key`.
///
/// # Errors
///
/// [`StorageError::Corrupt`] if the record does not serialize.
pub fn to_item(key: &Key, record: &impl Serialize) -> Result<Item, StorageError> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(record)
        .map_err(|source| StorageError::Corrupt { key: key.to_string(), source })?;
    item.extend(key.attributes());
    Ok(item)
}

/// Converts `item` to the record that it holds.
///
/// # Errors
///
/// [`StorageError::Corrupt`] if the item lacks an attribute of the record.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StorageError> {
    let key = Key::of(&item);
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|source| StorageError::Corrupt { key: key.to_string(), source })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Product;

    #[test]
    fn a_filter_has_the_longest_possible_prefix() {
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
    fn the_longest_sort_key_fits_dynamodbs_limit() {
        let longest = "𝄞".repeat(63);
        assert!(format!("{longest}a").parse::<Id>().is_err());
        let application = json!({
            "application_id": longest, "product_key": longest, "branch": longest,
            "base_image_id": longest, "registry_id": "r",
        });
        let application = serde_json::from_value(application).unwrap();
        let key = Key::application(&"c".parse().unwrap(), &application);
        assert!((1_000..=1_024).contains(&key.sort.len()), "{} bytes", key.sort.len());
    }

    #[test]
    fn keys_of_versions_sort_by_number() {
        let (catalog_id, id) = ("c".parse().unwrap(), CustomizationId::generate());
        let key = |version: &str| Key::version(&catalog_id, id, version.parse().unwrap()).sort;
        let keys = ["v1", "v9", "v10", "v4294967295"].map(key);
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(keys.iter().all(|key| key.starts_with(&versions_prefix(id))));
    }

    #[test]
    fn the_error_of_a_corrupt_item_names_its_key() {
        let item = Key::product(&"kafka".parse().unwrap()).attributes();
        let error = from_item::<Product>(item).unwrap_err();
        assert_eq!(error.to_string(), "the item PRODUCT#kafka PRODUCT is corrupt");
    }
}
