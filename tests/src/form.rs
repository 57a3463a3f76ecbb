//! Multipart forms, honest or not.

use archive_builder::Tarball;
use serde_json::{Value, json};

use crate::stack::DEBIAN;

/// The line between parts, unless a test wants another.
const BOUNDARY: &str = "----AaB03x";

/// A form that is being filled in.
#[derive(Clone, Debug)]
pub struct Form {
    content_type: String,
    boundary: String,
    preamble: String,
    /// Each with its headers.
    parts: Vec<Vec<u8>>,
    epilogue: String,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            content_type: format!("multipart/form-data; boundary={BOUNDARY}"),
            boundary: BOUNDARY.to_owned(),
            preamble: String::new(),
            parts: Vec::new(),
            epilogue: "\r\n".to_owned(),
        }
    }
}

/// A small archive that any customization might be.
pub fn archive() -> Vec<u8> {
    Tarball::new().directory("certs/").file("certs/ca.pem", b"-----BEGIN CERTIFICATE-----\n").gzip()
}

impl Form {
    /// A form without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// A form with nothing but a good file.
    pub fn upload() -> Self {
        Self::new().file("certs.tar.gz", &archive())
    }

    /// The upload of the reference's sample.
    pub fn kafka() -> Self {
        Self::new()
            .file("script.tar.gz", &archive())
            .text("name", "my customization")
            .text("description", "This is the customization required by my org")
            .filter(json!({"base_image_id": DEBIAN, "product_key": "apache_kafka", "branch": "2"}))
    }

    /// With the file `content` called `name`.
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        let disposition = format!("form-data; name=\"file\"; filename=\"{name}\"");
        self.part(
            &format!("Content-Disposition: {disposition}\r\nContent-Type: application/gzip"),
            content,
        )
    }

    /// With a text field.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("Content-Disposition: form-data; name=\"{name}\""), value.as_bytes())
    }

    /// With a filter.
    #[allow(clippy::needless_pass_by_value, reason = "so that tests write it in place")]
    pub fn filter(self, filter: Value) -> Self {
        self.text("filter", &filter.to_string())
    }

    /// With a part of these headers, whatever they are.
    pub fn part(self, headers: &str, content: &[u8]) -> Self {
        self.raw_part(&[headers.as_bytes(), b"\r\n\r\n", content].concat())
    }

    /// With these bytes between two boundaries.
    pub fn raw_part(mut self, part: &[u8]) -> Self {
        self.parts.push(part.to_vec());
        self
    }

    /// With this text before the first boundary.
    pub fn preamble(self, preamble: &str) -> Self {
        Self { preamble: preamble.to_owned(), ..self }
    }

    /// With this text after the last boundary.
    pub fn epilogue(self, epilogue: &str) -> Self {
        Self { epilogue: epilogue.to_owned(), ..self }
    }

    /// With another content type than it has.
    pub fn content_type(self, content_type: &str) -> Self {
        Self { content_type: content_type.to_owned(), ..self }
    }

    /// With another boundary, which the content type gives in quotes.
    pub fn boundary(self, boundary: &str) -> Self {
        let form = self.content_type(&format!("multipart/form-data; boundary=\"{boundary}\""));
        Self { boundary: boundary.to_owned(), ..form }
    }

    /// The content type and the closed body.
    pub fn finish(self) -> (String, Vec<u8>) {
        let end = format!("--{}--{}", self.boundary, self.epilogue);
        let (content_type, mut body) = self.unfinished();
        body.extend(end.bytes());
        (content_type, body)
    }

    /// The content type and the body as it is, not closed.
    pub fn unfinished(self) -> (String, Vec<u8>) {
        let mut body = self.preamble.into_bytes();
        for part in self.parts {
            body.extend(format!("--{}\r\n", self.boundary).bytes());
            body.extend(part);
            body.extend(b"\r\n");
        }
        (self.content_type, body)
    }
}
