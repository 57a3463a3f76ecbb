//! The documents of the service, as far as this program reads them. Unknown members are ignored:
//! later releases of the service may add some (openapi.yaml).

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// A customization.
#[derive(Clone, Debug, Deserialize)]
pub struct Customization {
    /// The identifier.
    pub id: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The progress in the pipeline.
    pub status: String,
    /// The file.
    pub artifact: Artifact,
    /// The applications that it applies to. A global customization has none.
    pub filter: Option<Filter>,
    /// The user who created it.
    pub created_by: String,
    /// The time of creation.
    pub created_at: String,
    /// The user who last changed it.
    pub updated_by: Option<String>,
    /// The time of the last change.
    pub updated_at: Option<String>,
    /// The user who removed it.
    pub removed_by: Option<String>,
    /// The time of removal.
    pub removed_at: Option<String>,
    /// The applications that it affects. Only a get has them.
    #[serde(default)]
    pub affected_releasables: Vec<Releasable>,
}

/// The file of a customization.
#[derive(Clone, Debug, Deserialize)]
pub struct Artifact {
    /// The SHA-256 in hexadecimal digits.
    pub id: String,
    /// The path of its download link.
    pub url: String,
    /// The name.
    pub filename: String,
}

/// The filter of a customization.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Filter {
    /// The product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_key: Option<String>,
    /// The branch of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The base image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_image_id: Option<String>,
    /// The base image in full. Only a get has it.
    #[serde(skip_serializing)]
    pub base_image: Option<BaseImage>,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_image = self.base_image.as_ref().map(|image| &image.name);
        let parts = [
            ("product", self.product_key.as_ref()),
            ("branch", self.branch.as_ref()),
            ("base image", base_image.or(self.base_image_id.as_ref())),
        ];
        let parts =
            parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// An application that a customization affects.
#[derive(Clone, Debug, Deserialize)]
pub struct Releasable {
    /// The identifier of the application.
    pub application_id: String,
    /// Its latest release, if it is released.
    pub latest_release: Option<Release>,
    /// Its product.
    pub product: Product,
    /// Its branch.
    pub branch: String,
    /// Its base image.
    pub base_image: BaseImage,
    /// The status of its build.
    pub status: String,
    /// The reason, if the build failed.
    pub failure: Option<Failure>,
}

/// A release of an application.
#[derive(Clone, Debug, Deserialize)]
pub struct Release {
    /// The version of the product.
    pub version: String,
    /// The packaging revision.
    pub revision: String,
}

/// A product.
#[derive(Clone, Debug, Deserialize)]
pub struct Product {
    /// The name.
    pub name: String,
}

/// A base image.
#[derive(Clone, Debug, Deserialize)]
pub struct BaseImage {
    /// The name.
    pub name: String,
}

/// The reason why a build failed.
#[derive(Clone, Debug, Deserialize)]
pub struct Failure {
    /// A description.
    pub description: String,
    /// A page with details.
    pub source_url: Option<String>,
}

/// A version of a customization.
#[derive(Clone, Debug, Deserialize)]
pub struct Version {
    /// The version, such as `v1`.
    pub version: String,
    /// The file.
    pub artifact: Artifact,
    /// The user who uploaded it.
    pub created_by: String,
    /// The time of the upload.
    pub created_at: String,
}

/// The response to the start of a direct upload.
#[derive(Debug, Deserialize)]
pub struct StartedUpload {
    /// The request to send to S3. It is absent if the catalog has the file already.
    pub upload: Option<UploadRequest>,
}

/// A presigned request.
#[derive(Debug, Deserialize)]
pub struct UploadRequest {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers. Their values are signed.
    pub headers: BTreeMap<String, String>,
}

/// A download link.
#[derive(Debug, Deserialize)]
pub struct Link {
    /// The presigned URL.
    pub url: String,
}
