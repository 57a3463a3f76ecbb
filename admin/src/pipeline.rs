//! Reports of the build pipeline: build results, and the status of customizations.

use shared::{
    domain::{BuildResult, CustomizationId, CustomizationStatus, Id, Timestamp},
    storage::{
        self, Action, Catalogs, Condition, Customizations, Key, StorageError, Table,
        TransactionOutcome,
    },
};

/// A report could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The customization does not exist.
    #[error("catalog {catalog_id} has no customization {customization_id}")]
    NoCustomization {
        /// The catalog.
        catalog_id: Id,
        /// The customization.
        customization_id: CustomizationId,
    },
    /// The customization does not affect the application.
    #[error("the customization does not affect application {0}")]
    NotAffected(Id),
    /// The table cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Records the result of building one application with a customization. Replaces an earlier result.
///
/// # Errors
///
/// [`ReportError`]
pub async fn record_build(
    table: &Table,
    catalog_id: &Id,
    customization_id: CustomizationId,
    result: &BuildResult,
) -> Result<(), ReportError> {
    const OPERATION: &str = "record build";
    let missing =
        || ReportError::NoCustomization { catalog_id: catalog_id.clone(), customization_id };
    let customizations = Customizations::new(table.clone());
    let customization =
        customizations.find(catalog_id, customization_id).await?.ok_or_else(missing)?;
    let catalogs = Catalogs::new(table.clone());
    let affected = catalogs.applications(catalog_id, customization.filter.as_ref(), None).await?;
    if !affected.iter().any(|application| application.application_id == result.application_id) {
        return Err(ReportError::NotAffected(result.application_id.clone()));
    }
    let key = Key::build_result(customization_id, &result.application_id);
    let actions = [
        Action::Check(
            Key::customization(catalog_id, customization_id),
            Condition::new("attribute_exists(PK)"),
        ),
        Action::Put(storage::to_item(&key, result)?, None),
    ];
    match table.transact(OPERATION, &actions).await? {
        TransactionOutcome::Written => Ok(()),
        TransactionOutcome::ConditionFailed { .. } => Err(missing()),
    }
}

/// Sets the status of a customization, on behalf of `user`.
///
/// # Errors
///
/// [`ReportError`]
pub async fn set_status(
    table: &Table,
    catalog_id: &Id,
    customization_id: CustomizationId,
    status: &CustomizationStatus,
    user: &str,
) -> Result<(), ReportError> {
    let customizations = Customizations::new(table.clone());
    let now = Timestamp::now();
    let updated = customizations
        .update("set status", catalog_id, customization_id, |customization| {
            customization.status = status.clone();
            customization.updated_by = Some(user.to_owned());
            customization.updated_at = Some(now);
            if *status == CustomizationStatus::DELETED && customization.removed_at.is_none() {
                customization.removed_by = Some(user.to_owned());
                customization.removed_at = Some(now);
            }
        })
        .await?;
    match updated {
        Some(_) => Ok(()),
        None => {
            Err(ReportError::NoCustomization { catalog_id: catalog_id.clone(), customization_id })
        }
    }
}
