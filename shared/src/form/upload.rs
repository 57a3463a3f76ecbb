//! The JSON that describes a direct upload.

use ::http::HeaderMap;
use serde_json::Number;

use super::{Encoding, FormError, json};
use crate::{
    domain::Digest,
    request::Body,
    violation::{self, Violation},
};

/// The description of a direct upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadDescription {
    /// The SHA-256 of the file.
    pub sha256: Digest,
    /// The size of the file in bytes.
    pub size: u64,
}

impl UploadDescription {
    /// Parses the description in `body`.
    ///
    /// # Errors
    ///
    /// [`FormError`] if the body is no JSON object; otherwise the violations.
    pub fn read(
        headers: &HeaderMap,
        body: &Body,
    ) -> Result<Result<Self, Vec<Violation>>, FormError> {
        if super::content_type(headers).and_then(Encoding::of) != Some(Encoding::Json) {
            return Err(FormError::NotAForm);
        }
        let members = json::parts(body.bytes()?).map_err(FormError::Malformed)?;
        let (mut sha256, mut size, mut violations) = (None, None, Vec::new());
        let mut seen: Vec<String> = Vec::new();
        for (part, kind) in members {
            let name = part.name;
            let text = std::str::from_utf8(&part.content).unwrap_or_default();
            let message = match name.as_str() {
                _ if seen.contains(&name) => Some("is given more than once; give it once"),
                "sha256" => {
                    sha256 = super::digest(text).ok().filter(|_| kind == json::Kind::Text);
                    sha256.is_none().then_some("must be a string of 64 hexadecimal digits")
                }
                "size" => {
                    size = byte_count(text).filter(|_| kind == json::Kind::Other);
                    size.is_none().then_some("must be a number of bytes from 1")
                }
                _ => Some("is unknown; an upload has sha256 and size"),
            };
            violations
                .extend(message.map(|message| Violation::new(violation::excerpt(&name), message)));
            seen.push(name);
        }
        for (name, message) in [
            ("sha256", "is missing; give the SHA-256 of the file"),
            ("size", "is missing; give the size of the file in bytes"),
        ] {
            if !seen.iter().any(|seen| seen == name) {
                violations.push(Violation::new(name, message));
            }
        }
        match (sha256, size) {
            (Some(sha256), Some(size)) if violations.is_empty() => Ok(Ok(Self { sha256, size })),
            _ => Ok(Err(violations)),
        }
    }
}

/// Parses a positive integer. `1.0` is one too, as in JSON Schema. A number of more than 64 bits is
/// the largest that has 64.
fn byte_count(text: &str) -> Option<u64> {
    let number: Number = serde_json::from_str(text).ok()?;
    let size = number.as_u64().or_else(|| {
        let size = number.as_f64().filter(|size| size.fract() == 0.0 && *size >= 1.0)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a positive integer, and the conversion is saturating"
        )]
        Some(size as u64)
    });
    size.filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_positive_integer() {
        for (text, size) in [
            ("1", Some(1)),
            ("1.0", Some(1)),
            ("1e3", Some(1000)),
            ("268435457", Some(268_435_457)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("1e300", Some(u64::MAX)),
            ("0", None),
            ("0.0", None),
            ("-1", None),
            ("-1e3", None),
            ("1.5", None),
            ("0.5", None),
            ("true", None),
            ("null", None),
            ("[1]", None),
            ("{}", None),
        ] {
            assert_eq!(byte_count(text), size, "{text}");
        }
    }
}
