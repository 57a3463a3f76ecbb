//! The names and archives of one run. Each run has its own, so that the service does not know them
//! yet.

use archive_builder::Tarball;
use bytes::Bytes;
use cli::{
    api::{Fields, model::Filter},
    archive_file::hex,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The size of a file that no form can hold, in bytes.
const LARGE_FILE_BYTES: usize = 5_000_000;

/// The names and archives of one run.
#[derive(Debug)]
pub struct Sample {
    run: Uuid,
    filter: Option<Filter>,
}

/// A file to upload.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The name.
    pub filename: &'static str,
    /// The content.
    pub content: Bytes,
}

impl Archive {
    /// A file with this content.
    pub fn new(filename: &'static str, content: impl Into<Bytes>) -> Self {
        Self { filename, content: content.into() }
    }

    /// The SHA-256 in hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(Sha256::new_with_prefix(&self.content))
    }

    /// The size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.len() as u64
    }
}

impl Sample {
    /// The sample of a new run.
    #[must_use]
    pub fn new(filter: Option<Filter>) -> Self {
        Self { run: Uuid::new_v4(), filter }
    }

    /// The start of the names of all customizations of this run, and of no others.
    #[must_use]
    pub fn name_prefix(&self) -> String {
        format!("smoke test {}", self.run.simple())
    }

    /// The fields of a customization. `purpose` ends its name.
    #[must_use]
    pub fn fields(&self, purpose: &str) -> Fields {
        Fields {
            name: Some(format!("{}: {purpose}", self.name_prefix())),
            description: Some("A smoke test created it, and removes it at its end.".to_owned()),
            filter: self.filter.clone(),
        }
    }

    /// A valid archive. Another `number` gives another archive.
    #[must_use]
    pub fn archive(&self, number: u8) -> Archive {
        let text = format!("smoke test {}, archive {number}\n", self.run);
        let content = Tarball::new().file("smoke-test.txt", text.as_bytes()).gzip();
        Archive::new("smoke-test.tar.gz", content)
    }

    /// A valid archive that no form can hold.
    #[must_use]
    pub fn large_archive(&self) -> Archive {
        let mut bytes = vec![0; LARGE_FILE_BYTES];
        // Random bytes, because the archive is compressed.
        fastrand::Rng::new().fill(&mut bytes);
        let content = Tarball::new()
            .file("smoke-test.txt", self.run.to_string().as_bytes())
            .file("smoke-test.bin", &bytes)
            .gzip();
        Archive::new("smoke-test-large.tar.gz", content)
    }

    /// An archive whose entry would be unpacked outside its folder: path traversal.
    #[must_use]
    pub fn hostile_archive(&self) -> Archive {
        let content = Tarball::new().file("../x", self.run.to_string().as_bytes()).gzip();
        Archive::new("hostile.tar.gz", content)
    }
}
