//! Organizations, the tenants of this service.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The length limit of an identifier, in bytes. Real identifiers are UUIDs.
const MAX_BYTES: usize = 255;

/// The identifier of an organization, the tenant that owns catalogs: the `context_name` of a token.
///
/// An identifier has 1 to 255 bytes without control characters. `default` is refused: CSP issues
/// tokens with that name for no particular organization. Tenant isolation compares two values of
/// this type, never text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrganizationId(String);

/// The text is not an [`OrganizationId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_BYTES} bytes without control characters, and not `default`")]
pub struct InvalidOrganizationId;

impl OrganizationId {
    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OrganizationId {
    type Error = InvalidOrganizationId;

    fn try_from(text: String) -> Result<Self, InvalidOrganizationId> {
        let fits = (1..=MAX_BYTES).contains(&text.len()) && !text.contains(char::is_control);
        if fits && text != "default" { Ok(Self(text)) } else { Err(InvalidOrganizationId) }
    }
}

impl From<OrganizationId> for String {
    fn from(id: OrganizationId) -> Self {
        id.0
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_id_has_a_length_limit_and_is_not_default() {
        let longest = "o".repeat(MAX_BYTES);
        for good in ["o", "68c0f832-5169-4433-ab2f-40e939e3f1bc", "Default", &longest] {
            assert_eq!(
                OrganizationId::try_from(good.to_owned()).map(String::from),
                Ok(good.into())
            );
        }
        for bad in ["", "default", "a\nb", &format!("{longest}o")] {
            assert_eq!(
                OrganizationId::try_from(bad.to_owned()),
                Err(InvalidOrganizationId),
                "{bad}"
            );
        }
    }
}
