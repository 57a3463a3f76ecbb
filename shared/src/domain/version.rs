//! Versions of a customization.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

/// The version of a customization, compared as a number and written as `v1`, `v2`, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(NonZeroU32);

/// The text is not a [`Version`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `v` and a number from 1, such as v1")]
pub struct InvalidVersion;

impl Version {
    /// The version of a new customization.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// Returns the next version.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let digits = text.strip_prefix('v').ok_or(InvalidVersion)?;
        // `parse` also accepts a plus sign and leading zeros, which are not canonical.
        let canonical = !digits.starts_with(['+', '0']);
        let number = digits.parse().map_err(|_| InvalidVersion)?;
        if canonical { Ok(Self(number)) } else { Err(InvalidVersion) }
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;

    fn try_from(text: String) -> Result<Self, InvalidVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("v9") < version("v10"));
        assert_eq!(version("v9").next(), version("v10"));
        assert_eq!(Version::FIRST, version("v1"));
    }

    #[test]
    fn only_the_canonical_form_of_a_version_is_parsed() {
        for bad in ["", "v", "1", "v0", "v01", "v+1", "v-1", "V1", "v1 ", "v4294967296"] {
            assert_eq!(bad.parse::<Version>(), Err(InvalidVersion), "{bad}");
        }
        assert_eq!("v4294967295".parse::<Version>().map(String::from), Ok("v4294967295".into()));
    }
}
