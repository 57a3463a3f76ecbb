//! The JSON form: an object whose members become parts, like those of a multipart body.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use super::multipart::Part;

/// The maximum size of a body in bytes. The largest valid form has less than 20 KB.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// The maximum number of members, as of the parts of a multipart body.
const MAX_MEMBERS: usize = 32;

/// Parses the members of an object. A string becomes a part with its text, any other value one with
/// its JSON.
///
/// # Errors
///
/// The message of the violation: the text is too long, not an object, or one with too many members.
pub(super) fn parts(text: &[u8]) -> Result<Vec<(Part, Kind)>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("must be at most {MAX_BYTES} bytes"));
    }
    let members: Members<'_> = serde_json::from_slice(text).map_err(|error| message(&error))?;
    if members.0.len() > MAX_MEMBERS {
        return Err(format!("must have at most {MAX_MEMBERS} members"));
    }
    let part = |(name, value): (String, &RawValue)| {
        let json = value.get();
        let (content, kind) = match serde_json::from_str::<String>(json) {
            Ok(text) => (Bytes::from(text), Kind::Text),
            Err(_) => (Bytes::copy_from_slice(json.as_bytes()), Kind::Other),
        };
        (Part { name, file_name: None, content }, kind)
    };
    Ok(members.0.into_iter().map(part).collect())
}

/// The kind of a member's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// Any other value.
    Other,
}

/// The message for text that is not a JSON object.
pub(super) fn message(error: &serde_json::Error) -> String {
    match error.classify() {
        // The text of this error would repeat the client's input.
        Category::Data => "must be a JSON object".to_owned(),
        _ => format!("must be a JSON object: {error}"),
    }
}

/// The members of a JSON object in their order, with duplicates.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
