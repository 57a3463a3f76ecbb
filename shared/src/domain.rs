//! Domain types: catalogs, customizations and builds.
//!
//! Each type is valid by construction: text from outside is parsed once, at the boundary, and never
//! checked again. The types do not depend on HTTP or storage, and hold no URLs of this API. Their
//! field names are also those of the API and of the attributes in the table.
//!
//! ```
//! use shared::domain::{Digest, Id, Version};
//!
//! let catalog_id: Id = "46ba3c35-fb85-44a1-8336-694b4d4f4b91".parse()?;
//! assert!("catalog#1".parse::<Id>().is_err(), "`#` separates the parts of a table key");
//! assert_eq!(Version::FIRST.next().to_string(), "v2");
//! assert_eq!(Digest::of(b"").to_string().len(), 64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod catalog;
mod customization;
mod digest;
mod file_name;
mod filter;
mod id;
mod open_enum;
mod organization;
mod timestamp;
mod version;

pub use self::{
    build::{BuildResult, BuildStatus, Failure, FailureCause},
    catalog::{Application, BaseImage, Catalog, OperatingSystem, Product, Registry, Release},
    customization::{
        Artifact, Change, Customization, CustomizationStatus, CustomizationVersion, Removed, Upload,
    },
    digest::{Digest, DigestHasher, InvalidDigest},
    file_name::{FileName, InvalidFileName},
    filter::{Filter, FilterFields, InvalidFilter},
    id::{CustomizationId, Id, InvalidCustomizationId, InvalidId},
    organization::{InvalidOrganizationId, OrganizationId},
    timestamp::{InvalidTimestamp, Timestamp},
    version::{InvalidVersion, Version},
};
