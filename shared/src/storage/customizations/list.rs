//! A page of a catalog's customizations, and their number.

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, Select},
};

use super::Customizations;
use crate::{
    domain::{Customization, Id},
    storage::{
        error::StorageError,
        item::{self, CUSTOMIZATIONS_PREFIX},
    },
};

/// The maximum number of customizations that a list considers: the newest of the catalog. It limits
/// the cost of a request, because DynamoDB bills every item that a query reads or counts.
pub const MAX_LISTED: usize = 10_000;

/// Selects customizations of a catalog. A part that is `None` selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// The product of the customization's own filter.
    pub product_key: Option<Id>,
    /// The base image of the customization's own filter.
    pub base_image_id: Option<Id>,
    /// The branch of the customization's own filter.
    pub branch: Option<Id>,
    /// True selects those that are not removed.
    pub active: bool,
    /// True selects those without a filter, false those with one.
    pub global: Option<bool>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomizationPage {
    /// The customizations of the page, newest first.
    pub items: Vec<Customization>,
    /// The number of selected customizations on all pages.
    pub total: usize,
}

/// The result that a query returns.
enum Part {
    /// Only the number of the items.
    Count,
    /// The items.
    Items,
}

impl Customizations {
    /// Reads the customizations of a catalog that `filter` selects, newest first: `limit` of them
    /// after the first `offset`, and their number. Considers the newest [`MAX_LISTED`] of the
    /// catalog.
    ///
    /// Reads are strongly consistent: a client that lost the response to a create finds the
    /// customization at once.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn list(
        &self,
        catalog_id: &Id,
        filter: &ListFilter,
        offset: usize,
        limit: usize,
    ) -> Result<CustomizationPage, StorageError> {
        let partition = item::customizations_partition(catalog_id);
        let query = self.table.query_prefix(partition, CUSTOMIZATIONS_PREFIX.to_owned());
        let query = filter.apply(query.scan_index_forward(false));
        let is_filtered = query.get_filter_expression().is_some();
        let end = offset.saturating_add(limit);
        let mut page = CustomizationPage { items: Vec::new(), total: 0 };
        let (mut considered, mut start_key) = (0, None);
        while considered < MAX_LISTED {
            // Without a filter, DynamoDB returns only the items of the page. With one, it must
            // return all items until the page is full, because the limit of a query counts the
            // items before the filter.
            let (part, wanted) = if page.total >= end {
                (Part::Count, MAX_LISTED)
            } else if is_filtered {
                (Part::Items, MAX_LISTED)
            } else if page.total < offset {
                (Part::Count, offset - page.total)
            } else {
                (Part::Items, end - page.total)
            };
            let wanted = wanted.min(MAX_LISTED - considered);
            let query = match part {
                Part::Count => query.clone().select(Select::Count),
                Part::Items => query.clone(),
            };
            let output = query
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start_key)
                .send()
                .await
                .map_err(|error| StorageError::new("query customizations", error))?;
            for (index, item) in (page.total..).zip(output.items.unwrap_or_default()) {
                if (offset..end).contains(&index) {
                    page.items.push(item::from_item(item)?);
                }
            }
            page.total += usize::try_from(output.count).unwrap_or_default();
            considered += usize::try_from(output.scanned_count).unwrap_or_default();
            start_key = output.last_evaluated_key;
            if start_key.is_none() {
                break;
            }
        }
        Ok(page)
    }
}

impl ListFilter {
    /// Adds the filter to a query.
    fn apply(&self, mut query: QueryFluentBuilder) -> QueryFluentBuilder {
        let mut conditions = Vec::new();
        for (name, condition, value) in [
            (":product_key", "#filter.product_key = :product_key", &self.product_key),
            (":base_image_id", "#filter.base_image_id = :base_image_id", &self.base_image_id),
            (":branch", "#filter.branch = :branch", &self.branch),
        ] {
            if let Some(value) = value {
                let value = AttributeValue::S(value.to_string());
                query = query.expression_attribute_values(name, value);
                conditions.push(condition);
            }
        }
        match self.global {
            Some(true) => conditions.push("attribute_not_exists(#filter)"),
            Some(false) => conditions.push("attribute_exists(#filter)"),
            None => {}
        }
        if !conditions.is_empty() {
            // `filter` is a reserved word of DynamoDB's expressions.
            query = query.expression_attribute_names("#filter", "filter");
        }
        if self.active {
            conditions.push("attribute_not_exists(removed_at)");
        }
        if conditions.is_empty() {
            query
        } else {
            query.filter_expression(conditions.join(" AND "))
        }
    }
}
