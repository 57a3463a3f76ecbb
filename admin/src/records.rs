//! The records that an import writes.

use shared::{
    domain::{Application, BaseImage, Catalog, Id, Product, Registry},
    storage::{self, Action, Condition, Item, Key, StorageError, Table, TransactionOutcome},
};

/// A record to write.
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

/// Writing records failed. Some of them may be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A concurrent import has created the catalog for another organization.
    #[error("catalog {0} belongs to another organization; its owner cannot change")]
    CatalogTaken(Id),
    /// The table cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Record {
    fn to_item(&self) -> Result<Item, StorageError> {
        match self {
            Self::Catalog(catalog) => storage::to_item(&Key::catalog(&catalog.id), catalog),
            Self::Application { catalog_id, application } => {
                storage::to_item(&Key::application(catalog_id, application), application)
            }
            Self::BaseImage(image) => storage::to_item(&Key::base_image(&image.id), image),
            Self::Product(product) => storage::to_item(&Key::product(&product.key), product),
            Self::Registry(registry) => storage::to_item(&Key::registry(&registry.id), registry),
        }
    }
}

/// The number of records between two calls of `progress`: one DynamoDB batch.
const BATCH: usize = 25;

/// Writes `records` in their order, replacing existing ones. Calls `progress` with the number of
/// records that were written since the last call. A catalog is written in a separate request,
/// because a batch cannot have conditions.
///
/// # Errors
///
/// [`WriteError`]; records that were already written stay in the table.
pub async fn write(
    table: &Table,
    records: &[Record],
    progress: impl Fn(usize),
) -> Result<(), WriteError> {
    let is_catalog = |record: &Record| matches!(record, Record::Catalog(_));
    let runs = records.chunk_by(|one, next| !is_catalog(one) && !is_catalog(next));
    for batch in runs.flat_map(|run| run.chunks(BATCH)) {
        if let [Record::Catalog(catalog)] = batch {
            write_catalog(table, catalog).await?;
        } else {
            let items = batch.iter().map(Record::to_item).collect::<Result<_, _>>()?;
            table.write_batch(items).await?;
        }
        progress(batch.len());
    }
    Ok(())
}

/// Writes a catalog, unless it belongs to another organization. The earlier check of the table is
/// not sufficient: a concurrent import may have created the catalog since.
async fn write_catalog(table: &Table, catalog: &Catalog) -> Result<(), WriteError> {
    let item = storage::to_item(&Key::catalog(&catalog.id), catalog)?;
    let not_taken = Condition::new("attribute_not_exists(PK) OR org_id = :org_id")
        .string(":org_id", catalog.org_id.as_str());
    match table.transact("put catalog", &[Action::Put(item, Some(not_taken))]).await? {
        TransactionOutcome::Written => Ok(()),
        TransactionOutcome::ConditionFailed { .. } => {
            Err(WriteError::CatalogTaken(catalog.id.clone()))
        }
    }
}
