//! Multipart forms, honest or not.

use serde_json::Value;

use crate::tarball::Tarball;

/// The line between parts, unless a test wants another.
const BOUNDARY: &str = "----AaB03x";

/// A form that is being filled in.
#[derive(Clone, Debug)]
pub struct Form {
    content_type: String,
    body: Vec<u8>,
}

impl Default for Form {
    fn default() -> Self {
        Self { content_type: format!("multipart/form-data; boundary={BOUNDARY}"), body: Vec::new() }
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
    pub fn part(mut self, headers: &str, content: &[u8]) -> Self {
        self.body.extend(format!("--{BOUNDARY}\r\n{headers}\r\n\r\n").bytes());
        self.body.extend(content);
        self.body.extend(b"\r\n");
        self
    }

    /// With another content type than it has.
    pub fn content_type(self, content_type: &str) -> Self {
        Self { content_type: content_type.to_owned(), ..self }
    }

    /// The content type and the closed body.
    pub fn finish(mut self) -> (String, Vec<u8>) {
        self.body.extend(format!("--{BOUNDARY}--\r\n").bytes());
        (self.content_type, self.body)
    }

    /// The content type and the body as it is, not closed.
    pub fn unfinished(self) -> (String, Vec<u8>) {
        (self.content_type, self.body)
    }
}
