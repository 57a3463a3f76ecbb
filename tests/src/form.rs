//! Builder of multipart forms, valid or not.
//!
//! ```
//! use tests::form::Form;
//!
//! let (content_type, body) = Form::upload().text("name", "certificates").finish();
//! assert_eq!(content_type, "multipart/form-data; boundary=----AaB03x");
//! assert!(body.ends_with(b"------AaB03x--\r\n"));
//! ```

use archive_builder::Tarball;
use serde_json::{Value, json};

use crate::stack::DEBIAN;

const DEFAULT_BOUNDARY: &str = "----AaB03x";

/// Builder of a multipart form.
#[derive(Clone, Debug)]
pub struct Form {
    content_type: String,
    boundary: String,
    preamble: String,
    /// Headers, empty line and content of each part.
    parts: Vec<Vec<u8>>,
    epilogue: String,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            content_type: format!("multipart/form-data; boundary={DEFAULT_BOUNDARY}"),
            boundary: DEFAULT_BOUNDARY.to_owned(),
            preamble: String::new(),
            parts: Vec::new(),
            epilogue: "\r\n".to_owned(),
        }
    }
}

/// A small valid archive.
pub fn archive() -> Vec<u8> {
    Tarball::new().directory("certs/").file("certs/ca.pem", b"-----BEGIN CERTIFICATE-----\n").gzip()
}

impl Form {
    /// A form without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// A form with a valid file and no other part.
    pub fn upload() -> Self {
        Self::new().file("certs.tar.gz", &archive())
    }

    /// The request of the API reference's sample: file, name, description and filter.
    pub fn kafka() -> Self {
        Self::new()
            .file("script.tar.gz", &archive())
            .text("name", "my customization")
            .text("description", "This is the customization required by my org")
            .filter(json!({"base_image_id": DEBIAN, "product_key": "apache_kafka", "branch": "2"}))
    }

    /// Adds the part `file` with the file name `name`.
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        let disposition = format!("form-data; name=\"file\"; filename=\"{name}\"");
        self.part(
            &format!("Content-Disposition: {disposition}\r\nContent-Type: application/gzip"),
            content,
        )
    }

    /// Adds a text part.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("Content-Disposition: form-data; name=\"{name}\""), value.as_bytes())
    }

    /// Adds the part `filter`.
    #[allow(clippy::needless_pass_by_value, reason = "callers pass `json!` in place")]
    pub fn filter(self, filter: Value) -> Self {
        self.text("filter", &filter.to_string())
    }

    /// Adds a part with these headers, unchecked.
    pub fn part(self, headers: &str, content: &[u8]) -> Self {
        self.raw_part(&[headers.as_bytes(), b"\r\n\r\n", content].concat())
    }

    /// Adds a part of these bytes: headers, empty line and content, unchecked.
    pub fn raw_part(mut self, part: &[u8]) -> Self {
        self.parts.push(part.to_vec());
        self
    }

    /// Sets the text before the first boundary.
    pub fn preamble(self, preamble: &str) -> Self {
        Self { preamble: preamble.to_owned(), ..self }
    }

    /// Sets the text after the closing boundary.
    pub fn epilogue(self, epilogue: &str) -> Self {
        Self { epilogue: epilogue.to_owned(), ..self }
    }

    /// Sets the content type, which may contradict the body.
    pub fn content_type(self, content_type: &str) -> Self {
        Self { content_type: content_type.to_owned(), ..self }
    }

    /// Sets the boundary, in the body and quoted in the content type.
    pub fn boundary(self, boundary: &str) -> Self {
        let form = self.content_type(&format!("multipart/form-data; boundary=\"{boundary}\""));
        Self { boundary: boundary.to_owned(), ..form }
    }

    /// The content type and the body with its closing boundary.
    pub fn finish(self) -> (String, Vec<u8>) {
        let end = format!("--{}--{}", self.boundary, self.epilogue);
        let (content_type, mut body) = self.unfinished();
        body.extend(end.bytes());
        (content_type, body)
    }

    /// The content type and the body without its closing boundary.
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
