//! The boundary of each limit: the largest archive that is accepted, and the smallest that is not.
//!
//! Each pair is checked at small limits and at those of production.

use std::io::{self, BufReader, Read};

use archive::ArchiveLimits;
use archive_builder::{BLOCK, Field, Tarball, pax_record};
use flate2::{Compression, bufread::GzEncoder};
use rstest::rstest;

use crate::{check, check_in_pieces, readers::assert_readers_agree};

/// Limits that a few bytes reach.
const SMALL: ArchiveLimits = ArchiveLimits {
    unpacked_bytes: 16 * BLOCK as u64,
    entries: 3,
    path_bytes: 12,
    metadata_bytes: 40,
    pax_records: 2,
    distinct_paths: 5,
    normalized_bytes: 20,
};

/// Asserts that the limit lies between the two archives.
#[track_caller]
fn assert_boundary(limits: ArchiveLimits, accepted: &[u8], refused: &[u8], message: String) {
    let check = |archive| match limits {
        SMALL => check_in_pieces(archive, &limits),
        _ => check(archive, &limits),
    };
    assert_eq!(check(accepted).err(), None);
    // Ten readers of 256 MiB of zeros would take most of the time of all tests.
    if accepted.len() < 1024 * 1024 {
        assert_readers_agree(&[(message.clone(), accepted.to_vec())]);
    }
    assert_eq!(check(refused).map_err(|(_, message)| message), Err(message));
}

/// The other tests derive their archives from these values. Another value changes the API, so
/// docs/api.md and openapi.yaml must change too.
#[test]
fn the_limits_are_the_documented_ones() {
    let expected = ArchiveLimits {
        unpacked_bytes: 268_435_456,
        entries: 10_000,
        path_bytes: 1_024,
        metadata_bytes: 65_536,
        pax_records: 128,
        distinct_paths: 65_536,
        normalized_bytes: 4_194_304,
    };
    assert_eq!(ArchiveLimits::FORM, expected);
    let of_upload = ArchiveLimits { unpacked_bytes: 1_073_741_824, ..expected };
    assert_eq!(ArchiveLimits::DIRECT_UPLOAD, of_upload);
}

#[rstest]
fn the_limit_of_unpacked_bytes_is_exact(
    #[values(SMALL, ArchiveLimits::FORM)] limits: ArchiveLimits,
) {
    let limit = limits.unpacked_bytes;
    assert_boundary(
        limits,
        &with_unpacked_bytes(limit),
        &with_unpacked_bytes(limit + BLOCK as u64),
        format!("the archive unpacks to more than {limit} bytes"),
    );
}

/// Compresses a tar of this size without holding it in memory: it has one file of zeros.
fn with_unpacked_bytes(length: u64) -> Vec<u8> {
    let size = length - 3 * BLOCK as u64;
    let header = Tarball::new()
        .file("zeros", b"")
        .set(Field::SIZE, format!("{size:011o}").as_bytes())
        .tar_without_end();
    let tar = header.chain(io::repeat(0).take(length - BLOCK as u64));
    let mut archive = Vec::new();
    GzEncoder::new(BufReader::new(tar), Compression::fast()).read_to_end(&mut archive).unwrap();
    archive
}

#[rstest]
fn the_limit_of_entries_is_exact(#[values(SMALL, ArchiveLimits::FORM)] limits: ArchiveLimits) {
    let numbered = |count| files((0..count).map(|number| format!("{number}")));
    let limit = limits.entries;
    assert_boundary(
        limits,
        &numbered(limit),
        &numbered(limit + 1),
        format!("the archive holds more than {limit} entries"),
    );
}

#[rstest]
fn the_limit_of_path_bytes_is_exact(#[values(SMALL, ArchiveLimits::FORM)] limits: ArchiveLimits) {
    let path = |length| "n".repeat(length);
    let limit = limits.path_bytes;
    assert_boundary(
        limits,
        &files([path(limit)]),
        &files([path(limit + 1)]),
        format!("entry `{}` has a path of more than {limit} bytes", escaped(&path(limit + 1))),
    );
}

#[rstest]
fn the_limit_of_metadata_bytes_is_exact(
    #[values(SMALL, ArchiveLimits::FORM)] limits: ArchiveLimits,
) {
    let with_comment =
        |length| Tarball::new().pax_bytes(&comment_record(length)).file("name", b"").gzip();
    let limit = limits.metadata_bytes;
    assert_boundary(
        limits,
        &with_comment(limit),
        &with_comment(limit + 1),
        format!("entry number 1 has a pax header or long name of more than {limit} bytes"),
    );
}

/// Formats a record of this length.
fn comment_record(length: usize) -> Vec<u8> {
    (0..length)
        .map(|value| pax_record(b"comment", &vec![b'x'; value]))
        .find(|record| record.len() == length)
        .unwrap()
}

#[rstest]
fn the_limit_of_pax_records_is_exact(#[values(SMALL, ArchiveLimits::FORM)] limits: ArchiveLimits) {
    let record = |number| pax_record(format!("V.{number}").as_bytes(), b"");
    let with_records = |count| {
        let records: Vec<u8> = (0..count).flat_map(record).collect();
        Tarball::new().pax_bytes(&records).file("name", b"").gzip()
    };
    let limit = limits.pax_records;
    assert_boundary(
        limits,
        &with_records(limit),
        &with_records(limit + 1),
        format!("entry number 1 has a pax header of more than {limit} records"),
    );
}

#[rstest]
fn the_limit_of_distinct_paths_is_exact(
    #[values(SMALL, ArchiveLimits::FORM)] limits: ArchiveLimits,
) {
    let limit = limits.distinct_paths;
    let refused = distinct_paths(limit + 1);
    assert_boundary(
        limits,
        &files(distinct_paths(limit)),
        &files(&refused),
        format!(
            "entry `{}` brings the archive to more than {limit} different paths, directories counted",
            escaped(refused.last().unwrap())
        ),
    );
}

/// Paths that are this many distinct paths, together with their parent directories.
fn distinct_paths(count: usize) -> Vec<String> {
    const DEPTH: usize = 500;
    (0..count.div_ceil(DEPTH))
        .map(|number| format!("{number}{}", "/a".repeat(DEPTH.min(count - number * DEPTH) - 1)))
        .collect()
}

#[rstest]
fn the_limit_of_normalized_bytes_is_exact(
    #[values(SMALL, ArchiveLimits::FORM)] limits: ArchiveLimits,
) {
    let limit = limits.normalized_bytes;
    let refused = paths_with_normalized_bytes(limit + 1, limits);
    assert_boundary(
        limits,
        &files(paths_with_normalized_bytes(limit, limits)),
        &files(&refused),
        format!(
            "entry `{}` brings the archive's non-ASCII names to more than {limit} bytes after Unicode normalization",
            escaped(refused.last().unwrap())
        ),
    );
}

/// Non-ASCII paths of this many bytes after normalization. `ß` becomes `ss`, so their length stays
/// the same.
fn paths_with_normalized_bytes(length: usize, limits: ArchiveLimits) -> Vec<String> {
    let longest = limits.path_bytes - 4;
    (0..length.div_ceil(longest))
        .map(|number| {
            let start = format!("ß{number}");
            let length = longest.min(length - number * longest);
            format!("{start}{}", "x".repeat(length - start.len()))
        })
        .collect()
}

fn files(paths: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<u8> {
    let add = |tarball: Tarball, path: _| tarball.file(AsRef::as_ref(&path), b"");
    paths.into_iter().fold(Tarball::new(), add).gzip()
}

/// Cuts a path as a message does.
fn escaped(path: &str) -> String {
    if path.chars().count() > 100 {
        path.chars().take(100).chain(['…']).collect()
    } else {
        path.to_owned()
    }
}
