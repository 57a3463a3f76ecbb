//! The records of pax headers.

use archive_builder::Tarball;
use rstest::rstest;

use crate::assert_refused;

fn with_records(records: &[(&str, &str)]) -> Vec<u8> {
    Tarball::new().pax(records).file("bin/run", b"data").gzip()
}

/// TARmageddon (CVE-2025-62518, CVE-2026-33055).
#[rstest]
#[case::hides_the_data("0")]
#[case::hides_the_next_entry("512")]
fn a_pax_size_that_differs_from_the_header_is_refused(#[case] size: &str) {
    assert_refused(
        &with_records(&[("size", size)]),
        "pax-size",
        "entry `bin/run` has a pax header whose size is not the size that the entry's own header gives",
    );
}

#[rstest]
#[case::size_with_a_sign("size", "+4")]
#[case::size_with_an_underscore("size", "0_4")]
#[case::size_with_a_leading_zero("size", "04")]
#[case::size_above_64_bits("size", "18446744073709551620")]
#[case::no_size("size", "")]
#[case::user_id_above_32_bits("uid", "4294967296")]
#[case::negative_group_id("gid", "-1")]
#[case::time_that_python_accepts("mtime", "1e9")]
#[case::time_that_is_no_number("atime", "nan")]
#[case::time_without_a_fraction_after_the_point("ctime", "5.")]
#[case::time_after_the_year_9999("mtime", "253402300800")]
#[case::user_name_with_control_characters("uname", "\u{1b}[2J")]
#[case::group_name_with_a_nul("gname", "wheel\0")]
#[case::binary_character_set("hdrcharset", "BINARY")]
fn ambiguous_pax_values_are_refused(#[case] key: &str, #[case] value: &str) {
    let message = format!("entry number 1 has a pax header with a malformed `{key}`");
    assert_refused(&with_records(&[(key, value)]), "pax-value", &message);
}

/// Some readers use the first of two records, others the last.
#[rstest]
#[case::path("path", ["bin/run", "/etc/passwd"])]
#[case::size("size", ["4", "4"])]
#[case::attribute("SCHILY.xattr.user.x", ["1", "2"])]
fn duplicate_pax_records_are_refused(#[case] key: &str, #[case] values: [&str; 2]) {
    let message = format!("entry number 1 has a pax header that sets `{key}` twice");
    assert_refused(&with_records(&values.map(|value| (key, value))), "pax-doubled", &message);
}

#[rstest]
#[case::no_record(b"")]
#[case::no_length(b"path=x\n")]
#[case::zero_before_the_length(b"010 path=x\n")]
#[case::blank_before_the_length(b" 10 path=x\n")]
#[case::longer_length(b"12 path=x\n")]
#[case::shorter_length(b"8 path=x\n")]
#[case::length_of_zero(b"0 path=x\n")]
#[case::length_above_64_bits(b"99999999999999999999 path=x\n")]
#[case::no_key(b"6 =ab\n")]
#[case::no_value(b"7 path\n")]
#[case::control_character_in_the_key(b"11 pa\th=xx\n")]
#[case::key_that_is_not_utf_8(b"9 V.\xff=x\n")]
#[case::nul_after_the_records(b"10 path=x\n\0")]
fn malformed_pax_records_are_refused(#[case] records: &[u8]) {
    assert_refused(
        &Tarball::new().pax_bytes(records).file("bin/run", b"data").gzip(),
        "pax-malformed",
        "entry number 1 has a malformed pax header",
    );
}

/// `tarfile` searches the whole header for the text of this record.
#[test]
fn a_character_set_inside_another_record_is_refused() {
    assert_refused(
        &with_records(&[("comment", "x\n21 hdrcharset=BINARY\n")]),
        "pax-charset",
        "entry number 1 has a pax header that sets a character set; names must be UTF-8",
    );
}

#[rstest]
#[case::link_path("linkpath", "/etc/passwd")]
#[case::blank_before_the_key(" path", "x")]
#[case::key_that_posix_reserves("realtime.x", "1")]
#[case::gnu_sparse_size("GNU.sparse.size", "1")]
#[case::gnu_sparse_name("GNU.sparse.name", "/etc/passwd")]
#[case::gnu_sparse_map("GNU.sparse.map", "0,1")]
#[case::gnu_volume("GNU.volume.label", "x")]
#[case::gnu_dump_directory("GNU.dumpdir", "x")]
#[case::solaris_sparse_file("SUN.holesdata", " 0 1")]
#[case::star_real_size("SCHILY.realsize", "1")]
#[case::star_file_type("SCHILY.filetype", "2")]
fn pax_keys_that_change_an_entry_are_refused(#[case] key: &str, #[case] value: &str) {
    assert_key_is_refused(key, value);
}

#[rstest]
#[case::file_capabilities("SCHILY.xattr.security.capability", "\u{1}")]
#[case::escaped_file_capabilities("LIBARCHIVE.xattr.security%2Ecapability", "AQ")]
#[case::overlay_redirect("SCHILY.xattr.trusted.overlay.redirect", "/etc")]
#[case::user_overlay_redirect("LIBARCHIVE.xattr.user.overlay.redirect", "L2V0Yw")]
fn privileged_extended_attributes_are_refused(#[case] key: &str, #[case] value: &str) {
    assert_key_is_refused(key, value);
}

#[track_caller]
fn assert_key_is_refused(key: &str, value: &str) {
    let message =
        format!("entry number 1 has a pax header that sets `{key}`, which is not allowed");
    assert_refused(&with_records(&[(key, value)]), "pax-key", &message);
}

#[rstest]
#[case::path("path")]
#[case::size("size")]
#[case::sparse_size("GNU.sparse.size")]
#[case::character_set("hdrcharset")]
fn global_pax_headers_with_more_than_a_comment_are_refused(#[case] key: &str) {
    let message = format!(
        "entry number 1 has a global pax header that sets `{key}`; only a comment is allowed"
    );
    assert_refused(
        &Tarball::new().pax_global(&[(key, "0")]).file("bin/run", b"").gzip(),
        "pax-global",
        &message,
    );
}
