//! The gzip member.

use archive_builder::{BLOCK, Gzip};
use rstest::rstest;

use crate::{assert_refused, valid};

fn gzip() -> Gzip {
    Gzip::new(&valid().tar())
}

fn followed_by(after: &[u8]) -> Vec<u8> {
    [&gzip().bytes(), after].concat()
}

/// The tar, split between two gzip members.
fn in_two_members() -> Vec<u8> {
    let tar = valid().tar();
    let (first, second) = tar.split_at(BLOCK);
    [Gzip::new(first).bytes(), Gzip::new(second).bytes()].concat()
}

#[test]
fn an_empty_upload_is_refused() {
    assert_refused(b"", "empty", "the archive is empty");
}

#[rstest]
#[case::bare_tar(&valid().tar())]
#[case::zip(b"PK\x03\x04and so on and on")]
#[case::reserved_flag(&gzip().flags(0x20).bytes())]
#[case::wrong_header_checksum(&gzip().header_crc(1).bytes())]
#[case::endless_file_name(&gzip().name(&vec![b'n'; 65_536]).bytes())]
fn data_that_is_not_gzip_is_refused(#[case] archive: &[u8]) {
    assert_refused(archive, "not-gzip", "the archive is not in gzip format; send a tar.gz");
}

#[rstest]
#[case::in_the_header(|_| 5)]
#[case::in_the_data(|length| length / 2)]
#[case::before_the_checksum(|length| length - 8)]
#[case::in_the_length(|length| length - 1)]
fn truncated_gzip_is_refused(#[case] cut: fn(usize) -> usize) {
    let archive = gzip().bytes();
    assert_refused(
        &archive[..cut(archive.len())],
        "gzip-truncated",
        "the archive is cut short: its gzip data does not end",
    );
}

#[rstest]
#[case::wrong_checksum(gzip().wrong_crc())]
#[case::wrong_length(gzip().wrong_size())]
fn damaged_gzip_is_refused(#[case] gzip: Gzip) {
    assert_refused(&gzip.bytes(), "gzip-damaged", "the archive's gzip data is damaged");
}

/// Some readers read the first member only, others all members: one file, two views.
#[rstest]
#[case::second_member(&followed_by(&gzip().bytes()))]
#[case::empty_second_member(&followed_by(&Gzip::new(b"").bytes()))]
#[case::tar_in_two_members(&in_two_members())]
#[case::zero(&followed_by(b"\0"))]
#[case::garbage(&followed_by(b"#!/bin/sh"))]
fn data_after_the_gzip_member_is_refused(#[case] archive: &[u8]) {
    assert_refused(
        archive,
        "data-after-gzip",
        "the archive has data after the end of its gzip data; send one gzip member alone",
    );
}

#[test]
fn gzip_in_gzip_is_refused() {
    assert_refused(
        &Gzip::new(&gzip().bytes()).bytes(),
        "block-truncated",
        "the archive's tar does not end at a multiple of 512 bytes",
    );
}
