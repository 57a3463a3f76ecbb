//! Customizations: uploaded archives and the applications that they apply to.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    CustomizationId, Digest, FileName, Filter, Id, Timestamp, Version, open_enum::open_enum,
};

/// A customization: an uploaded archive and the filter that selects applications of a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customization {
    /// The customization's identifier.
    pub id: CustomizationId,
    /// The current version.
    pub version: Version,
    /// The current version's file.
    pub artifact: Artifact,
    /// The name, chosen by the user.
    pub name: String,
    /// A description, written by the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The catalog that it belongs to.
    pub catalog_id: Id,
    /// Progress in the build pipeline.
    pub status: CustomizationStatus,
    /// The applications that it applies to. Without a filter, the customization is *global* and
    /// applies to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// The user who created it.
    pub created_by: String,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The user who last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// The time of the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// The user who removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_by: Option<String>,
    /// The time of removal. Set means removed, whatever the pipeline makes of the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
    /// The upload of the current version, if it is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<Upload>,
    /// The number of writes so far, for optimistic locking: each write expects the revision that
    /// was read, and raises it by one.
    pub revision: u64,
    /// The random identifier of the last write. A condition that fails on an item with the same
    /// `change_id` means that the write had succeeded and its response was lost.
    pub change_id: Uuid,
}

/// The author and time of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// The user.
    pub by: String,
    /// The time.
    pub at: Timestamp,
}

/// A change of a customization by a user. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The file of a new version.
    pub artifact: Option<Artifact>,
    /// The new name.
    pub name: Option<String>,
    /// The new description; an empty one removes the description.
    pub description: Option<String>,
}

/// The customization is removed, and so cannot change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the customization is removed")]
pub struct Removed;

impl Customization {
    /// Returns true if it applies to every application of its catalog.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.filter.is_none()
    }

    /// Returns true if it is removed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.removed_at.is_some()
    }

    /// The current version, as it is kept when a new one replaces it.
    #[must_use]
    pub fn current_version(&self) -> CustomizationVersion {
        let (created_by, created_at) = match &self.uploaded {
            Some(Upload { by, at }) => (by, *at),
            None => (&self.created_by, self.created_at),
        };
        CustomizationVersion {
            version: self.version,
            artifact: self.artifact.clone(),
            created_by: created_by.clone(),
            created_at,
        }
    }

    /// Applies `change` on behalf of `user`. A new file makes a new version.
    ///
    /// # Errors
    ///
    /// [`Removed`]
    pub fn change(&mut self, change: &Change, user: &str, now: Timestamp) -> Result<(), Removed> {
        if self.is_removed() {
            return Err(Removed);
        }
        if let Some(artifact) = &change.artifact {
            self.version = self.version.next();
            self.artifact = artifact.clone();
            self.status = CustomizationStatus::UPDATED;
            self.uploaded = Some(Upload { by: user.to_owned(), at: now });
        }
        if let Some(name) = &change.name {
            self.name.clone_from(name);
        }
        if let Some(description) = &change.description {
            self.description = Some(description.clone()).filter(|text| !text.is_empty());
        }
        self.updated_by = Some(user.to_owned());
        self.updated_at = Some(now);
        Ok(())
    }

    /// Removes the customization on behalf of `user`.
    ///
    /// # Errors
    ///
    /// [`Removed`] if it is removed already.
    pub fn remove(&mut self, user: &str, now: Timestamp) -> Result<(), Removed> {
        if self.is_removed() {
            return Err(Removed);
        }
        self.status = CustomizationStatus::DELETED;
        self.removed_by = Some(user.to_owned());
        self.removed_at = Some(now);
        Ok(())
    }
}

/// A version of a customization: its file, and who uploaded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomizationVersion {
    /// The version.
    pub version: Version,
    /// The file.
    pub artifact: Artifact,
    /// The user who uploaded it.
    pub created_by: String,
    /// The time of the upload.
    pub created_at: Timestamp,
}

/// The file of a customization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The SHA-256 of its bytes.
    pub id: Digest,
    /// The name of the uploaded file.
    pub filename: FileName,
}

open_enum! {
    /// The progress of a customization in the build pipeline.
    CustomizationStatus {
        /// Uploaded; the pipeline has not started.
        CREATED = "CREATED",
        /// A new version was uploaded.
        UPDATED = "UPDATED",
        /// Removed.
        DELETED = "DELETED",
        /// The pipeline is applying the customization.
        PROCESSING_CREATE_STARTED = "PROCESSING_CREATE_STARTED",
        /// The pipeline has applied the customization.
        PROCESSING_CREATE_SUCCEEDED = "PROCESSING_CREATE_SUCCEEDED",
        /// The pipeline could not apply the customization.
        PROCESSING_CREATE_FAILED = "PROCESSING_CREATE_FAILED",
        /// The pipeline is applying a new version.
        PROCESSING_UPDATE_STARTED = "PROCESSING_UPDATE_STARTED",
        /// The pipeline has applied the new version.
        PROCESSING_UPDATE_SUCCEEDED = "PROCESSING_UPDATE_SUCCEEDED",
        /// The pipeline could not apply the new version.
        PROCESSING_UPDATE_FAILED = "PROCESSING_UPDATE_FAILED",
        /// The pipeline is rebuilding without the customization.
        PROCESSING_DELETE_STARTED = "PROCESSING_DELETE_STARTED",
        /// The pipeline has rebuilt without the customization.
        PROCESSING_DELETE_SUCCEEDED = "PROCESSING_DELETE_SUCCEEDED",
        /// The pipeline could not rebuild without the customization.
        PROCESSING_DELETE_FAILED = "PROCESSING_DELETE_FAILED",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn an_unknown_status_passes_through() {
        let status: CustomizationStatus = from_value(json!("PAUSED")).unwrap();
        assert_eq!(json!(status), json!("PAUSED"));
    }
}
