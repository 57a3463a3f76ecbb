//! Metadata headers (pax headers and GNU long names), and their order.

use archive_builder::{Field, Gzip, Tarball, pax_record};
use rstest::rstest;

use crate::assert_refused;

const COMMENT: [(&str, &str); 1] = [("comment", "x")];

fn new() -> Tarball {
    Tarball::new()
}

/// TARmageddon (CVE-2025-62518, CVE-2026-33055), and node-tar's pax size on a long name, need such
/// an order.
#[rstest]
#[case::pax_header_at_the_end(new().pax(&COMMENT))]
#[case::long_name_at_the_end(new().long_name("name"))]
#[case::global_header_at_the_end(new().pax_global(&COMMENT))]
#[case::two_pax_headers(new().pax(&COMMENT).pax(&COMMENT).file("bin/run", b""))]
#[case::two_long_names(new().long_name("one").long_name("two").file("bin/run", b""))]
#[case::two_global_headers(new().pax_global(&COMMENT).pax_global(&COMMENT).file("bin/run", b""))]
#[case::pax_size_on_a_long_name(new().pax(&[("size", "0")]).long_name("name").file("bin/run", b""))]
#[case::long_name_before_a_pax_header(new().long_name("name").pax(&COMMENT).file("bin/run", b""))]
#[case::global_header_after_a_pax_header(new().pax(&COMMENT).pax_global(&COMMENT).file("bin/run", b""))]
fn metadata_headers_without_their_entry_are_refused(#[case] tarball: Tarball) {
    assert_refused(
        &tarball.gzip(),
        "metadata-stray",
        "entry number 1 has a pax header or long name that is not followed by its file or directory",
    );
}

#[test]
fn a_long_name_with_two_names_is_refused() {
    assert_refused(
        &new().long_name_bytes(b"one\0two\0").file("bin/run", b"").gzip(),
        "long-name",
        "entry number 1 has a long name with a NUL in it",
    );
}

/// `tarfile` reads on into the padding.
#[test]
fn a_pax_record_in_the_padding_is_refused() {
    let (record, hidden) = (pax_record(b"comment", b"x"), pax_record(b"path", b"/etc/passwd"));
    let size = format!("{:011o}", record.len());
    let tarball = new().pax_bytes(&[record, hidden].concat()).set(Field::SIZE, size.as_bytes());
    assert_refused(
        &tarball.file("bin/run", b"").gzip(),
        "metadata-padding",
        "entry number 1 has a pax header or long name whose padding is not zeros",
    );
}

#[test]
fn a_pax_header_with_a_malformed_size_is_refused() {
    assert_refused(
        &new().pax(&COMMENT).set(Field::SIZE, b"ten").file("bin/run", b"").gzip(),
        "header-number",
        "entry number 1 has a header with a malformed size",
    );
}

#[test]
fn a_pax_header_with_the_magic_number_of_another_format_is_refused() {
    assert_refused(
        &new().pax(&COMMENT).set(Field::NAME, b"\x1f\x8b").file("bin/run", b"").gzip(),
        "header-text",
        "entry number 1 has a header with a malformed name",
    );
}

#[test]
fn a_truncated_pax_header_is_refused() {
    let tar = new().pax(&COMMENT).set(Field::SIZE, b"1024").tar_without_end();
    assert_refused(
        &Gzip::new(&tar).bytes(),
        "data-truncated",
        "the archive's tar ends inside an entry",
    );
}
