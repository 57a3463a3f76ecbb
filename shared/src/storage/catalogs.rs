//! Catalogs, their applications, and the base images, products and registries that applications
//! refer to.

use std::sync::Arc;

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::AttributeValue};

use super::{
    error::StorageError,
    item::{self, Key},
    references::{ReferenceCache, ReferenceIds, ResolvedReferences},
    table::{Consistency, Table},
};
use crate::domain::{Application, Catalog, Filter, Id};

const QUERY_APPLICATIONS: &str = "query applications";

/// Catalogs in the table.
#[derive(Clone, Debug)]
pub struct Catalogs {
    table: Table,
    cache: Arc<ReferenceCache>,
}

impl Catalogs {
    /// Uses `table`, with an empty cache of references.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table, cache: Arc::default() }
    }

    /// Reads the catalog `id`.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn find(&self, id: &Id) -> Result<Option<Catalog>, StorageError> {
        Ok(self.find_with_references(id, &ReferenceIds::default()).await?.0)
    }

    /// Reads the catalog `id` and references in one request. The references are a separate result,
    /// because an error in them must not reach a caller that does not own the catalog.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn find_with_references(
        &self,
        id: &Id,
        ids: &ReferenceIds,
    ) -> Result<(Option<Catalog>, Result<ResolvedReferences, StorageError>), StorageError> {
        let (cached, missing) = self.cache.look_up(ids);
        let catalog_key = Key::catalog(id);
        let keys: Vec<_> = [&catalog_key].into_iter().chain(&missing).cloned().collect();
        let mut items = self.table.get_batch(&keys, Consistency::Strong).await?;
        let catalog = items.remove(&catalog_key).map(item::from_item).transpose()?;
        Ok((catalog, self.cache.resolve(cached, &missing, items)))
    }

    /// Reads base images, products and registries, cached for a minute.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn references(&self, ids: &ReferenceIds) -> Result<ResolvedReferences, StorageError> {
        let (cached, missing) = self.cache.look_up(ids);
        let items = self.table.get_batch(&missing, Consistency::Eventual).await?;
        self.cache.resolve(cached, &missing, items)
    }

    /// Reads the applications of a catalog that `filter` selects (all without a filter), at most
    /// `limit`, in the order of product, branch and base image.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn applications(
        &self,
        catalog_id: &Id,
        filter: Option<&Filter>,
        limit: Option<usize>,
    ) -> Result<Vec<Application>, StorageError> {
        let query = self.query_applications(catalog_id, filter);
        self.table.query_records(QUERY_APPLICATIONS, query, limit).await
    }

    /// Returns true if `filter` selects an application that has been released.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn any_released(
        &self,
        catalog_id: &Id,
        filter: &Filter,
    ) -> Result<bool, StorageError> {
        const RELEASED: &str = "attribute_exists(latest_release)";
        let query = self.query_applications(catalog_id, Some(filter));
        let condition = match query.get_filter_expression() {
            Some(expression) => format!("{expression} AND {RELEASED}"),
            None => RELEASED.to_owned(),
        };
        self.table.query_any(QUERY_APPLICATIONS, query.filter_expression(condition)).await
    }

    /// A query for the applications that `filter` selects: by key prefix, and by a filter
    /// expression for a base image that is not part of the prefix.
    fn query_applications(&self, catalog_id: &Id, filter: Option<&Filter>) -> QueryFluentBuilder {
        let partition = item::catalog_partition(catalog_id);
        let query = self.table.query_prefix(partition, item::applications_prefix(filter));
        match filter.filter(|filter| filter.branch().is_none()).and_then(Filter::base_image_id) {
            Some(base_image_id) => {
                let value = AttributeValue::S(base_image_id.to_string());
                query
                    .filter_expression("base_image_id = :base_image_id")
                    .expression_attribute_values(":base_image_id", value)
            }
            None => query,
        }
    }
}
