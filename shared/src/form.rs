//! The multipart form of an upload.
//!
//! ```
//! use http::{HeaderMap, header::CONTENT_TYPE};
//! use shared::form::{Form, FormLimits};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=B".parse()?);
//! let body = "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nmy certificates\r\n--B--";
//! let form = Form::read(&headers, &bytes::Bytes::from(body).into(), &FormLimits::PRODUCTION)?;
//! assert_eq!(form.name.as_deref(), Some("my certificates"));
//! assert_eq!(form.violations[0].field, "file", "a form must have a file");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | `multipart` | the parts of a body |
//! | `filter` | the JSON of the field `filter` |

mod filter;
mod multipart;

use std::ops::RangeInclusive;

use ::http::{HeaderMap, header::CONTENT_TYPE};
use bytes::Bytes;

use self::multipart::{Malformed, Part};
use crate::{
    domain::{FileName, Filter},
    request::Body,
    violation::{self, Violation},
};

/// The limits of a form.
#[derive(Clone, Copy, Debug)]
pub struct FormLimits {
    /// The maximum size of the file in bytes. Lambda accepts events of 6 MB, and an event holds the
    /// file in base64.
    pub file_bytes: usize,
    /// The maximum length of the name in characters.
    pub name_characters: usize,
    /// The maximum length of the description in characters.
    pub description_characters: usize,
    /// The maximum size of the filter in bytes. A complete filter has a few hundred bytes.
    pub filter_bytes: usize,
}

impl FormLimits {
    /// The limits of the API.
    pub const PRODUCTION: Self = Self {
        file_bytes: 4_500_000,
        name_characters: 128,
        description_characters: 1024,
        filter_bytes: 8192,
    };
}

/// The valid fields of a form, and the violations of the invalid ones.
#[derive(Debug, Default)]
pub struct Form {
    /// The archive, not checked yet.
    pub file: Option<File>,
    /// The customization's name.
    pub name: Option<String>,
    /// The customization's description.
    pub description: Option<String>,
    /// The applications that the customization applies to.
    pub filter: Option<Filter>,
    /// The rules that the form breaks.
    pub violations: Vec<Violation>,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its bytes, a slice of the request's body.
    pub content: Bytes,
    /// Its name.
    pub name: FileName,
}

/// The body is not a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The request has another content type.
    #[error("the content type is not multipart/form-data")]
    NotAForm,
    /// The file exceeds [`FormLimits::file_bytes`].
    #[error("the file is too large")]
    TooLarge,
    /// The body is not valid base64, or not a well-formed multipart body.
    #[error("{0}")]
    Malformed(String),
}

impl From<Malformed> for FormError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl Form {
    /// Parses the form in `body`. A field that breaks a rule becomes a violation of the form, not
    /// an error.
    ///
    /// # Errors
    ///
    /// [`FormError`]
    #[tracing::instrument(level = "debug", name = "form", skip_all)]
    pub fn read(headers: &HeaderMap, body: &Body, limits: &FormLimits) -> Result<Self, FormError> {
        let mut content_types = headers.get_all(CONTENT_TYPE).iter();
        let (Some(content_type), None) = (content_types.next(), content_types.next()) else {
            return Err(FormError::NotAForm);
        };
        let content_type = content_type.to_str().map_err(|_| FormError::NotAForm)?;
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            return Err(FormError::NotAForm);
        }
        let body = body.bytes().map_err(|error| FormError::Malformed(error.to_string()))?;
        let content_type = content_type.parse().map_err(|_| Malformed::Boundary)?;
        let parts = multipart::parts(body, multipart::boundary(&content_type)?)?;
        if parts.iter().any(|part| part.name == "file" && part.content.len() > limits.file_bytes) {
            return Err(FormError::TooLarge);
        }
        Ok(Self::from_parts(parts, limits))
    }

    fn from_parts(parts: Vec<Part>, limits: &FormLimits) -> Self {
        let mut form = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for part in parts {
            let known = matches!(part.name.as_str(), "file" | "name" | "description" | "filter");
            let result = if !known {
                Err("is unknown; a form has file, name, description and filter".to_owned())
            } else if seen.contains(&part.name) {
                Err("is given more than once; give it once".to_owned())
            } else {
                seen.push(part.name.clone());
                form.set_field(&part, limits)
            };
            if let Err(message) = result {
                form.violations.push(Violation::new(violation::excerpt(&part.name), message));
            }
        }
        if !seen.iter().any(|name| name == "file") {
            let message = "is missing; give the customization's tar.gz";
            form.violations.push(Violation::new("file", message));
        }
        form
    }

    /// Sets the field of a known part.
    fn set_field(&mut self, part: &Part, limits: &FormLimits) -> Result<(), String> {
        match part.name.as_str() {
            "file" => {
                let path = part.file_name.as_deref().unwrap_or_default();
                let name = path.parse().map_err(|error| format!("the file name {error}"))?;
                self.file = Some(File { content: part.content.clone(), name });
            }
            "name" => {
                let name = text(part, 1..=limits.name_characters)?;
                if name.contains(char::is_control) {
                    return Err("must not hold control characters".to_owned());
                }
                self.name = Some(name.to_owned());
            }
            "description" => {
                let description = text(part, 0..=limits.description_characters)?;
                self.description = (!description.is_empty()).then(|| description.to_owned());
            }
            _ => {
                if part.content.len() > limits.filter_bytes {
                    return Err(format!("must be at most {} bytes", limits.filter_bytes));
                }
                match filter::parse(utf8(part)?) {
                    Ok(filter) => self.filter = filter,
                    Err(violations) => self.violations.extend(violations),
                }
            }
        }
        Ok(())
    }
}

fn utf8(part: &Part) -> Result<&str, String> {
    std::str::from_utf8(&part.content).map_err(|_| "must be UTF-8 text".to_owned())
}

/// Decodes the text of a part, and checks that its number of characters is in `range`.
fn text(part: &Part, range: RangeInclusive<usize>) -> Result<&str, String> {
    let text = utf8(part)?;
    // Stops counting one character after the maximum.
    let characters = text.chars().take(range.end() + 1).count();
    let (minimum, maximum) = range.clone().into_inner();
    match minimum {
        _ if range.contains(&characters) => Ok(text),
        0 => Err(format!("must have at most {maximum} characters")),
        _ => Err(format!("must have {minimum} to {maximum} characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[(&str, &[u8])]) -> Form {
        let parts = parts
            .iter()
            .map(|(name, content)| Part {
                name: (*name).to_owned(),
                file_name: None,
                content: Bytes::copy_from_slice(content),
            })
            .collect();
        Form::from_parts(parts, &FormLimits::PRODUCTION)
    }

    fn violations(parts: &[(&str, &[u8])]) -> Vec<(String, String)> {
        let form = read(parts);
        form.violations.into_iter().map(|Violation { field, message }| (field, message)).collect()
    }

    #[test]
    fn all_violations_are_reported() {
        let found = violations(&[
            ("name", b""),
            ("description", &[0xff]),
            ("filter", b"{\"branch\": \"2\"}"),
            ("color", b"red"),
            ("name", b"again"),
        ]);
        let expected = [
            ("name", "must have 1 to 128 characters"),
            ("description", "must be UTF-8 text"),
            ("filter.branch", "needs filter.product_key: name the product of the branch"),
            ("color", "is unknown; a form has file, name, description and filter"),
            ("name", "is given more than once; give it once"),
            ("file", "is missing; give the customization's tar.gz"),
        ];
        assert_eq!(found, expected.map(|(field, message)| (field.into(), message.into())));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        for (field, maximum, message) in [
            ("name", 128, "must have 1 to 128 characters"),
            ("description", 1024, "must have at most 1024 characters"),
        ] {
            let longest = "é".repeat(maximum);
            assert_eq!(violations(&[("file", b""), (field, longest.as_bytes())]), []);
            let too_long = format!("{longest}é");
            assert_eq!(
                violations(&[("file", b""), (field, too_long.as_bytes())]),
                [(field.to_owned(), message.to_owned())],
            );
        }
        assert_eq!(
            violations(&[("file", b""), ("name", b"a\x1b[31m")]),
            [("name".to_owned(), "must not hold control characters".to_owned())],
        );
    }

    #[test]
    fn an_unknown_field_name_is_escaped_and_shortened() {
        let name = format!("\u{202e}\n{}", "a".repeat(100));
        let [(field, _), _] = &violations(&[(&name, b"")])[..] else { panic!() };
        assert_eq!(field, &format!("\\u{{202e}}\\n{}…", "a".repeat(62)));
    }

    #[test]
    fn another_content_type_is_refused() {
        let read = |content_types: &[&str]| {
            let mut headers = HeaderMap::new();
            for content_type in content_types {
                headers.append(CONTENT_TYPE, content_type.parse().unwrap());
            }
            Form::read(&headers, &Bytes::from_static(b"--B--").into(), &FormLimits::PRODUCTION)
                .err()
        };
        assert_eq!(read(&["Multipart/Form-Data; boundary=B"]), None);
        let malformed = FormError::from(Malformed::Boundary);
        assert_eq!(read(&["multipart/form-data; boundary=\"\""]), Some(malformed));
        for other in ["", "application/json", "multipart/mixed; boundary=B", "form"] {
            assert_eq!(read(&[other]), Some(FormError::NotAForm), "{other}");
        }
        assert_eq!(read(&[]), Some(FormError::NotAForm));
        assert_eq!(read(&["multipart/form-data; boundary=B"; 2]), Some(FormError::NotAForm));
    }
}
