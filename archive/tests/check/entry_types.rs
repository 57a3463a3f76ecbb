//! Entry types other than file and directory, and entries that are not clearly one of both.

use archive_builder::{Field, Tarball};
use rstest::rstest;

use crate::{assert_refused, valid};

/// Links redirect later entries out of the directory (CVE-2007-4559, CVE-2021-38511,
/// CVE-2022-36113, CVE-2026-23745).
#[rstest]
#[case::out_of_the_archive(Tarball::new().symlink("etc", "/etc").file("etc/passwd", b"root::0:0"), "etc")]
#[case::marker_file(Tarball::new().symlink(".cargo-ok", "../../target").file(".cargo-ok", b"ok"), ".cargo-ok")]
#[case::under_a_long_name(Tarball::new().long_name("some/where").symlink("short", "/"), "some/where")]
#[case::under_a_pax_path(Tarball::new().pax(&[("path", "pax/name")]).symlink("short", "/"), "pax/name")]
fn symbolic_links_are_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message =
        format!("entry `{path}` is a symbolic link; only files and directories are allowed");
    assert_refused(&tarball.gzip(), "symbolic-link", &message);
}

#[test]
fn hard_links_are_refused() {
    assert_refused(
        &valid().hard_link("copy", "/etc/shadow").gzip(),
        "hard-link",
        "entry `copy` is a hard link; only files and directories are allowed",
    );
}

/// A sparse map can be as large as the reader's memory (CVE-2025-58183).
#[test]
fn sparse_files_are_refused() {
    let sparse = Tarball::new().entry(b'S', "bin/run", b"").gnu();
    assert_refused(
        &sparse.set(Field::GNU_REAL_SIZE, b"77777777777").gzip(),
        "sparse-file",
        "entry `bin/run` is a sparse file; only files and directories are allowed",
    );
}

#[rstest]
#[case::hard_link(b'1', "hard-link", "a hard link")]
#[case::symbolic_link(b'2', "symbolic-link", "a symbolic link")]
#[case::character_device(b'3', "character-device", "a character device")]
#[case::block_device(b'4', "block-device", "a block device")]
#[case::fifo(b'6', "fifo", "a fifo")]
#[case::contiguous_file(b'7', "contiguous-file", "a contiguous file")]
#[case::dump_directory(b'D', "dump-directory", "a GNU dump directory")]
#[case::long_link(b'K', "long-link", "a GNU long link name")]
#[case::multi_volume(b'M', "multi-volume", "a part of a multi-volume archive")]
#[case::volume_label(b'V', "volume-label", "a volume label")]
#[case::solaris_header(b'X', "solaris-header", "a Solaris extended header")]
#[case::unknown_letter(b'A', "unknown-type", "of an unknown type")]
#[case::blank(b' ', "unknown-type", "of an unknown type")]
fn entry_types_other_than_file_and_directory_are_refused(
    #[case] flag: u8,
    #[case] rule: &'static str,
    #[case] words: &str,
) {
    let message = format!("entry `bin/run` is {words}; only files and directories are allowed");
    assert_refused(&Tarball::new().entry(flag, "bin/run", b"").gzip(), rule, &message);
}

#[rstest]
#[case::setuid(valid().mode(0o4755), "bin/run")]
#[case::setgid(valid().mode(0o2755), "bin/run")]
#[case::sticky(valid().mode(0o1755), "bin/run")]
#[case::sticky_directory(valid().directory("tmp").mode(0o1777), "tmp")]
fn privileged_mode_bits_are_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!("entry `{path}` has its setuid, setgid or sticky bit set; clear it");
    assert_refused(&tarball.gzip(), "special-mode", &message);
}

/// Go's `FileInfo().Mode()` believes the mode, other readers the type flag.
#[rstest]
#[case::symbolic_link(valid().mode(0o120_777), "bin/run")]
#[case::directory(valid().mode(0o040_755), "bin/run")]
#[case::socket(valid().mode(0o140_644), "bin/run")]
#[case::device(valid().mode(0o060_644), "bin/run")]
#[case::unknown_bit(valid().mode(0o200_644), "bin/run")]
#[case::file_and_another(valid().mode(0o300_644), "bin/run")]
#[case::directory_as_a_file(valid().directory("lib").mode(0o100_755), "lib")]
#[case::directory_as_a_link(valid().directory("lib").mode(0o120_755), "lib")]
fn a_mode_of_another_type_is_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!("entry `{path}` has another file type in its mode than in its type flag");
    assert_refused(&tarball.gzip(), "mode-type", &message);
}

/// node-tar skips such a header, and parses the data as headers.
#[rstest]
#[case::path(Field::LINK, b"/etc")]
#[case::after_a_nul(Field::LINK, b"\0/etc")]
#[case::newline_after_a_nul(Field::LINK, b"\0\n/etc")]
#[case::last_byte(Field(256, 1), b"x")]
fn a_link_name_on_a_file_is_refused(#[case] field: Field, #[case] value: &[u8]) {
    assert_refused(
        &valid().set(field, value).gzip(),
        "link-name",
        "entry `bin/run` has a link name, though it is not a link",
    );
}

#[test]
fn a_directory_with_data_is_refused() {
    assert_refused(
        &Tarball::new().entry(b'5', "bin", b"data").gzip(),
        "directory-data",
        "entry `bin` is a directory with data",
    );
}

#[rstest]
#[case::slash(Tarball::new().file("bin/", b"data"), "bin/")]
#[case::dot(Tarball::new().file("bin/.", b"data"), "bin/.")]
#[case::old_type_under_a_pax_path(
    Tarball::new().pax(&[("path", "bin/run")]).entry(b'\0', "bin/", b"data"),
    "bin/run"
)]
fn a_file_with_the_path_of_a_directory_is_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!("entry `{path}` is a file whose path ends like a directory's");
    assert_refused(&tarball.gzip(), "file-slash", &message);
}
