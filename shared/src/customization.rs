//! A customization, the filter that says which applications it is for, and what became of it.

use std::borrow::Cow;

use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};

use crate::{
    file_name::{ESCAPED, FileName},
    id::{CustomizationId, Digest, Id},
    timestamp::Timestamp,
};

/// A customization's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customization {
    /// The customization's identifier.
    pub id: CustomizationId,
    /// Its version; `v1` when new.
    pub version: String,
    /// The uploaded file.
    pub artifact: Artifact,
    /// What its owner calls it.
    pub name: String,
    /// What it is for, in its owner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The catalog it belongs to.
    pub catalog_id: Id,
    /// How far it has come.
    pub status: CustomizationStatus,
    /// The applications it is for; none: all of the catalog (a *global* customization).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// The user who uploaded it.
    pub created_by: String,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// Who changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// When it was changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Who removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_by: Option<String>,
    /// When it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

/// The file of a customization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The SHA-256 of its bytes.
    pub id: Digest,
    /// The path at which the API answers where to download it.
    pub url: String,
    /// The name it was uploaded under.
    pub filename: FileName,
}

/// `text` as one segment or query value of a URL path.
fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, ESCAPED)
}

impl Artifact {
    /// The file `filename` of a catalog, whose bytes have the SHA-256 `id`.
    #[must_use]
    pub fn new(catalog_id: &Id, id: Digest, filename: FileName) -> Self {
        let url = format!(
            "/v1/catalogs/{}/files/{id}?filename={}",
            encoded(catalog_id.as_str()),
            encoded(filename.as_str()),
        );
        Self { id, url, filename }
    }
}

impl Customization {
    /// The path at which the API answers it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/v1/catalogs/{}/customizations/{}", encoded(self.catalog_id.as_str()), self.id)
    }
}

/// A link to another resource of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The resource's path.
    pub href: String,
}

/// Where a customization belongs: its catalog and the base image it is limited to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Links {
    /// Its catalog.
    pub catalog: Link,
    /// The base image of its filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_image: Option<Link>,
}

impl Links {
    /// The links of `customization`.
    #[must_use]
    pub fn of(customization: &Customization) -> Self {
        let base_image = customization.filter.as_ref().and_then(Filter::base_image_id);
        Self {
            catalog: Link {
                href: format!("/v1/catalogs/{}", encoded(customization.catalog_id.as_str())),
            },
            base_image: base_image
                .map(|id| Link { href: format!("/v1/base-images/{}", encoded(id.as_str())) }),
        }
    }
}

impl Link {
    /// The link to a pipeline of a catalog.
    #[must_use]
    pub fn to_pipeline(catalog_id: &Id, pipeline_id: &Id) -> Self {
        let (catalog, pipeline) = (encoded(catalog_id.as_str()), encoded(pipeline_id.as_str()));
        Self { href: format!("/v1/catalogs/{catalog}/pipelines/{pipeline}") }
    }
}

/// Which applications of a catalog a customization is for: those on a base image, those of a
/// product, or of one of its branches. At least one of them is set, and a branch has its product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FilterFields", into = "FilterFields")]
pub struct Filter(FilterFields);

/// The parts of a [`Filter`], not yet known to fit together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterFields {
    /// Only applications on this base image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image_id: Option<Id>,
    /// Only applications of this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_key: Option<Id>,
    /// Only applications of this branch of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Id>,
}

/// Why some [`FilterFields`] are no [`Filter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// Nothing is set: that is no filter.
    #[error("a filter names a base image or a product")]
    Empty,
    /// A branch means nothing without its product.
    #[error("a branch needs its product")]
    BranchWithoutProduct,
}

impl TryFrom<FilterFields> for Filter {
    type Error = InvalidFilter;

    fn try_from(fields: FilterFields) -> Result<Self, InvalidFilter> {
        match &fields {
            FilterFields { branch: Some(_), product_key: None, .. } => {
                Err(InvalidFilter::BranchWithoutProduct)
            }
            FilterFields { base_image_id: None, product_key: None, .. } => {
                Err(InvalidFilter::Empty)
            }
            _ => Ok(Self(fields)),
        }
    }
}

impl From<Filter> for FilterFields {
    fn from(filter: Filter) -> Self {
        filter.0
    }
}

impl Filter {
    /// The base image it is limited to.
    #[must_use]
    pub fn base_image_id(&self) -> Option<&Id> {
        self.0.base_image_id.as_ref()
    }

    /// The product it is limited to.
    #[must_use]
    pub fn product_key(&self) -> Option<&Id> {
        self.0.product_key.as_ref()
    }

    /// The branch of the product it is limited to.
    #[must_use]
    pub fn branch(&self) -> Option<&Id> {
        self.0.branch.as_ref()
    }
}

/// A word that the pipeline may extend: the values known today are constants, and one that is
/// not known passes through.
macro_rules! open_word {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $constant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            $($(#[$value_doc])* pub const $constant: Self = Self(Cow::Borrowed($word));)+

            /// The values known today.
            pub const KNOWN: &'static [&'static str] = &[$($word),+];

            /// The word itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                Self(Cow::Owned(word))
            }
        }
    };
}

open_word! {
    /// How far a customization has come.
    CustomizationStatus {
        /// Uploaded, and not yet looked at by the pipeline.
        CREATED = "CREATED",
        /// A new version was uploaded.
        UPDATED = "UPDATED",
        /// Removed.
        DELETED = "DELETED",
        /// The pipeline is applying it.
        PROCESSING_CREATE_STARTED = "PROCESSING_CREATE_STARTED",
        /// The pipeline has applied it.
        PROCESSING_CREATE_SUCCEEDED = "PROCESSING_CREATE_SUCCEEDED",
        /// The pipeline could not apply it.
        PROCESSING_CREATE_FAILED = "PROCESSING_CREATE_FAILED",
        /// The pipeline is applying a new version.
        PROCESSING_UPDATE_STARTED = "PROCESSING_UPDATE_STARTED",
        /// The pipeline has applied the new version.
        PROCESSING_UPDATE_SUCCEEDED = "PROCESSING_UPDATE_SUCCEEDED",
        /// The pipeline could not apply the new version.
        PROCESSING_UPDATE_FAILED = "PROCESSING_UPDATE_FAILED",
        /// The pipeline is rebuilding without it.
        PROCESSING_DELETE_STARTED = "PROCESSING_DELETE_STARTED",
        /// The pipeline has rebuilt without it.
        PROCESSING_DELETE_SUCCEEDED = "PROCESSING_DELETE_SUCCEEDED",
        /// The pipeline could not rebuild without it.
        PROCESSING_DELETE_FAILED = "PROCESSING_DELETE_FAILED",
    }
}

open_word! {
    /// What became of one application's build with a customization.
    BuildStatus {
        /// Not built yet.
        PENDING = "PENDING",
        /// Built and released.
        SUCCEEDED = "SUCCEEDED",
        /// Not built; the [`Failure`] says why.
        FAILED = "FAILED",
    }
}

open_word! {
    /// What a failed build failed at.
    FailureCause {
        /// Not known.
        UNKNOWN = "UNKNOWN",
        /// The customization itself could not be applied.
        CUSTOMIZATION_BUILD_ERROR = "CUSTOMIZATION_BUILD_ERROR",
        /// The customized application did not pass its tests.
        TEST_ERROR = "TEST_ERROR",
        /// The application could not be built.
        BUILD_ERROR = "BUILD_ERROR",
    }
}

/// What the pipeline found when it built one application with a customization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildResult {
    /// The application.
    pub application_id: Id,
    /// What became of it.
    pub status: BuildStatus,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why a build failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened, for a person to read.
    pub description: String,
    /// Where to read more, such as the build's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_date: Option<Timestamp>,
    /// What it failed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<FailureCause>,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    #[test]
    fn a_filter_is_written_as_it_was_read() {
        for filter in [
            json!({"product_key": "kafka"}),
            json!({"product_key": "kafka", "branch": "2"}),
            json!({"base_image_id": "debian"}),
            json!({"product_key": "kafka", "branch": "2", "base_image_id": "debian"}),
        ] {
            assert_eq!(json!(from_value::<Filter>(filter.clone()).unwrap()), filter);
        }
    }

    #[test]
    fn a_filter_holds_nothing_that_makes_no_sense() {
        let filter = |fields| Filter::try_from(from_value::<FilterFields>(fields).unwrap());
        assert_eq!(filter(json!({})), Err(InvalidFilter::Empty));
        let branch_alone = json!({"branch": "2", "base_image_id": "debian"});
        assert_eq!(filter(branch_alone), Err(InvalidFilter::BranchWithoutProduct));
    }

    #[test]
    fn a_status_of_tomorrow_passes_through() {
        let status: CustomizationStatus = from_value(json!("PAUSED")).unwrap();
        assert_eq!(json!(status), json!("PAUSED"));
        assert_eq!(CustomizationStatus::KNOWN.len(), 12);
    }

    #[test]
    fn paths_escape_what_they_hold() {
        let filename = "a b&c=é.tgz".parse().unwrap();
        let artifact = Artifact::new(&id("my catalog"), Digest::of(b""), filename);
        assert_eq!(
            artifact.url,
            format!(
                "/v1/catalogs/my%20catalog/files/{}?filename=a%20b%26c%3D%C3%A9.tgz",
                artifact.id
            ),
        );
    }
}
