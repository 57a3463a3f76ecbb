//! The JSON that describes a direct upload.

use ::http::HeaderMap;

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
                    size = text.parse().ok().filter(|size| kind == json::Kind::Other && *size > 0);
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
