//! Entries of an archive, as the check and as another reader list them.

use std::io;

use archive::{Entry, EntryKind};
use flate2::read::GzDecoder;

/// Entry of a listing.
#[derive(Debug, Eq, PartialEq)]
pub struct ListedEntry {
    /// Path, as the archive spells it.
    pub path: String,
    /// Bytes of data.
    pub size: u64,
    /// File or directory.
    pub kind: EntryKind,
}

impl From<Entry<'_>> for ListedEntry {
    fn from(Entry { path, size, kind }: Entry<'_>) -> Self {
        Self { path: path.to_owned(), size, kind }
    }
}

/// Lists an archive with the crate `tar`, which shares no code with the check.
pub fn list_with_tar_crate(archive: &[u8]) -> io::Result<Vec<ListedEntry>> {
    let listed = |entry: tar::Entry<'_, GzDecoder<&[u8]>>| {
        let path = String::from_utf8(entry.path_bytes().into_owned()).map_err(io::Error::other)?;
        let is_directory = entry.header().entry_type().is_dir();
        let kind = if is_directory { EntryKind::Directory } else { EntryKind::File };
        Ok(ListedEntry { path, size: entry.size(), kind })
    };
    let is_global_pax = |entry: &io::Result<tar::Entry<'_, _>>| {
        entry.as_ref().is_ok_and(|entry| entry.header().entry_type().is_pax_global_extensions())
    };
    tar::Archive::new(GzDecoder::new(archive))
        .entries()?
        // The crate lists a global pax header as an entry.
        .filter(|entry| !is_global_pax(entry))
        .map(|entry| entry.and_then(listed))
        .collect()
}
