//! Identifiers. They are safe in a table key, an object key and a path.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The length limit of an [`Id`], in characters.
const MAX_CHARACTERS: usize = 128;

/// The length limit of an [`Id`], in bytes. DynamoDB's limit for a sort key is 1,024 bytes. The
/// longest sort key is that of an application: a prefix of 12 bytes, four identifiers and three
/// separators.
const MAX_BYTES: usize = 252;

/// The identifier of a catalog, application, base image or registry, or the key of a product or
/// branch. The operator chooses it.
///
/// An identifier has 1 to 128 characters of at most 252 bytes in UTF-8. It has no control
/// characters and none of `#` (separates the parts of a table key), `/` and `\` (separate the parts
/// of a path) and `%` (begins an escape). It is not `.` or `..` (path traversal).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// The text is not an [`Id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MAX_CHARACTERS} characters of at most {MAX_BYTES} bytes, none of them \
     `#`, `/`, `\\`, `%` or a control character"
)]
pub struct InvalidId;

impl Id {
    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let fits = (1..=MAX_BYTES).contains(&text.len()) && text.chars().count() <= MAX_CHARACTERS;
        let reserved = |c: char| c.is_control() || matches!(c, '#' | '/' | '\\' | '%');
        let is_dot_segment = matches!(text.as_str(), "." | "..");
        if !fits || is_dot_segment || text.contains(reserved) {
            return Err(InvalidId);
        }
        Ok(Self(text))
    }
}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::try_from(text.to_owned())
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identifier of a customization: a UUID v7, which sorts by time of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CustomizationId(Uuid);

/// The text is not a [`CustomizationId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID in its hyphenated lower-case form")]
pub struct InvalidCustomizationId;

impl CustomizationId {
    /// Generates an identifier that sorts after all earlier identifiers of this process.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl FromStr for CustomizationId {
    type Err = InvalidCustomizationId;

    /// Accepts only the form that [`Display`](fmt::Display) writes, so that a customization has
    /// exactly one path.
    fn from_str(text: &str) -> Result<Self, InvalidCustomizationId> {
        let id = Uuid::try_parse(text).map_err(|_| InvalidCustomizationId)?;
        let mut canonical = Uuid::encode_buffer();
        if id.hyphenated().encode_lower(&mut canonical) != text {
            return Err(InvalidCustomizationId);
        }
        Ok(Self(id))
    }
}

impl TryFrom<String> for CustomizationId {
    type Error = InvalidCustomizationId;

    fn try_from(text: String) -> Result<Self, InvalidCustomizationId> {
        text.parse()
    }
}

impl From<CustomizationId> for String {
    fn from(id: CustomizationId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for CustomizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_length_limit_and_no_separators() {
        let (most_characters, most_bytes) = ("a".repeat(128), "𝄞".repeat(63));
        for good in ["a", "apache_kafka", "2.x", "été 7", &most_characters, &most_bytes] {
            assert_eq!(good.parse::<Id>().map(String::from), Ok(good.to_owned()));
        }
        let (too_long, too_many_bytes) = (most_characters + "a", most_bytes + "a");
        for bad in ["", "a#b", "a/b", "a\\b", "a%23b", "a\nb", "\u{7f}", ".", ".."] {
            assert_eq!(bad.parse::<Id>(), Err(InvalidId), "{bad:?}");
        }
        assert_eq!(too_long.parse::<Id>(), Err(InvalidId));
        assert_eq!(too_many_bytes.parse::<Id>(), Err(InvalidId));
    }

    #[test]
    fn only_the_canonical_form_of_a_customization_id_is_parsed() {
        let id = CustomizationId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        for other in [
            id.to_string().to_uppercase(),
            id.to_string().replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            String::new(),
        ] {
            assert_eq!(other.parse::<CustomizationId>(), Err(InvalidCustomizationId));
        }
    }
}
