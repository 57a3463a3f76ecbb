//! The forms of an upload: for a new customization, and for a new version. A multipart form holds
//! the file; a JSON form names a file that was uploaded directly.
//!
//! ```
//! use http::{HeaderMap, header::CONTENT_TYPE};
//! use shared::form::{Form, FormKind, FormLimits};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=B".parse()?);
//! let body = "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nmy certificates\r\n--B--";
//! let body = bytes::Bytes::from(body).into();
//! let form = Form::read(FormKind::Create, &headers, &body, &FormLimits::PRODUCTION)?;
//! assert_eq!(form.name.as_deref(), Some("my certificates"));
//! assert_eq!(form.violations[0].field, "file", "a new customization must have a file");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | `multipart` | the parts of a multipart body |
//! | `json` | the members of a JSON body |
//! | `upload` | the description of a direct upload |
//! | `filter` | the JSON of the field `filter` |

mod filter;
mod json;
mod multipart;
mod upload;

use std::ops::RangeInclusive;

use ::http::{HeaderMap, header::CONTENT_TYPE};
use bytes::Bytes;

use self::multipart::{Malformed, Part};
pub use self::upload::UploadDescription;
use crate::{
    domain::{Digest, FileName, Filter},
    request::{Body, InvalidBase64},
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

/// The request that a form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormKind {
    /// Creates a customization: the file is required.
    Create,
    /// Changes a customization: at least one of file, name and description is required, and there
    /// is no filter.
    Update,
}

/// The encoding of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// `multipart/form-data`, with the file.
    Multipart,
    /// `application/json`, with the SHA-256 of a file that was uploaded directly.
    Json,
}

impl Encoding {
    /// The encoding that a content type names, if a form can have it.
    fn of(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match media_type.to_ascii_lowercase().as_str() {
            "multipart/form-data" => Some(Self::Multipart),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Checks the JSON type of a known field. In a multipart form, every field is text.
    fn check_type(self, name: &str, value: json::Kind) -> Result<(), String> {
        let is_object = self == Self::Json && name == "filter";
        match value {
            json::Kind::Text if is_object => Err("must be a JSON object".to_owned()),
            json::Kind::Other if !is_object => Err("must be a string".to_owned()),
            json::Kind::Text | json::Kind::Other => Ok(()),
        }
    }
}

impl FormKind {
    /// The fields of the form, and the violation's message for another one.
    const fn fields(self, encoding: Encoding) -> (&'static [&'static str], &'static str) {
        match (self, encoding) {
            (Self::Create, Encoding::Multipart) => (
                &["file", "name", "description", "filter", "sha256"],
                "is unknown; a form has file, name, description, filter and sha256",
            ),
            (Self::Update, Encoding::Multipart) => (
                &["file", "name", "description", "sha256"],
                "is unknown; a form has file, name, description and sha256",
            ),
            (Self::Create, Encoding::Json) => (
                &["sha256", "filename", "name", "description", "filter"],
                "is unknown; the JSON form has sha256, filename, name, description and filter",
            ),
            (Self::Update, Encoding::Json) => (
                &["sha256", "filename", "name", "description"],
                "is unknown; the JSON form has sha256, filename, name and description",
            ),
        }
    }

    /// The violation's message for a field that the form does not have.
    fn unknown_field(self, encoding: Encoding, name: &str) -> &'static str {
        match self {
            Self::Update if name == "filter" => {
                "cannot change; create another customization for another filter"
            }
            Self::Create | Self::Update => self.fields(encoding).1,
        }
    }

    /// The violation of a form that has only the fields `given`, if it lacks one.
    fn missing_field(self, encoding: Encoding, given: &[String]) -> Option<Violation> {
        let has = |name: &str| given.iter().any(|given| given == name);
        let (field, message) = match (self, encoding) {
            (Self::Create, Encoding::Multipart) if !has("file") => {
                ("file", "is missing; give the customization's tar.gz")
            }
            (Self::Create, Encoding::Json) if !has("sha256") => {
                ("sha256", "is missing; give the SHA-256 of the uploaded file")
            }
            (Self::Update, Encoding::Multipart) if !has("file") && has("sha256") => {
                ("sha256", "needs a file: give the tar.gz of the new version")
            }
            (Self::Update, Encoding::Json) if !has("sha256") && has("filename") => {
                ("filename", "needs sha256: give the SHA-256 of the uploaded file")
            }
            (Self::Update, Encoding::Multipart)
                if !["file", "name", "description"].into_iter().any(has) =>
            {
                ("body", "has no field; give at least one of file, name and description")
            }
            (Self::Update, Encoding::Json)
                if !["sha256", "name", "description"].into_iter().any(has) =>
            {
                ("body", "has no field; give at least one of sha256, name and description")
            }
            _ => return None,
        };
        Some(Violation::new(field, message))
    }
}

/// The valid fields of a form, and the violations of the invalid ones.
#[derive(Debug, Default)]
pub struct Form {
    /// The archive, not checked yet.
    pub file: Option<File>,
    /// The field `filename` of a JSON form, until it becomes the name of `file`.
    filename: Option<FileName>,
    /// The customization's name.
    pub name: Option<String>,
    /// The customization's description; empty if the field is.
    pub description: Option<String>,
    /// The SHA-256 that the file of a multipart form must have.
    pub sha256: Option<Digest>,
    /// The applications that the customization applies to.
    pub filter: Option<Filter>,
    /// The rules that the form breaks.
    pub violations: Vec<Violation>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: FileName,
    /// Its bytes.
    pub content: Content,
}

/// The bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// They are a slice of the request's body.
    Sent(Bytes),
    /// They were uploaded directly, and have this SHA-256.
    Uploaded(Digest),
}

/// The body is not a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The request has another content type.
    #[error("the content type is neither multipart/form-data nor application/json")]
    NotAForm,
    /// The file exceeds [`FormLimits::file_bytes`].
    #[error("the file is too large")]
    TooLarge,
    /// The body is not valid base64, or not well formed.
    #[error("{0}")]
    Malformed(String),
}

impl From<InvalidBase64> for FormError {
    fn from(error: InvalidBase64) -> Self {
        Self::Malformed(error.to_string())
    }
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
    pub fn read(
        kind: FormKind,
        headers: &HeaderMap,
        body: &Body,
        limits: &FormLimits,
    ) -> Result<Self, FormError> {
        let content_type = content_type(headers).ok_or(FormError::NotAForm)?;
        let encoding = Encoding::of(content_type).ok_or(FormError::NotAForm)?;
        let body = body.bytes()?;
        let parts = match encoding {
            Encoding::Json => json::parts(body).map_err(FormError::Malformed)?,
            Encoding::Multipart => {
                let content_type = content_type.parse().map_err(|_| Malformed::Boundary)?;
                let parts = multipart::parts(body, multipart::boundary(&content_type)?)?;
                if parts
                    .iter()
                    .any(|part| part.name == "file" && part.content.len() > limits.file_bytes)
                {
                    return Err(FormError::TooLarge);
                }
                parts.into_iter().map(|part| (part, json::Kind::Text)).collect()
            }
        };
        Ok(Self::from_parts(kind, encoding, parts, limits))
    }

    fn from_parts(
        kind: FormKind,
        encoding: Encoding,
        parts: Vec<(Part, json::Kind)>,
        limits: &FormLimits,
    ) -> Self {
        let mut form = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (part, value) in parts {
            let name = part.name.as_str();
            let result = if !kind.fields(encoding).0.contains(&name) {
                Err(kind.unknown_field(encoding, name).to_owned())
            } else if seen.contains(&part.name) {
                Err("is given more than once; give it once".to_owned())
            } else {
                seen.push(part.name.clone());
                encoding.check_type(name, value).and_then(|()| form.set_field(&part, limits))
            };
            if let Err(message) = result {
                form.violations.push(Violation::new(violation::excerpt(&part.name), message));
            }
        }
        form.violations.extend(kind.missing_field(encoding, &seen));
        if encoding == Encoding::Json {
            let name = form.filename.take().or_else(|| "".parse().ok());
            let named = form.sha256.take().zip(name);
            form.file =
                named.map(|(digest, name)| File { name, content: Content::Uploaded(digest) });
        }
        form
    }

    /// Sets the field of a known part.
    fn set_field(&mut self, part: &Part, limits: &FormLimits) -> Result<(), String> {
        match part.name.as_str() {
            "file" => {
                let path = part.file_name.as_deref().unwrap_or_default();
                let name = path.parse().map_err(|error| format!("the file name {error}"))?;
                self.file = Some(File { name, content: Content::Sent(part.content.clone()) });
            }
            "filename" => {
                self.filename = Some(utf8(part)?.parse().map_err(|error| format!("{error}"))?);
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
                self.description = Some(description.to_owned());
            }
            "sha256" => {
                self.sha256 = Some(digest(utf8(part)?)?);
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

/// The content type of a request, if it has exactly one that is text.
fn content_type(headers: &HeaderMap) -> Option<&str> {
    let mut content_types = headers.get_all(CONTENT_TYPE).iter();
    match (content_types.next(), content_types.next()) {
        (Some(content_type), None) => content_type.to_str().ok(),
        _ => None,
    }
}

/// Parses a SHA-256 that a client sends: tools print the digits in either case.
fn digest(digits: &str) -> Result<Digest, String> {
    let digest = digits.to_ascii_lowercase().parse();
    digest.map_err(|_| "must be 64 hexadecimal digits".to_owned())
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

    fn read(kind: FormKind, parts: &[(&str, &[u8])]) -> Form {
        let parts = parts
            .iter()
            .map(|(name, content)| {
                let (name, content) = ((*name).to_owned(), Bytes::copy_from_slice(content));
                (Part { name, file_name: None, content }, json::Kind::Text)
            })
            .collect();
        Form::from_parts(kind, Encoding::Multipart, parts, &FormLimits::PRODUCTION)
    }

    fn violations(parts: &[(&str, &[u8])]) -> Vec<(String, String)> {
        violations_of(FormKind::Create, parts)
    }

    fn violations_of(kind: FormKind, parts: &[(&str, &[u8])]) -> Vec<(String, String)> {
        let form = read(kind, parts);
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
            ("color", "is unknown; a form has file, name, description, filter and sha256"),
            ("name", "is given more than once; give it once"),
            ("file", "is missing; give the customization's tar.gz"),
        ];
        assert_eq!(found, expected.map(|(field, message)| (field.into(), message.into())));
    }

    #[test]
    fn a_change_needs_a_field_and_has_no_filter() {
        let nothing = ("body", "has no field; give at least one of file, name and description");
        let filter = ("filter", "cannot change; create another customization for another filter");
        let color = ("color", "is unknown; a form has file, name, description and sha256");
        let no_file = ("sha256", "needs a file: give the tar.gz of the new version");
        let digest = Digest::of(b"").to_string();
        let sha256: (&str, &[u8]) = ("sha256", digest.as_bytes());
        let part = |name| (name, &b"{}"[..]);
        for (parts, expected) in [
            (vec![], vec![nothing]),
            (vec![part("filter"), part("color")], vec![filter, color, nothing]),
            (vec![sha256], vec![no_file]),
            (vec![sha256, part("name")], vec![no_file]),
            (vec![part("name")], vec![]),
            (vec![part("description")], vec![]),
            (vec![sha256, part("file")], vec![]),
        ] {
            let expected: Vec<(String, String)> = expected
                .into_iter()
                .map(|(field, message)| (field.into(), message.into()))
                .collect();
            assert_eq!(violations_of(FormKind::Update, &parts), expected);
        }
        let form = read(FormKind::Update, &[("description", b"")]);
        assert_eq!(form.description.as_deref(), Some(""), "an empty description removes it");
    }

    #[test]
    fn a_sha256_has_64_hexadecimal_digits_in_either_case() {
        let digest = Digest::of(b"");
        let (lower, upper) = (digest.to_string(), digest.to_string().to_uppercase());
        for text in [&lower, &upper] {
            let form = read(FormKind::Create, &[("file", b""), ("sha256", text.as_bytes())]);
            assert_eq!((form.sha256, form.violations), (Some(digest), vec![]));
        }
        let message = "must be 64 hexadecimal digits".to_owned();
        for bad in ["", &lower[1..], &format!("{lower}0"), &lower.replace('0', "g")] {
            let found = violations(&[("file", b""), ("sha256", bad.as_bytes())]);
            assert_eq!(found, [("sha256".to_owned(), message.clone())], "{bad}");
        }
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
            let body = Bytes::from_static(b"--B--").into();
            Form::read(FormKind::Create, &headers, &body, &FormLimits::PRODUCTION).err()
        };
        assert_eq!(read(&["Multipart/Form-Data; boundary=B"]), None);
        let malformed = FormError::from(Malformed::Boundary);
        assert_eq!(read(&["multipart/form-data; boundary=\"\""]), Some(malformed));
        for other in ["", "text/plain", "multipart/mixed; boundary=B", "form"] {
            assert_eq!(read(&[other]), Some(FormError::NotAForm), "{other}");
        }
        assert_eq!(read(&[]), Some(FormError::NotAForm));
        assert_eq!(read(&["multipart/form-data; boundary=B"; 2]), Some(FormError::NotAForm));
    }
}
