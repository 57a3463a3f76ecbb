//! Unusual but valid archives. They are accepted, and every reader lists the same entries.

use archive::ArchiveLimits;
use archive_builder::{BLOCK, Field, Gzip, Tarball};
use rstest::rstest;

use crate::{check_in_pieces, readers::assert_readers_agree, valid};

fn new() -> Tarball {
    Tarball::new()
}

/// Records that bsdtar writes for a file with attributes, flags and an access control list.
const BSDTAR_RECORDS: [(&str, &str); 9] = [
    ("mtime", "1700000000.123456789"),
    ("LIBARCHIVE.creationtime", "1700000000.1"),
    ("SCHILY.fflags", "nodump"),
    ("SCHILY.acl.access", "user::rw-,group::r--,other::r--,user:builder:rwx:1000,mask::rwx"),
    ("SCHILY.dev", "2049"),
    ("SCHILY.ino", "131"),
    ("SCHILY.nlink", "1"),
    ("LIBARCHIVE.xattr.user.origin", "aGVsbG8"),
    ("SCHILY.xattr.user.origin", "hello\0\n"),
];

fn gzip() -> Gzip {
    Gzip::new(&valid().tar())
}

#[rstest]
#[case::gzip_header_with_fields(
    gzip().flags(1).fixed([1, 2, 3, 4, 2, 3]).name(b"x.tar").header_crc(0)
)]
#[case::longest_gzip_name(gzip().name(&[b'n'; 255]))]
#[case::latin_1_gzip_name(gzip().name(b"caf\xe9.tar"))]
#[case::empty_gzip_name(gzip().name(b""))]
#[case::stored(Gzip::stored(&valid().tar(), u16::MAX))]
#[case::stored_in_small_blocks(Gzip::stored(&valid().tar(), 100))]
fn unusual_gzip_headers_are_accepted(#[case] gzip: Gzip) {
    assert_accepted(gzip.bytes());
}

#[rstest]
#[case::zeros_after_the_end(valid().zeros(1_000 * BLOCK))]
#[case::root_directory(new().directory("./").file("./x", b""))]
#[case::directories_after_their_files(new().file("a/b/c", b"").directory("a/b").directory("a"))]
#[case::old_file_type(new().entry(b'\0', "x", b"data"))]
#[case::full_prefix(valid().set(Field::PREFIX, &[b'p'; 155]))]
#[case::file_type_in_the_mode(valid().mode(0o100_755))]
#[case::other_type_in_the_mode(valid().mode(0o040_755))]
#[case::joiners_in_names(new().file("می\u{200c}خواهم", b"").file("👩\u{200d}🚀", b""))]
fn unusual_entries_are_accepted(#[case] tarball: Tarball) {
    assert_accepted(tarball.gzip());
}

#[rstest]
#[case::blank(
    valid().set(Field::MODE, b"").set(Field::UID, b"").set(Field::GID, b"").set(Field::MTIME, b"")
)]
#[case::terminated_by_blanks(
    valid().set(Field::MODE, b"   644 ").set(Field::SIZE, b"        12 ")
)]
#[case::base_256(valid().set(Field::UID, b"\x80\0\0\0\xff\xff\xff\xff"))]
#[case::time_before_1970(valid().set(Field::MTIME, &[0xff; 12]))]
#[case::times_of_star(
    valid().set(Field::STAR_ATIME, b"14000000000").set(Field::STAR_CTIME, b"14000000000")
)]
fn unusual_numbers_are_accepted(#[case] tarball: Tarball) {
    assert_accepted(tarball.gzip());
}

#[rstest]
#[case::global_comments_between_entries(
    valid()
        .pax_global(&[("comment", "one")])
        .file("x", b"")
        .pax_global(&[("comment", "two")])
        .file("y", b"")
)]
#[case::global_comment_before_a_pax_header(
    new().pax_global(&[("comment", "one")]).pax(&[("path", "x")]).file("y", b"")
)]
#[case::size_of_the_header(new().pax(&[("size", "4")]).file("x", b"data"))]
#[case::utf_8_as_character_set(
    new().pax(&[("hdrcharset", "ISO-IR 10646 2000 UTF-8"), ("path", "ß")]).file("y", b"")
)]
#[case::times(
    new()
        .pax(&[("mtime", "-1.5"), ("atime", "0"), ("ctime", "253402300799.9")])
        .file("x", b"")
)]
#[case::keys_of_bsdtar(new().pax(&BSDTAR_RECORDS).file("x", b""))]
#[case::keys_of_vendors(
    new()
        .pax(&[("MSWINDOWS.rawsd", "AQ=="), ("RHT.security.selinux", "u:r:t:s0\0")])
        .file("x", b"")
)]
fn unusual_pax_headers_are_accepted(#[case] tarball: Tarball) {
    assert_accepted(tarball.gzip());
}

#[track_caller]
fn assert_accepted(archive: Vec<u8>) {
    assert!(check_in_pieces(&archive, &ArchiveLimits::FORM).is_ok());
    assert_readers_agree(&[(String::from("the archive"), archive)]);
}
