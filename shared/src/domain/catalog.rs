//! Catalogs. The operator imports them with `admin`, and the functions read them.

use serde::{Deserialize, Serialize};

use super::{Id, OrganizationId, Timestamp};

/// A catalog of packaged applications, owned by one organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The catalog's identifier.
    pub id: Id,
    /// The organization that owns it: the `context_name` of its members' tokens.
    pub org_id: OrganizationId,
}

/// An application of a catalog: a product's branch on a base image, published to a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// The application's identifier, unique in its catalog.
    pub application_id: Id,
    /// The product that it packages.
    pub product_key: Id,
    /// The product's branch, such as `2`.
    pub branch: Id,
    /// The base image that it is built on.
    pub base_image_id: Id,
    /// The registry that it is published to.
    pub registry_id: Id,
    /// Its latest release, if it has been released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_release: Option<Release>,
    /// The pipeline that last built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_pipeline_id: Option<Id>,
}

/// A published build of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The release's identifier.
    pub id: Id,
    /// The packaging revision of this version.
    pub revision: String,
    /// The time of publication.
    pub released_at: Timestamp,
    /// The product's version.
    pub version: String,
}

/// An image that applications are built on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseImage {
    /// The base image's identifier.
    pub id: Id,
    /// Its name, such as `Debian 11`.
    pub name: String,
    /// A description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The image reference, such as `docker.io/library/debian:11`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_image: Option<String>,
    /// The operating system of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operating_system: Option<OperatingSystem>,
    /// True if the last check could pull it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// The time of the last check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked_at: Option<Timestamp>,
}

/// The operating system of a [`BaseImage`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatingSystem {
    /// The operating system's identifier.
    pub id: Id,
    /// Its name, such as `Centos 7`.
    pub name: String,
    /// The distribution, such as `centos`.
    pub distro: String,
    /// The distribution's version, such as `7`.
    pub version: String,
}

/// A product that is packaged as applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The product's name, such as `Argo CD`.
    pub name: String,
    /// Its key, such as `argo-cd`.
    pub key: Id,
    /// A description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its name with the packager, such as `Apache Kafka packaged by VMware`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_display_name: Option<String>,
    /// The trademark notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disclaimer: Option<String>,
    /// Its category, such as `Developer Tools`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// True if it is built without a base image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub based_on_scratch: Option<bool>,
    /// True if its latest version is free of charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_free: Option<bool>,
}

/// A registry that applications are published to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// The registry's identifier.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// True if the last check could reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// The time of the last check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked_at: Option<Timestamp>,
}
