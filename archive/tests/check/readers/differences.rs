//! Differences between the listing of the check and that of another reader.

use std::fmt::{self, Display};

use archive::EntryKind;

use super::{
    ListedEntry, Listing, Reader,
    layout::{EntryLayout, Layout},
};

/// Difference in one archive.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(super) archive: String,
    pub(super) reader: Reader,
    pub(super) text: String,
}

impl Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {:?}: {}", self.archive, self.reader, self.text)
    }
}

/// Honest difference of a reader in one entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Exemption {
    /// Perl's `Archive::Tar` knows no pax paths: it lists the header's own path.
    NoPaxPath,
    /// Perl's `Archive::Tar` knows no pax paths, and ends its list at an empty name.
    EndsAtEmptyName,
    /// Perl's `Archive::Tar` joins prefix and name by a function that strips `./` and `//`.
    CleansPathWithPrefix,
    /// Perl's `Archive::Tar` takes a header whose cut name ends with a slash for that of a
    /// directory, and may list blocks of the data after it.
    ListsDataAfterCutName,
}

impl Exemption {
    fn of(reader: Reader, entry: &EntryLayout) -> Vec<Self> {
        let perl = [
            (entry.has_pax_path, Self::NoPaxPath),
            (entry.has_pax_path && entry.has_no_name, Self::EndsAtEmptyName),
            (entry.has_prefix, Self::CleansPathWithPrefix),
            (entry.has_cut_name, Self::ListsDataAfterCutName),
        ];
        let applies = perl.into_iter().filter(|(applies, _)| *applies && reader == Reader::Perl);
        applies.map(|(_, exemption)| exemption).collect()
    }
}

/// Compares a listing with the expected entries.
///
/// # Errors
///
/// The first difference that is not exempt.
pub(super) fn compare(
    reader: Reader,
    expected: &[ListedEntry],
    layout: &Layout,
    listing: &Listing,
) -> Result<(), String> {
    assert_eq!(expected.len(), layout.entries.len(), "{expected:?} {layout:?}");
    let mut listed = listing.entries.iter().peekable();
    let mut has_data = false;
    for (expected, layout) in expected.iter().zip(&layout.entries) {
        let exemptions = Exemption::of(reader, layout);
        let is_match = |entry: &ListedEntry| is_match(expected, layout, entry, &exemptions);
        has_data |= exemptions.contains(&Exemption::ListsDataAfterCutName);
        while has_data && listed.next_if(|entry| !is_match(entry) && is_data(entry)).is_some() {}
        match listed.next() {
            Some(entry) if is_match(entry) => {}
            None if exemptions.contains(&Exemption::EndsAtEmptyName) => return Ok(()),
            // Refused: it listed nothing else before.
            None if listing.refusal.is_some() => return Ok(()),
            other => return Err(format!("lists {other:?}, the check {expected:?}")),
        }
        has_data = exemptions.contains(&Exemption::ListsDataAfterCutName);
    }
    while has_data && listed.next_if(|entry| is_data(entry)).is_some() {}
    match listed.next() {
        None => Ok(()),
        Some(entry) => Err(format!("lists {entry:?}, the check nothing more")),
    }
}

fn is_match(
    expected: &ListedEntry,
    layout: &EntryLayout,
    listed: &ListedEntry,
    exemptions: &[Exemption],
) -> bool {
    let is_path = if exemptions.contains(&Exemption::NoPaxPath) {
        is_safe(&listed.path) && components(&layout.own_path).eq(components(&listed.path))
    } else if exemptions.contains(&Exemption::CleansPathWithPrefix) {
        components(&expected.path).eq(components(&listed.path))
    } else {
        expected.path == listed.path
    };
    let is_cut_file = exemptions.contains(&Exemption::ListsDataAfterCutName)
        && exemptions.contains(&Exemption::NoPaxPath)
        && listed.kind == Some(EntryKind::Directory);
    is_path && expected.size == listed.size && (expected.kind == listed.kind || is_cut_file)
}

/// Returns true for an entry that Perl's `Archive::Tar` makes of harmless data.
fn is_data(entry: &ListedEntry) -> bool {
    is_safe(&entry.path) && entry.kind != Some(EntryKind::File)
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|component| !matches!(*component, "" | "."))
}

/// Returns true if the path stays inside the directory and does no harm in a terminal.
fn is_safe(path: &str) -> bool {
    let is_drive = matches!(path.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic());
    !path.starts_with('/')
        && !is_drive
        && !path.contains('\\')
        && path.split('/').all(|component| component != "..")
        // The text of pax records has newlines.
        && path.chars().all(|character| character == '\n' || !character.is_control())
}
