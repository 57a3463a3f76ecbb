//! Unusual but valid archives. They are accepted, and every reader lists the same entries.

use archive::ArchiveLimits;
use archive_builder::{BLOCK, Field, Gzip, Tarball};
use rstest::rstest;

use crate::{check_in_pieces, readers::assert_readers_agree, valid};

fn new() -> Tarball {
    Tarball::new()
}

/// Records that bsdtar writes for a file with attributes, flags and an access control list.
const BSDTAR_RECORDS: [(&str, &str); 10] = [
    ("mtime", "1700000000.123456789"),
    ("LIBARCHIVE.creationtime", "1700000000.1"),
    ("SCHILY.fflags", "nodump,hidden,compress"),
    ("SCHILY.dev", "2049"),
    ("SCHILY.ino", "131"),
    ("SCHILY.nlink", "1"),
    ("LIBARCHIVE.xattr.user.origin", "aGVsbG8"),
    ("SCHILY.xattr.user.origin", "hello\0\n"),
    ("LIBARCHIVE.xattr.com.apple.provenance", "AQIA"),
    ("SCHILY.xattr.com.apple.provenance", "\u{1}\u{2}\0"),
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
#[case::padded(gzip().padded_to(10_001))]
#[case::padded_without_a_name(gzip().padded_to(gzip().bytes().len() + 10))]
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
#[case::directory_type_in_the_mode(valid().directory("lib").mode(0o040_755))]
#[case::joiners_in_names(new().file("می\u{200c}خواهم", b"").file("👩\u{200d}🚀", b""))]
#[case::emoji_in_names(new().file("❤\u{fe0f}", b"").file("1\u{fe0f}\u{20e3}", b""))]
#[case::metadata_name_in_a_directory(new().file("x/pax_global_header", b""))]
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
#[case::last_second_of_the_year_9999(
    valid().set(Field::MTIME, b"\x80\0\0\0\0\0\0\x3a\xff\xf4\x41\x7f")
)]
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
    new().pax_global(&[("comment", "one")]).pax(&[("path", "x")]).file("x", b"")
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
#[case::newlines_in_an_attribute(
    new()
        .pax(&[("path", "ß"), ("SCHILY.xattr.user.a", "x\n\nb 1\n"), ("SCHILY.xattr.user.b", "1")])
        .file("x", b"")
)]
#[case::tar_in_a_tar_under_a_pax_path(
    new().pax(&[("path", "ß.tar")]).file("_.tar", &new().symlink("a", "/etc").tar())
)]
#[case::across_two_buffers(
    new().file("before", &vec![b'd'; 511 * BLOCK - 1_024]).pax(&[
        ("path", "ß"),
        ("comment", &"c".repeat(2_000)),
    ])
    .file("x", b"")
)]
#[case::attributes_of_macos(
    new()
        .pax(&[
            ("LIBARCHIVE.xattr.com.apple.metadata:kMDItemWhereFroms", "AQ"),
            ("SCHILY.xattr.com.apple.xcode.CreatedByBuildSystem", "true"),
        ])
        .file("x", b"")
)]
#[case::negative_device(new().pax(&[("SCHILY.dev", "-1")]).file("x", b""))]
#[case::keys_of_vendors(
    new()
        .pax(&[("MSWINDOWS.rawsd", "AQ=="), ("VENDOR.key", "\0")])
        .file("x", b"")
)]
fn unusual_pax_headers_are_accepted(#[case] tarball: Tarball) {
    assert_accepted(tarball.gzip());
}

/// The header's own path under a pax path or a GNU long name, as writers leave it.
#[rstest]
#[case::same("bin/run", "bin/run")]
#[case::same_with_a_dot("bin/run", "./bin/run")]
#[case::question_marks("größe", "gr??e")]
#[case::left_out("größe", "gre")]
#[case::cut("größe", "gr")]
#[case::empty("größe", "")]
#[case::other("größe", "PaxHeaders.1/x")]
#[case::same_characters("größe", "größe")]
fn own_paths_that_writers_leave_are_accepted(
    #[case] path: &str,
    #[case] own: &str,
    #[values(false, true)] is_pax: bool,
) {
    let metadata = if is_pax { new().pax(&[("path", path)]) } else { new().long_name(path) };
    assert_accepted(metadata.file(own, b"data").file("last", b"").gzip());
}

#[rstest]
#[case::text(b"some text\n".to_vec())]
#[case::nothing(Vec::new())]
#[case::long_text(b"line 1234567890\n".repeat(100))]
#[case::digit_where_the_type_is([vec![b'x'; 156], vec![b'9'; 20]].concat())]
fn data_of_a_file_whose_own_path_is_cut_at_a_slash_is_accepted(#[case] data: Vec<u8>) {
    let path = format!("{}file", "abcd/".repeat(25));
    assert_accepted(new().pax(&[("path", &path)]).file(&path[..100], &data).gzip());
}

#[track_caller]
pub(crate) fn assert_accepted(archive: Vec<u8>) {
    assert!(check_in_pieces(&archive, &ArchiveLimits::FORM).is_ok());
    assert_readers_agree(&[(String::from("the archive"), archive)]);
}
