//! The check of an archive, as the service does it, and its way to the service.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

use archive::{ArchiveError, ArchiveLimits, Summary};
use bytes::Bytes;
use indicatif::ProgressBar;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::CommandError;

/// The maximum size of a file in a form, in bytes (openapi.yaml).
pub const MAX_FORM_BYTES: u64 = 4_500_000;

/// The maximum size of a direct upload, in bytes (openapi.yaml).
pub const MAX_UPLOAD_BYTES: u64 = 268_435_456;

/// An archive that the service accepts.
#[derive(Debug)]
pub struct CheckedArchive {
    /// The open file.
    pub file: File,
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// The totals.
    pub summary: Summary,
}

/// The way of an archive to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// In a form. A direct upload is possible too.
    Form,
    /// Directly to S3: it is too large for a form, packed or unpacked.
    DirectUpload,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "form or direct upload",
            Self::DirectUpload => "direct upload",
        })
    }
}

impl CheckedArchive {
    /// The way of this archive to the service.
    #[must_use]
    pub fn way(&self) -> Way {
        let fits = self.size <= MAX_FORM_BYTES
            && self.summary.unpacked_bytes <= ArchiveLimits::FORM.unpacked_bytes;
        if fits { Way::Form } else { Way::DirectUpload }
    }
}

/// Checks the archive `file` from its start. `path` names it in errors, and `bar` shows the
/// progress.
///
/// # Errors
///
/// [`CommandError::Refused`] with the message of the service, or [`CommandError::File`].
pub fn check(
    mut file: File,
    path: &Path,
    bar: &ProgressBar,
) -> Result<CheckedArchive, CommandError> {
    let read = |error| CommandError::file("read", path)(error);
    let refused = |message: String| CommandError::Refused { file: path.to_owned(), message };
    let metadata = file.metadata().map_err(read)?;
    if metadata.is_dir() {
        return Err(read(io::Error::other("it is a folder; pack it first")));
    }
    let size = metadata.len();
    if size > MAX_UPLOAD_BYTES {
        return Err(refused(
            "The upload is too large: a file may have up to 268,435,456 bytes.".to_owned(),
        ));
    }
    bar.set_length(size);
    let sha256 = digest(&mut file).map_err(read)?;
    file.rewind().map_err(read)?;
    // The limits of both ways differ only in size, which `CheckedArchive::way` compares.
    let reader = BufReader::new(bar.wrap_read(&file));
    match archive::check(reader, &ArchiveLimits::DIRECT_UPLOAD, |_| ()) {
        Ok(summary) => Ok(CheckedArchive { file, size, sha256, summary }),
        Err(ArchiveError::Read(error)) => Err(read(error)),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// Returns the SHA-256 of the rest of `reader` in hexadecimal digits.
fn digest(reader: &mut impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = match reader.read(&mut buffer) {
            Ok(0) => return Ok(hex(hasher)),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(buffer.get(..length).unwrap_or_default());
    }
}

/// Returns the digest in hexadecimal digits.
#[must_use]
pub fn hex(hasher: Sha256) -> String {
    format!("{:x}", Bytes::copy_from_slice(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use archive_builder::{Gzip, Tarball};

    use super::*;

    fn check_bytes(bytes: &[u8]) -> Result<CheckedArchive, CommandError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        check(file, Path::new("x.tar.gz"), &ProgressBar::hidden())
    }

    #[test]
    fn the_way_depends_on_the_packed_size() {
        let gzip = Gzip::new(&Tarball::new().file("agent", b"agent").tar());
        for (length, way) in [(4_500_000, Way::Form), (4_500_001, Way::DirectUpload)] {
            let archive = gzip.clone().padded_to(length).bytes();
            assert_eq!(archive.len(), length);
            assert_eq!(check_bytes(&archive).unwrap().way(), way);
        }
    }

    #[test]
    fn the_way_depends_on_the_unpacked_size() {
        let zeros = vec![0; 256 * 1024 * 1024 - 1536];
        let largest = Tarball::new().file("zeros", &zeros).gzip();
        let checked = check_bytes(&largest).unwrap();
        assert_eq!(checked.summary.unpacked_bytes, ArchiveLimits::FORM.unpacked_bytes);
        assert_eq!(checked.way(), Way::Form);
        let larger = Tarball::new().file("zeros", &zeros).file("more", b"").gzip();
        assert_eq!(check_bytes(&larger).unwrap().way(), Way::DirectUpload);
    }

    #[test]
    fn the_largest_file_is_read_and_a_larger_one_is_refused_unread() {
        let file = tempfile::tempfile().unwrap();
        for (size, message) in [
            (MAX_UPLOAD_BYTES, "the archive is not in gzip format; send a tar.gz"),
            (
                MAX_UPLOAD_BYTES + 1,
                "The upload is too large: a file may have up to 268,435,456 bytes.",
            ),
        ] {
            file.set_len(size).unwrap();
            let file = file.try_clone().unwrap();
            let error = check(file, Path::new("x"), &ProgressBar::hidden()).unwrap_err();
            assert_eq!(error.to_string(), format!("x: {message}"));
        }
    }
}
