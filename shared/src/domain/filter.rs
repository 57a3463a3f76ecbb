//! Filters, which select applications of a catalog.

use serde::{Deserialize, Serialize};

use super::Id;

/// Selects applications of a catalog: those on a base image, those of a product, or those of one
/// branch of a product. At least one part is set, and a branch always has its product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FilterFields", into = "FilterFields")]
pub struct Filter(FilterFields);

/// The parts of a [`Filter`], before their combination is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterFields {
    /// Selects applications on this base image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image_id: Option<Id>,
    /// Selects applications of this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_key: Option<Id>,
    /// Selects applications of this branch of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Id>,
}

/// The [`FilterFields`] do not make a [`Filter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// No field is set.
    #[error("a filter names a base image or a product")]
    Empty,
    /// A branch is given without its product.
    #[error("a branch needs its product")]
    BranchWithoutProduct,
}

impl TryFrom<FilterFields> for Filter {
    type Error = InvalidFilter;

    fn try_from(fields: FilterFields) -> Result<Self, InvalidFilter> {
        match &fields {
            FilterFields { branch: Some(_), product_key: None, .. } => {
                Err(InvalidFilter::BranchWithoutProduct)
            }
            FilterFields { base_image_id: None, product_key: None, .. } => {
                Err(InvalidFilter::Empty)
            }
            _ => Ok(Self(fields)),
        }
    }
}

impl From<Filter> for FilterFields {
    fn from(filter: Filter) -> Self {
        filter.0
    }
}

impl Filter {
    /// The base image, if the filter has one.
    #[must_use]
    pub fn base_image_id(&self) -> Option<&Id> {
        self.0.base_image_id.as_ref()
    }

    /// The product, if the filter has one.
    #[must_use]
    pub fn product_key(&self) -> Option<&Id> {
        self.0.product_key.as_ref()
    }

    /// The branch of the product, if the filter has one.
    #[must_use]
    pub fn branch(&self) -> Option<&Id> {
        self.0.branch.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_filter_round_trips_through_json() {
        for filter in [
            json!({"product_key": "kafka"}),
            json!({"product_key": "kafka", "branch": "2"}),
            json!({"base_image_id": "debian"}),
            json!({"product_key": "kafka", "branch": "2", "base_image_id": "debian"}),
        ] {
            assert_eq!(json!(from_value::<Filter>(filter.clone()).unwrap()), filter);
        }
    }

    #[test]
    fn an_empty_filter_and_a_branch_without_product_are_invalid() {
        let filter = |fields| Filter::try_from(from_value::<FilterFields>(fields).unwrap());
        assert_eq!(filter(json!({})), Err(InvalidFilter::Empty));
        let branch_alone = json!({"branch": "2", "base_image_id": "debian"});
        assert_eq!(filter(branch_alone), Err(InvalidFilter::BranchWithoutProduct));
    }
}
