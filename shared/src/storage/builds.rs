//! Build results, which the operator records and the functions read.

use super::{
    error::StorageError,
    item::{self, BUILD_RESULTS_PREFIX},
    table::Table,
};
use crate::domain::{BuildResult, CustomizationId};

/// Build results in the table.
#[derive(Clone, Debug)]
pub struct Builds {
    table: Table,
}

impl Builds {
    /// Uses `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Reads the build results of the customization `id`.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn results(&self, id: CustomizationId) -> Result<Vec<BuildResult>, StorageError> {
        let partition = item::build_results_partition(id);
        let query = self.table.query_prefix(partition, BUILD_RESULTS_PREFIX.to_owned());
        self.table.query_records("query build results", query, None).await
    }
}
