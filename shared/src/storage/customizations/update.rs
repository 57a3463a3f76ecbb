//! Changes of customizations, with optimistic locking.

use uuid::Uuid;

use super::{Customizations, StoredCustomization, check_owner, has_change};
use crate::{
    domain::{Customization, OrganizationId},
    storage::{
        backoff::Backoff,
        error::StorageError,
        idempotency::{self, IdempotencyKey, IdempotencyRecord},
        item::{self, Item, Key},
        table::{Action, Condition, TransactionOutcome},
    },
};

/// The conditions of an update, beside that of the revision.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpdateConditions<'a> {
    /// The organization that must still own the catalog.
    pub owner: Option<&'a OrganizationId>,
    /// The idempotency record to write; its key must be unused.
    pub idempotency: Option<(IdempotencyKey, &'a IdempotencyRecord)>,
}

/// A customization could not be updated.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError<E> {
    /// The customization does not exist.
    #[error("the customization is gone")]
    CustomizationGone,
    /// The catalog was removed or now belongs to another organization.
    #[error("the catalog is gone")]
    CatalogGone,
    /// A concurrent request used the idempotency key first.
    #[error("the idempotency key is used")]
    KeyUsed(Box<IdempotencyRecord>),
    /// The state of the customization does not allow the change.
    #[error("the change is refused")]
    Refused(E),
    /// The table cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An action of the transaction, by what its failed condition means.
#[derive(Clone, Copy)]
enum Role {
    IdempotencyRecord,
    Customization,
    Catalog,
    EarlierVersion,
}

impl Customizations {
    /// Applies `change` to a customization that was read. If a concurrent write is first, reads the
    /// customization again and retries, until the deadline. If the change makes a new version, the
    /// same transaction stores the replaced one.
    ///
    /// # Errors
    ///
    /// [`UpdateError`]; [`UpdateError::Refused`] holds the error of `change`.
    pub async fn update<E>(
        &self,
        operation: &'static str,
        mut stored: StoredCustomization,
        conditions: UpdateConditions<'_>,
        change: impl Fn(&mut Customization) -> Result<(), E>,
    ) -> Result<(), UpdateError<E>> {
        let mut backoff = Backoff::for_conflicts();
        loop {
            let mut next = stored.customization.clone();
            change(&mut next).map_err(UpdateError::Refused)?;
            next.revision += 1;
            next.change_id = Uuid::new_v4();
            let (catalog_id, id) = (next.catalog_id.clone(), next.id);
            let (roles, actions): (Vec<_>, Vec<_>) =
                transaction(stored, &next, conditions)?.into_iter().unzip();
            match self.table.transact(operation, &actions).await? {
                TransactionOutcome::Written => return Ok(()),
                TransactionOutcome::ConditionFailed { action, item } => match roles.get(action) {
                    Some(Role::IdempotencyRecord) => {
                        return Err(UpdateError::KeyUsed(Box::new(item::from_item(item)?)));
                    }
                    Some(Role::Catalog) => return Err(UpdateError::CatalogGone),
                    Some(Role::Customization) if has_change(&item, &next) => return Ok(()),
                    // A concurrent write is first.
                    Some(Role::Customization | Role::EarlierVersion) | None => {}
                },
            }
            if !backoff.next().await {
                return Err(StorageError::unavailable(operation, "every attempt met a conflict"))?;
            }
            stored = self.find(&catalog_id, id).await?.ok_or(UpdateError::CustomizationGone)?;
        }
    }
}

/// The actions that replace `stored` by `next`. The idempotency record is first, because the first
/// failed condition counts: a concurrent request with the same key has changed the customization
/// too.
fn transaction(
    stored: StoredCustomization,
    next: &Customization,
    conditions: UpdateConditions<'_>,
) -> Result<Vec<(Role, Action)>, StorageError> {
    let StoredCustomization { item, customization: current } = stored;
    let Customization { catalog_id, id, .. } = &current;
    let mut actions = Vec::new();
    if let Some((key, record)) = conditions.idempotency {
        actions.push((Role::IdempotencyRecord, idempotency::put(catalog_id, key, record)?));
    }
    let key = Key::customization(catalog_id, *id);
    let unchanged = Condition::new("revision = :revision").number(":revision", current.revision);
    let item = replace_record(item, &key, &current, next)?;
    actions.push((Role::Customization, Action::Put(item, Some(unchanged))));
    if let Some(owner) = conditions.owner {
        actions.push((Role::Catalog, check_owner(catalog_id, owner)));
    }
    if next.version != current.version {
        let key = Key::version(catalog_id, *id, current.version);
        let item = item::to_item(&key, &current.current_version())?;
        let is_new = Condition::new("attribute_not_exists(PK)");
        actions.push((Role::EarlierVersion, Action::Put(item, Some(is_new))));
    }
    Ok(actions)
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
