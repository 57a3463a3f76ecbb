//! Customizations, written with optimistic locking.
//!
//! Each write raises the record's `revision`, on condition that the stored revision is the one that
//! was read. So concurrent writes cannot undo each other. Each write also stores a random
//! `change_id`: if a retry finds it in the table, the first attempt succeeded and its response was
//! lost.

use uuid::Uuid;

use super::{
    backoff::Backoff,
    error::StorageError,
    idempotency::{self, IdempotencyKey, IdempotencyRecord},
    item::{self, Item, Key},
    table::{Action, Condition, Consistency, Table, TransactionOutcome},
};
use crate::domain::{Catalog, Customization, CustomizationId, Id, OrganizationId};

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
    ) -> Result<Option<Customization>, StorageError> {
        self.table.get(&Key::customization(catalog_id, id)).await
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
    ) -> Result<(Option<Catalog>, Result<Option<Customization>, StorageError>), StorageError> {
        let keys = [Key::catalog(catalog_id), Key::customization(catalog_id, id)];
        let mut items = self.table.get_batch(&keys, Consistency::Strong).await?;
        let [catalog, customization] = keys.map(|key| items.remove(&key));
        let customization = customization.map(item::from_item).transpose();
        Ok((catalog.map(item::from_item).transpose()?, customization))
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
        let is_owned = Condition::new("org_id = :org_id").string(":org_id", owner.as_str());
        let mut actions = vec![
            Action::Put(item::to_item(&key, customization)?, Some(is_new)),
            Action::Check(Key::catalog(catalog_id), is_owned),
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

    /// Applies `change` to a customization. If a concurrent write is first, reads the customization
    /// again and retries with backoff. Returns the changed customization, or `None` if it does not
    /// exist.
    ///
    /// # Errors
    ///
    /// [`StorageError`]
    pub async fn update(
        &self,
        operation: &'static str,
        catalog_id: &Id,
        id: CustomizationId,
        change: impl Fn(&mut Customization),
    ) -> Result<Option<Customization>, StorageError> {
        let key = Key::customization(catalog_id, id);
        let mut backoff = Backoff::new();
        loop {
            let Some(stored) = self.table.get_item(&key).await? else { return Ok(None) };
            let current: Customization = item::from_item(stored.clone())?;
            let mut next = current.clone();
            change(&mut next);
            next.revision = current.revision + 1;
            next.change_id = Uuid::new_v4();
            let unchanged = Condition::new("revision = :revision");
            let unchanged = unchanged.number(":revision", current.revision);
            let item = replace_record(stored, &key, &current, &next)?;
            match self.table.transact(operation, &[Action::Put(item, Some(unchanged))]).await? {
                TransactionOutcome::Written => return Ok(Some(next)),
                TransactionOutcome::ConditionFailed { item, .. } if has_change(&item, &next) => {
                    return Ok(Some(next));
                }
                TransactionOutcome::ConditionFailed { .. } => {}
            }
            if !backoff.next().await {
                return Err(StorageError::unavailable(operation, "every attempt met a conflict"));
            }
        }
    }
}

/// Replaces the record `current` in `item` by `next`. Keeps unknown attributes, which a newer
/// release may have written.
fn replace_record(
    mut item: Item,
    key: &Key,
    current: &Customization,
    next: &Customization,
) -> Result<Item, StorageError> {
    for name in item::to_item(key, current)?.keys() {
        item.remove(name);
    }
    item.extend(item::to_item(key, next)?);
    Ok(item)
}

/// Returns true if an earlier attempt to write `next` has stored `item`.
fn has_change(item: &Item, next: &Customization) -> bool {
    item.get("change_id").and_then(|id| id.as_s().ok()) == Some(&next.change_id.to_string())
}
