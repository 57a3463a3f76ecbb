//! The crate `tar`.

use std::io;

use archive::EntryKind;
use flate2::read::GzDecoder;

use super::{ListedEntry, Listing, without_trailing_slashes};

pub(super) fn list(archive: &[u8]) -> Listing {
    let mut entries = Vec::new();
    let refusal = list_entries(archive, &mut entries).err().map(|error| error.to_string());
    Listing { entries, refusal }
}

fn list_entries(archive: &[u8], entries: &mut Vec<ListedEntry>) -> io::Result<()> {
    for entry in tar::Archive::new(GzDecoder::new(archive)).entries()? {
        let entry = entry?;
        let entry_type = entry.header().entry_type();
        // The crate shows a global pax header as an entry.
        if entry_type.is_pax_global_extensions() {
            continue;
        }
        let kind = match entry_type {
            tar::EntryType::Regular => Some(EntryKind::File),
            tar::EntryType::Directory => Some(EntryKind::Directory),
            _ => None,
        };
        let path = without_trailing_slashes(&String::from_utf8_lossy(&entry.path_bytes()));
        entries.push(ListedEntry { path, size: entry.size(), kind });
    }
    Ok(())
}
