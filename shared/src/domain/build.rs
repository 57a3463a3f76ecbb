//! Build results, which the vendor's pipeline reports.

use serde::{Deserialize, Serialize};

use super::{Id, Timestamp, Version, open_enum::open_enum};

open_enum! {
    /// The state of one application's build with a customization.
    BuildStatus {
        /// Not built yet.
        PENDING = "PENDING",
        /// Built and released.
        SUCCEEDED = "SUCCEEDED",
        /// The build failed; see [`BuildResult::failure`].
        FAILED = "FAILED",
    }
}

open_enum! {
    /// The cause of a failed build.
    FailureCause {
        /// Unknown.
        UNKNOWN = "UNKNOWN",
        /// The customization could not be applied.
        CUSTOMIZATION_BUILD_ERROR = "CUSTOMIZATION_BUILD_ERROR",
        /// The customized application failed its tests.
        TEST_ERROR = "TEST_ERROR",
        /// The application could not be built.
        BUILD_ERROR = "BUILD_ERROR",
    }
}

/// The result of building one application with a customization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildResult {
    /// The application that was built.
    pub application_id: Id,
    /// The version of the customization that it was built with. Results of earlier releases have
    /// none: they are of the first version.
    #[serde(default = "first")]
    pub version: Version,
    /// The state of the build.
    pub status: BuildStatus,
    /// The cause, if the build failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

const fn first() -> Version {
    Version::FIRST
}

/// The reason why a build failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A human-readable description.
    pub description: String,
    /// A page with details, such as the build log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// The time of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_date: Option<Timestamp>,
    /// The kind of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<FailureCause>,
}
