//! Other tar readers as oracles: they list the same entries as the check does.
//!
//! Each reader is one process that lists many archives ([`process`]), or a library ([`library`]).
//! [`differences`] compares the listings, and names the honest differences.

mod differences;
mod layout;
mod library;
mod process;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    thread,
};

use archive::{ArchiveError, ArchiveLimits, EntryKind};

use differences::Difference;
use layout::Layout;
use process::Process;

pub(crate) use process::build_go;

/// Entry in a listing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ListedEntry {
    /// Path without slashes at its end: `tarfile` strips them.
    pub(crate) path: String,
    pub(crate) size: u64,
    /// None for a type that the check refuses.
    pub(crate) kind: Option<EntryKind>,
}

/// Result of a reader for one archive: the entries, and the error if it refused the archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<ListedEntry>,
    pub(crate) refusal: Option<String>,
}

/// Archive with a name for messages.
pub(crate) type NamedArchive = (String, Vec<u8>);

/// Reader of tars, by its name in messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reader {
    GnuTar,
    /// Without `-z`: it looks for a tar header before it looks for compressed data.
    GnuTarWithoutZ,
    Bsdtar,
    Busybox,
    /// Without `z`: it looks for a tar header before it looks for compressed data.
    BusyboxWithoutZ,
    Tarfile,
    NodeTar,
    Go,
    Perl,
    /// The crate `tar`.
    TarCrate,
}

impl Reader {
    const ALL: [Self; 10] = [
        Self::GnuTar,
        Self::GnuTarWithoutZ,
        Self::Bsdtar,
        Self::Busybox,
        Self::BusyboxWithoutZ,
        Self::Tarfile,
        Self::NodeTar,
        Self::Go,
        Self::Perl,
        Self::TarCrate,
    ];

    /// Lists the archives in order, or returns none if the reader is not installed.
    fn list(self, files: &[PathBuf]) -> Option<Vec<Listing>> {
        static PROCESSES: LazyLock<[Mutex<Option<Process>>; Reader::ALL.len()]> =
            LazyLock::new(|| Reader::ALL.map(|reader| Mutex::new(Process::start(reader))));
        if self == Self::TarCrate {
            return Some(
                files.iter().map(|file| library::list(&fs::read(file).unwrap())).collect(),
            );
        }
        let mut process = PROCESSES[self as usize].lock().unwrap_or_else(PoisonError::into_inner);
        let process = process.as_mut()?;
        Some(files.iter().map(|file| process.list(file)).collect())
    }
}

/// Lists an archive with the check itself.
pub(crate) fn list(archive: &[u8]) -> Result<Vec<ListedEntry>, ArchiveError> {
    let mut entries = Vec::new();
    archive::check(archive, &ArchiveLimits::FORM, |entry| {
        let path = without_trailing_slashes(entry.path);
        entries.push(ListedEntry { path, size: entry.size, kind: Some(entry.kind) });
    })?;
    Ok(entries)
}

/// Asserts that every installed reader lists the same entries in each archive as the check does, or
/// refuses the archive.
#[track_caller]
pub(crate) fn assert_readers_agree(archives: &[NamedArchive]) {
    assert_no_differences(&differences(archives));
}

/// Asserts that every installed reader lists the same entries in each archive as the check does,
/// and that none refuses it.
#[track_caller]
pub(crate) fn assert_readers_accept(archives: &[NamedArchive]) {
    let mut differences = differences(archives);
    for (reader, listings) in list_by_all(&write(archives).1) {
        // Both refuse files that are shorter than a tar block.
        let may_refuse = matches!(reader, Reader::GnuTarWithoutZ | Reader::BusyboxWithoutZ);
        for ((name, _), listing) in archives.iter().zip(listings) {
            if let Some(refusal) = listing.refusal.filter(|_| !may_refuse) {
                differences.push(Difference { archive: name.clone(), reader, text: refusal });
            }
        }
    }
    assert_no_differences(&differences);
}

#[track_caller]
fn assert_no_differences(differences: &[Difference]) {
    const MAX_SHOWN: usize = 10;
    let shown = differences.iter().take(MAX_SHOWN).map(ToString::to_string);
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        shown.collect::<Vec<_>>().join("\n")
    );
}

/// Returns the differences between the check's listings and those of all installed readers.
pub(crate) fn differences(archives: &[NamedArchive]) -> Vec<Difference> {
    let expected: Vec<_> =
        archives.iter().map(|(_, archive)| (list(archive).unwrap(), Layout::of(archive))).collect();
    let (_directory, files) = write(archives);
    let mut differences = Vec::new();
    for (reader, listings) in list_by_all(&files) {
        for (((name, _), (entries, layout)), listing) in
            archives.iter().zip(&expected).zip(&listings)
        {
            if let Err(text) = differences::compare(reader, entries, layout, listing) {
                differences.push(Difference { archive: name.clone(), reader, text });
            }
        }
    }
    differences
}

fn write(archives: &[NamedArchive]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let files = archives.iter().enumerate().map(|(number, (_, archive))| {
        let file = directory.path().join(format!("{number}.tgz"));
        fs::write(&file, archive).unwrap();
        file
    });
    let files = files.collect();
    (directory, files)
}

/// Lists all archives with all installed readers at the same time.
fn list_by_all(files: &[PathBuf]) -> Vec<(Reader, Vec<Listing>)> {
    thread::scope(|scope| {
        let threads = Reader::ALL.map(|reader| (reader, scope.spawn(move || reader.list(files))));
        let listings = threads.into_iter().map(|(reader, thread)| (reader, thread.join().unwrap()));
        listings.filter_map(|(reader, listings)| Some((reader, listings?))).collect()
    })
}

/// Path of a driver in this directory.
fn driver(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/readers").join(name)
}

fn without_trailing_slashes(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}
