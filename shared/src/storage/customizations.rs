//! Customizations and their versions, written with optimistic locking.
//!
//! Each write raises the record's `revision`, on condition that the stored revision is the one that
//! was read. So concurrent writes cannot undo each other. Each write also stores a random
//! `change_id`: if a retry finds it in the table, the first attempt succeeded and its response was
//! lost.
//!
//! | module | holds |
//! | --- | --- |
//! | `list` | a page of a catalog's customizations, and their number |
//! | `update` | changes |

mod list;
mod update;

pub use self::{
    list::{CustomizationPage, ListFilter, MAX_LISTED},
    update::{UpdateConditions, UpdateError},
};
use super::{
    error::StorageError,
    idempotency::{self, IdempotencyKey, IdempotencyRecord},
    item::{self, Item, Key},
    table::{Action, Condition, Consistency, Table, TransactionOutcome},
};
use crate::domain::{
    Catalog, Customization, CustomizationId, CustomizationVersion, Id, OrganizationId,
};

/// A customization could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The catalog was removed or now belongs to another organization.
    #[error("the catalog is gone")]
    CatalogGone,
    /// A concurrent request used the idempotency key first.
    #[error("the idempotency key is used")]
    KeyUsed(Box<IdempotencyRecord>),
    /// The table cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A customization as it was read, for an [update](Customizations::update).
#[derive(Clone, Debug)]
pub struct StoredCustomization {
    /// The record.
    pub customization: Customization,
    /// The item, which may have attributes that this release does not know.
    item: Item,
}

impl TryFrom<Item> for StoredCustomization {
    type Error = StorageError;

    fn try_from(item: Item) -> Result<Self, StorageError> {
        Ok(Self { customization: item::from_item(item.clone())?, item })
    }
}

/// Customizations in the table.
#[derive(Clone, Debug)]
pub struct Customizations {
    table: Table,
}

impl Customizations {
    /// Uses `table`.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Reads a customization.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn find(
        &self,
        catalog_id: &Id,
        id: CustomizationId,
    ) -> Result<Option<StoredCustomization>, StorageError> {
        let item = self.table.get_item(&Key::customization(catalog_id, id)).await?;
        item.map(StoredCustomization::try_from).transpose()
    }

    /// Reads a customization and its catalog in one request, to check ownership. The customization
    /// is a separate result, because an error in it must not reach a caller that does not own the
    /// catalog.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn find_with_catalog(
        &self,
        catalog_id: &Id,
        id: CustomizationId,
    ) -> Result<(Option<Catalog>, Result<Option<StoredCustomization>, StorageError>), StorageError>
    {
        let keys = [Key::catalog(catalog_id), Key::customization(catalog_id, id)];
        let mut items = self.table.get_batch(&keys, Consistency::Strong).await?;
        let [catalog, customization] = keys.map(|key| items.remove(&key));
        let customization = customization.map(StoredCustomization::try_from).transpose();
        Ok((catalog.map(item::from_item).transpose()?, customization))
    }

    /// Reads the versions of `customization` that are earlier than its current one, newest first,
    /// at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn earlier_versions(
        &self,
        customization: &Customization,
        limit: usize,
    ) -> Result<Vec<CustomizationVersion>, StorageError> {
        let partition = item::customizations_partition(&customization.catalog_id);
        let query = self.table.query_prefix(partition, item::versions_prefix(customization.id));
        let query = query.scan_index_forward(false);
        let mut versions: Vec<CustomizationVersion> =
            self.table.query_records("query versions", query, Some(limit)).await?;
        // A new version since the customization was read has made its version an earlier one.
        versions.retain(|earlier| earlier.version < customization.version);
        Ok(versions)
    }

    /// Writes a new customization, if `owner` still owns the catalog. Its file must already be
    /// stored. If the request has an idempotency key, the same transaction writes the idempotency
    /// record.
    ///
    /// # Errors
    ///
    /// [`CreateError`]
    pub async fn create(
        &self,
        owner: &OrganizationId,
        customization: &Customization,
        idempotency: Option<(IdempotencyKey, &IdempotencyRecord)>,
    ) -> Result<(), CreateError> {
        const OPERATION: &str = "create customization";
        let catalog_id = &customization.catalog_id;
        let key = Key::customization(catalog_id, customization.id);
        let is_new = Condition::new("attribute_not_exists(PK)");
        let mut actions = vec![
            Action::Put(item::to_item(&key, customization)?, Some(is_new)),
            check_owner(catalog_id, owner),
        ];
        if let Some((key, record)) = idempotency {
            actions.push(idempotency::put(catalog_id, key, record)?);
        }
        match self.table.transact(OPERATION, &actions).await? {
            TransactionOutcome::Written => Ok(()),
            TransactionOutcome::ConditionFailed { action: 0, item }
                if has_change(&item, customization) =>
            {
                Ok(())
            }
            TransactionOutcome::ConditionFailed { action: 0, .. } => {
                Err(StorageError::refused(OPERATION, "the identifier is taken").into())
            }
            TransactionOutcome::ConditionFailed { action: 1, .. } => Err(CreateError::CatalogGone),
            TransactionOutcome::ConditionFailed { item, .. } => {
                Err(CreateError::KeyUsed(Box::new(item::from_item(item)?)))
            }
        }
    }
}

/// Checks that `owner` still owns the catalog.
fn check_owner(catalog_id: &Id, owner: &OrganizationId) -> Action {
    let is_owned = Condition::new("org_id = :org_id").string(":org_id", owner.as_str());
    Action::Check(Key::catalog(catalog_id), is_owned)
}

/// Returns true if an earlier attempt to write `next` has stored `item`.
fn has_change(item: &Item, next: &Customization) -> bool {
    item.get("change_id").and_then(|id| id.as_s().ok()) == Some(&next.change_id.to_string())
}
