//! Reports of the build pipeline: build results, and the status of customizations.
//!
//! A report belongs to a version of its customization. Reports can arrive late and in any order, so
//! a report of an earlier version never replaces one of a later version.

use shared::{
    domain::{
        BuildResult, BuildStatus, Customization, CustomizationId, CustomizationStatus, Failure, Id,
        Timestamp, Version,
    },
    storage::{
        self, Action, Catalogs, Condition, Customizations, Key, StorageError, StoredCustomization,
        Table, TransactionOutcome, UpdateConditions, UpdateError,
    },
};

/// The customization that a report is about.
#[derive(Clone, Debug)]
pub struct Target {
    /// The catalog.
    pub catalog_id: Id,
    /// The customization.
    pub customization_id: CustomizationId,
    /// The version; the current one if it is `None`.
    pub version: Option<Version>,
}

/// The result of one application's build.
#[derive(Clone, Debug)]
pub struct BuildReport {
    /// The application.
    pub application_id: Id,
    /// The state of the build.
    pub status: BuildStatus,
    /// The cause, if the build failed.
    pub failure: Option<Failure>,
}

/// The outcome of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// It is recorded.
    Recorded,
    /// Nothing changed: this version is newer than that of the report.
    Outdated(Version),
    /// Nothing changed: the customization is removed, and the status is not one of a removal.
    Removed,
}

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
    /// The customization does not have the version yet.
    #[error("the customization has no version {version}; its current version is {current}")]
    NoVersion {
        /// The version of the report.
        version: Version,
        /// The current version.
        current: Version,
    },
    /// The customization does not affect the application.
    #[error("the customization does not affect application {0}")]
    NotAffected(Id),
    /// The table cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Target {
    async fn find(
        &self,
        customizations: &Customizations,
    ) -> Result<StoredCustomization, ReportError> {
        let stored = customizations.find(&self.catalog_id, self.customization_id).await?;
        stored.ok_or_else(|| self.missing())
    }

    fn missing(&self) -> ReportError {
        let Self { catalog_id, customization_id, .. } = self;
        let (catalog_id, customization_id) = (catalog_id.clone(), *customization_id);
        ReportError::NoCustomization { catalog_id, customization_id }
    }

    /// The version of the report on `customization`.
    fn version_of(&self, customization: &Customization) -> Result<Version, ReportError> {
        let current = customization.version;
        match self.version.unwrap_or(current) {
            version if version > current => Err(ReportError::NoVersion { version, current }),
            version => Ok(version),
        }
    }
}

/// Records the result of building one application with a version of a customization. Replaces a
/// result of the same or an earlier version.
///
/// # Errors
///
/// [`ReportError`]
pub async fn record_build(
    table: &Table,
    target: &Target,
    report: BuildReport,
) -> Result<ReportOutcome, ReportError> {
    const OPERATION: &str = "record build";
    let Target { catalog_id, customization_id, .. } = target;
    let BuildReport { application_id, status, failure } = report;
    let customization = target.find(&Customizations::new(table.clone())).await?.customization;
    let version = target.version_of(&customization)?;
    let catalogs = Catalogs::new(table.clone());
    let affected = catalogs.applications(catalog_id, customization.filter.as_ref(), None).await?;
    if !affected.iter().any(|application| application.application_id == application_id) {
        return Err(ReportError::NotAffected(application_id));
    }
    let key = Key::build_result(*customization_id, &application_id);
    let result = BuildResult { application_id, version, status, failure };
    let actions = [
        Action::Check(
            Key::customization(catalog_id, *customization_id),
            Condition::new("attribute_exists(PK)"),
        ),
        Action::Put(storage::to_item(&key, &result)?, Some(not_newer_than(version))),
    ];
    match table.transact(OPERATION, &actions).await? {
        TransactionOutcome::Written => Ok(ReportOutcome::Recorded),
        TransactionOutcome::ConditionFailed { action: 0, .. } => Err(target.missing()),
        TransactionOutcome::ConditionFailed { item, .. } => {
            let newer: BuildResult = storage::from_item(item)?;
            Ok(ReportOutcome::Outdated(newer.version))
        }
    }
}

/// The condition that a build result is of `version` or an earlier one, if it exists. `v9` is
/// earlier than `v10`: of two versions as text, the shorter one is the smaller number.
fn not_newer_than(version: Version) -> Condition {
    let text = version.to_string();
    Condition::new(
        "attribute_not_exists(version) OR size(version) < :length \
         OR (size(version) = :length AND version <= :version)",
    )
    .number(":length", text.len() as u64)
    .string(":version", text)
}

/// Why a status is not set.
enum StatusRefused {
    Report(ReportError),
    Outcome(ReportOutcome),
}

/// Sets the status of a customization, on behalf of `user`. A removed customization keeps the
/// statuses of its removal.
///
/// # Errors
///
/// [`ReportError`]
pub async fn set_status(
    table: &Table,
    target: &Target,
    status: &CustomizationStatus,
    user: &str,
) -> Result<ReportOutcome, ReportError> {
    let customizations = Customizations::new(table.clone());
    let stored = target.find(&customizations).await?;
    let change = |customization: &mut Customization| {
        let version = target.version_of(customization).map_err(StatusRefused::Report)?;
        if version < customization.version {
            return Err(StatusRefused::Outcome(ReportOutcome::Outdated(customization.version)));
        }
        if customization.is_removed() && !is_of_removal(status) {
            return Err(StatusRefused::Outcome(ReportOutcome::Removed));
        }
        let now = Timestamp::now();
        if *status == CustomizationStatus::DELETED && !customization.is_removed() {
            customization.removed_by = Some(user.to_owned());
            customization.removed_at = Some(now);
        }
        customization.status = status.clone();
        customization.updated_by = Some(user.to_owned());
        customization.updated_at = Some(now);
        Ok(())
    };
    match customizations.update("set status", stored, UpdateConditions::default(), change).await {
        Ok(()) => Ok(ReportOutcome::Recorded),
        Err(UpdateError::Refused(StatusRefused::Outcome(outcome))) => Ok(outcome),
        Err(UpdateError::Refused(StatusRefused::Report(error))) => Err(error),
        Err(UpdateError::Storage(error)) => Err(error.into()),
        Err(
            UpdateError::CustomizationGone | UpdateError::CatalogGone | UpdateError::KeyUsed(_),
        ) => Err(target.missing()),
    }
}

/// Returns true for the statuses that a removed customization can have.
fn is_of_removal(status: &CustomizationStatus) -> bool {
    *status == CustomizationStatus::DELETED || status.as_str().starts_with("PROCESSING_DELETE_")
}
