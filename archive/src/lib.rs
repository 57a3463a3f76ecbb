//! Checks a tar.gz from an untrusted sender: one gzip member with one tar of regular files and
//! directories.
//!
//! An accepted archive has *one view*: it lists the same entries, with the same path, size and
//! kind, in GNU tar, bsdtar, busybox, Python's `tarfile`, node-tar, the crate `tar`, Go's
//! `archive/tar` and Perl's `Archive::Tar`. Tar readers disagree on many headers, and
//! attackers use this: the reader that scans an archive sees harmless entries, and the reader that
//! unpacks it sees others (CVE-2025-62518, "TARmageddon"). Therefore [`check`] refuses each header
//! that readers understand differently, instead of choosing one meaning.
//!
//! # Example
//!
//! ```
//! use archive::ArchiveLimits;
//! use archive_builder::Tarball;
//!
//! let upload = Tarball::new().directory("bin/").file("bin/run", b"#!/bin/sh\n").gzip();
//! let mut paths = Vec::new();
//! let summary = archive::check(&upload[..], &ArchiveLimits::FORM, |entry| {
//!     paths.push(entry.path.to_owned());
//! })?;
//! assert_eq!(paths, ["bin/", "bin/run"]);
//! assert_eq!(summary.entries, 2);
//!
//! let hostile = Tarball::new().file("../../etc/passwd", b"root::0:0:::\n").gzip();
//! let error = archive::check(&hostile[..], &ArchiveLimits::FORM, |_| ()).unwrap_err();
//! assert_eq!(error.to_string(), "entry `../../etc/passwd` has `..` in its path");
//! assert_eq!(error.rule(), "path-parent");
//! # Ok::<(), archive::ArchiveError>(())
//! ```
//!
//! # Resources
//!
//! The check is one streaming pass. It writes nothing to disk and needs memory for one buffer, one
//! metadata header, and a few bytes per distinct path: [`ArchiveLimits`] bounds all of them, and
//! the time.
//!
//! # Modules
//!
//! | module | contents |
//! | --- | --- |
//! | `checker` | the pass over all headers |
//! | `gzip` | the start of the compressed file |
//! | `blocks` | one gzip member, decompressed into tar blocks |
//! | `header` | the fields of one tar header |
//! | `pax` | the records of one pax header |
//! | `lookalike` | blocks that some reader takes for a tar header |
//! | `path` | the rules for one path |
//! | `path_set` | the rules for all paths of an archive together |
//! | `unicode` | properties of characters |
//! | `limits` | [`ArchiveLimits`] |
//! | `error` | [`ArchiveError`] |

#![forbid(unsafe_code)]

mod blocks;
mod checker;
mod error;
mod gzip;
mod header;
mod limits;
mod lookalike;
mod path;
mod path_set;
mod pax;
mod unicode;

use std::io::BufRead;

use checker::Checker;

pub use error::{ArchiveError, EntryError, EntryRef, Escaped, RefusedType};
pub use limits::ArchiveLimits;

/// Kind of an accepted entry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
}

/// Entry of an archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry<'a> {
    /// Path, as the archive spells it.
    pub path: &'a str,
    /// Bytes of data.
    pub size: u64,
    /// File or directory.
    pub kind: EntryKind,
}

/// Totals of an accepted archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Files and directories.
    pub entries: usize,
    /// Bytes of the unpacked tar: headers, data, padding and the end of the archive.
    pub unpacked_bytes: u64,
}

/// Checks a whole archive in one streaming pass.
///
/// `archive` yields the bytes of the tar.gz, in pieces of any size. `visit` receives each entry as
/// soon as its header has passed all checks; pass `|_| ()` if you need no list. The entries belong
/// to an accepted archive only if `check` returns [`Ok`].
///
/// # Errors
///
/// [`ArchiveError::Read`] if `archive` fails. Any other error is the first violation in the
/// archive: it ends the pass.
pub fn check(
    archive: impl BufRead,
    limits: &ArchiveLimits,
    visit: impl FnMut(Entry<'_>),
) -> Result<Summary, ArchiveError> {
    Checker::new(archive, limits, visit)?.run()
}

/// Compiles and runs the examples of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
