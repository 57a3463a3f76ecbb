//! Tests of the archive check: each attack, each limit, and agreement with other tar readers.
//!
//! Each row of a table is a test of its own. `cargo test -p archive path_traversal` runs the rows of
//! one table, `cargo test -p archive path_traversal_is_refused::case_1_at_the_start` runs one row.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic here is a failed test"
)]

mod collisions;
mod end_of_archive;
mod entry_types;
mod generated;
mod gzip;
mod headers;
mod limits;
mod metadata;
mod ordinary_tools;
mod paths;
mod pax;
mod read_errors;
mod readers;
mod tools;
mod unusual;

use std::io::{BufRead, BufReader};

use archive::{ArchiveLimits, Summary};
use archive_builder::{BLOCK, Tarball};

/// Result of the check: on refusal, the rule and the message.
type CheckResult = Result<Summary, (&'static str, String)>;

/// A tar with one file, and nothing wrong.
fn valid() -> Tarball {
    Tarball::new().file("bin/run", b"#!/bin/sh\n")
}

fn check(archive: impl BufRead, limits: &ArchiveLimits) -> CheckResult {
    archive::check(archive, limits, |_| ()).map_err(|error| (error.rule(), error.to_string()))
}

/// Checks the archive as a whole and in small pieces, and asserts that the results are equal.
#[track_caller]
fn check_in_pieces(archive: &[u8], limits: &ArchiveLimits) -> CheckResult {
    let whole = check(archive, limits);
    for capacity in [1, 7, BLOCK, 64 * 1024] {
        let in_pieces = check(BufReader::with_capacity(capacity, archive), limits);
        assert_eq!(in_pieces, whole, "in pieces of {capacity} bytes");
    }
    whole
}

/// Asserts that the archive is refused by this rule with this message, in a form and as a direct
/// upload, whatever the size of the pieces that it arrives in.
#[track_caller]
fn assert_refused(archive: &[u8], rule: &'static str, message: &str) {
    for limits in [ArchiveLimits::FORM, ArchiveLimits::DIRECT_UPLOAD] {
        assert_eq!(check_in_pieces(archive, &limits), Err((rule, message.to_owned())));
    }
}

#[test]
fn the_summary_counts_entries_and_unpacked_bytes() {
    let tarball = valid().directory("lib").zeros(20 * BLOCK);
    let unpacked_bytes = tarball.clone().tar().len() as u64;
    let summary = check_in_pieces(&tarball.gzip(), &ArchiveLimits::FORM);
    assert_eq!(summary, Ok(Summary { entries: 2, unpacked_bytes }));
}
