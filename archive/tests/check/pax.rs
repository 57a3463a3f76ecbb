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
#[case::device_number_that_is_no_number("SCHILY.dev", "x")]
#[case::inode_with_a_fraction("SCHILY.ino", "1.5")]
fn ambiguous_pax_values_are_refused(#[case] key: &str, #[case] value: &str) {
    let message = format!("entry number 1 has a pax header with a malformed `{key}`");
    assert_refused(&with_records(&[(key, value)]), "pax-value", &message);
}

/// node-tar 6 takes such a path for a number, skips the entry, and takes its data for headers.
#[rstest]
#[case::digits("0707072")]
#[case::one_digit("5")]
#[case::nothing("")]
fn a_numeric_pax_path_is_refused(#[case] path: &str) {
    assert_refused(
        &Tarball::new().pax(&[("path", path)]).file(path, b"data").gzip(),
        "pax-numeric-path",
        "entry number 1 has a pax header whose path is empty or a number; rename it",
    );
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
        &with_records(&[("comment", "x21 hdrcharset=BINARY")]),
        "pax-charset",
        "entry number 1 has a pax header that sets a character set; names must be UTF-8",
    );
}

/// node-tar and the crate `tar` split records at newlines. They find a second record in such a
/// value, which renames the entry or changes its size.
#[rstest]
#[case::comment("comment", "x\n16 path=/etc/x")]
#[case::comment_without_record("comment", "one\ntwo")]
#[case::newline_at_the_end("comment", "x\n")]
#[case::only_a_newline("comment", "\n")]
#[case::charset("charset", "x\n10 size=0")]
#[case::vendor_key("VENDOR.key", "x\n10 size=0")]
#[case::base_64("LIBARCHIVE.xattr.user.x", "AQ\n10 size=0")]
#[case::symbolic_link_type("LIBARCHIVE.symlinktype", "file\n")]
#[case::attribute("SCHILY.xattr.user.x", "x\n16 path=/etc/x")]
#[case::attribute_of_macos("SCHILY.xattr.com.apple.provenance", "x\n16 path=/etc/x")]
#[case::attribute_without_blank("SCHILY.xattr.user.x", "x\n16xpath=/etc/x")]
#[case::attribute_with_a_tab("SCHILY.xattr.user.x", "x\n16\tpath=/etc/x")]
#[case::attribute_without_equals_sign("SCHILY.xattr.user.x", "x\n7 path")]
#[case::attribute_with_blanks_before("SCHILY.xattr.user.x", "x\n \t\r\u{b}\u{c}16 path=/etc/x")]
#[case::attribute_with_unicode_blanks(
    "SCHILY.xattr.user.x",
    "x\n\u{a0}\u{feff}\u{2028}\u{3000}16 path=x"
)]
#[case::attribute_with_a_nul_before("SCHILY.xattr.user.x", "x\n\u{0}16 path=/etc/x")]
#[case::attribute_with_plus_sign("SCHILY.xattr.user.x", "x\n+16 path=/etc/x")]
#[case::attribute_with_minus_sign("SCHILY.xattr.user.x", "x\n-16 path=/etc/x")]
#[case::attribute_at_its_start("SCHILY.xattr.user.x", "\n16 path=/etc/x")]
#[case::attribute_after_an_empty_line("SCHILY.xattr.user.x", "x\n\n16 path=/etc/x")]
#[case::attribute_with_lines_before("SCHILY.xattr.user.x", "x\na\nb\n9")]
fn newlines_that_start_a_record_are_refused(#[case] key: &str, #[case] value: &str) {
    let message = format!(
        "entry number 1 has a pax header with a newline in or before `{key}`, after which some readers find other records; pack it without"
    );
    assert_refused(&with_records(&[(key, value)]), "pax-newline", &message);
}

#[test]
fn a_newline_in_a_global_comment_is_refused() {
    assert_refused(
        &Tarball::new().pax_global(&[("comment", "x\n16 path=/etc/x")]).file("x", b"").gzip(),
        "pax-newline",
        "entry number 1 has a pax header with a newline in or before `comment`, after which some readers find other records; pack it without",
    );
}

/// The crate `tar` ends at an empty line, and does not see the records after it.
#[rstest]
#[case::path("path", "größe", "x\n\ny")]
#[case::path_after_a_newline("path", "größe", "x\n")]
#[case::size("size", "4", "\n\n")]
fn records_after_an_empty_line_are_refused(
    #[case] key: &str,
    #[case] value: &str,
    #[case] attribute: &str,
) {
    let message = format!(
        "entry number 1 has a pax header with a newline in or before `{key}`, after which some readers find other records; pack it without"
    );
    let records = [("SCHILY.xattr.user.x", attribute), ("mtime", "0"), (key, value)];
    assert_refused(&with_records(&records), "pax-newline", &message);
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
#[case::other_attribute_of_red_hat("RHT.x", "1")]
#[case::vendor_without_a_key("VENDOR", "1")]
#[case::key_without_a_vendor("vendor.key", "1")]
#[case::star_real_size("SCHILY.realsize", "1")]
#[case::star_file_type("SCHILY.filetype", "2")]
fn pax_keys_that_change_an_entry_are_refused(#[case] key: &str, #[case] value: &str) {
    assert_key_is_refused(key, value);
}

/// bsdtar as root sets all of them.
#[rstest]
#[case::file_capabilities("SCHILY.xattr.security.capability", "\u{1}")]
#[case::escaped_file_capabilities("LIBARCHIVE.xattr.security%2Ecapability", "AQ")]
#[case::smack_label("SCHILY.xattr.security.SMACK64EXEC", "x")]
#[case::integrity("LIBARCHIVE.xattr.security.ima", "AQ")]
#[case::selinux_label("LIBARCHIVE.xattr.security.selinux", "AQ")]
#[case::access_control_list("SCHILY.xattr.system.posix_acl_access", "x")]
#[case::access_control_list_of_macos("LIBARCHIVE.xattr.com.apple.system.Security", "AQ")]
#[case::compressed_data_of_macos("LIBARCHIVE.xattr.com.apple.decmpfs", "AQ")]
#[case::trusted("SCHILY.xattr.trusted.x", "x")]
#[case::overlay_redirect("SCHILY.xattr.trusted.overlay.redirect", "/etc")]
#[case::user_overlay_redirect("LIBARCHIVE.xattr.user.overlay.redirect", "L2V0Yw")]
#[case::escaped_user_overlay("SCHILY.xattr.user.%6fverlay.opaque", "y")]
#[case::fuse_overlay("SCHILY.xattr.user.fuseoverlayfs.opaque", "y")]
#[case::owner_in_podman("SCHILY.xattr.user.containers.override_stat", "0:0:4755")]
#[case::device_in_qemu("SCHILY.xattr.user.virtfs.rdev", "x")]
#[case::no_namespace("SCHILY.xattr.x", "x")]
#[case::prefix_of_an_inert_one("SCHILY.xattr.com.apple.provenance.x", "x")]
#[case::no_name("SCHILY.xattr.", "x")]
fn extended_attributes_with_powers_are_refused(#[case] key: &str, #[case] value: &str) {
    assert_power_is_refused(
        key,
        value,
        "`--no-xattrs`, which bsdtar needs on systems that label files, such as SELinux",
    );
}

#[rstest]
#[case::access("SCHILY.acl.access", "user::rw-,user:1:rwx")]
#[case::default("SCHILY.acl.default", "user::rw-")]
#[case::nfs("SCHILY.acl.ace", "x")]
#[case::unknown("SCHILY.acl.type", "x")]
fn access_control_lists_are_refused(#[case] key: &str, #[case] value: &str) {
    assert_power_is_refused(key, value, "`--no-acls`");
}

#[rstest]
#[case::immutable("schg")]
#[case::user_immutable("uchg")]
#[case::append_only("sappnd")]
#[case::undeletable("uunlnk")]
#[case::opaque("opaque")]
#[case::after_an_inert_one("nodump,schg")]
#[case::with_a_blank("nodump schg")]
#[case::none("")]
#[case::only_a_comma(",")]
fn file_flags_with_powers_are_refused(#[case] flags: &str) {
    assert_power_is_refused("SCHILY.fflags", flags, "`--no-fflags`");
}

#[test]
fn selinux_labels_are_refused() {
    let label = "system_u:object_r:bin_t:s0\0";
    assert_power_is_refused("RHT.security.selinux", label, "`--no-selinux`");
}

#[track_caller]
fn assert_power_is_refused(key: &str, value: &str, remedy: &str) {
    let message = format!(
        "entry number 1 has a pax header that sets `{key}`, which gives the unpacked file powers; pack it with {remedy}"
    );
    assert_refused(&with_records(&[(key, value)]), "pax-power", &message);
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
