//! Metadata headers (pax headers and GNU long names), and their order.

use archive::ArchiveLimits;
use archive_builder::{BLOCK, Field, Gzip, Tarball, pax_record, pax_records};
use rstest::rstest;

use crate::{assert_refused, check, readers::assert_readers_agree};

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

/// A reader that takes the header of a pax header for something else takes the records for headers.
#[rstest]
#[case::no_name_is_an_end_to_busybox(
    Field::NAME,
    b"",
    "header-text",
    "has a header with a malformed name"
)]
#[case::absolute_directory_in_perl(
    Field::NAME,
    b"/etc/",
    "header-text",
    "has a header with a malformed name"
)]
#[case::climbing_directory_in_perl(
    Field::NAME,
    b"../",
    "header-text",
    "has a header with a malformed name"
)]
#[case::link_name_is_an_error_in_node(
    Field::LINK,
    b"x",
    "link-name",
    "has a link name, though it is not a link"
)]
#[case::time_is_an_error_in_node(
    Field::STAR_ATIME,
    b"\x81",
    "header-number",
    "has a header with a malformed access time"
)]
#[case::padding_is_an_error_in_perl(
    Field(511, 1),
    b"x",
    "header-padding",
    "has a header with data after its last field"
)]
#[case::malformed_prefix(
    Field::PREFIX,
    b"a\0b",
    "header-text",
    "has a header with a malformed prefix"
)]
fn ambiguous_metadata_headers_are_refused(
    #[case] field: Field,
    #[case] value: &[u8],
    #[case] rule: &'static str,
    #[case] message: &str,
    #[values(b'x', b'g', b'L')] flag: u8,
) {
    let data = if flag == b'L' { b"bin/run\0".to_vec() } else { pax_records(&COMMENT) };
    assert_refused(
        &new().entry(flag, "metadata", &data).set(field, value).file("bin/run", b"").gzip(),
        rule,
        &format!("entry number 1 {message}"),
    );
}

/// The header's own path, which readers without pax headers and long names list and unpack.
#[rstest]
#[case::absolute("/etc/evil")]
#[case::climbing("../../evil")]
#[case::climbing_inside("a/../../evil")]
#[case::climbing_at_the_end("a/..")]
#[case::backslash("..\\evil")]
#[case::drive("C:evil")]
#[case::newline("a\nb")]
#[case::terminal_escape("\u{1b}[2J")]
#[case::right_to_left_override("a\u{202e}b")]
fn unsafe_paths_under_another_path_are_refused(
    #[case] own: &str,
    #[values("ß/x", "bin/run")] short: &str,
    #[values(false, true)] is_long: bool,
    #[values(false, true)] is_pax: bool,
) {
    let path = if is_long { format!("{}{short}", "long/".repeat(30)) } else { short.to_owned() };
    let metadata = if is_pax { new().pax(&[("path", &path)]) } else { new().long_name(&path) };
    let error = check(&metadata.file(own, b"").gzip()[..], &ArchiveLimits::FORM).unwrap_err();
    assert_eq!(error.0, "own-path", "{}", error.1);
}

/// Go's writer leaves out what is not ASCII: `日本/x` becomes `/x`.
#[test]
fn an_absolute_path_of_go_is_refused_with_a_remedy() {
    assert_refused(
        &new().pax(&[("path", "日本/x")]).file("/x", b"").gzip(),
        "own-path",
        "entry `日本/x` has another path, `/x`, in its own header, where readers without pax headers look; pack it in GNU format, such as by `tar --format=gnu`",
    );
}

#[rstest]
#[case::other_file("bin/run", "bin/evil")]
#[case::nothing("bin/run", "")]
#[case::cut("bin/run", "bin/ru")]
#[case::other_case("bin/run", "BIN/RUN")]
#[case::a_hundred_bytes(&"n".repeat(100), &"n".repeat(99))]
fn another_path_under_a_short_ascii_path_is_refused(
    #[case] path: &str,
    #[case] own: &str,
    #[values(false, true)] is_pax: bool,
) {
    let metadata = if is_pax { new().pax(&[("path", path)]) } else { new().long_name(path) };
    let error = check(&metadata.file(own, b"").gzip()[..], &ArchiveLimits::FORM).unwrap_err();
    assert_eq!(error.0, "own-path", "{}", error.1);
}

/// A header that Perl's `Archive::Tar` would list as an entry.
fn hidden_header(flag: u8, name: &str) -> Vec<u8> {
    new().entry(flag, name, b"").tar_without_end()
}

/// Perl's `Archive::Tar` takes a file for a directory if its own name ends with a slash, and then its
/// data for headers.
#[rstest]
#[case::file(hidden_header(b'0', "evil"))]
#[case::climbing_directory(hidden_header(b'5', "../../evil"))]
#[case::absolute_directory(hidden_header(b'5', "/etc/evil"))]
#[case::symbolic_link(new().symlink("evil", "/etc").tar_without_end())]
#[case::device(new().entry(b'3', "evil", b"").set(Field::DEVMAJOR, b"1").tar_without_end())]
#[case::in_the_second_block([vec![b'd'; BLOCK], hidden_header(b'0', "evil")].concat())]
#[case::in_a_cut_block(hidden_header(b'5', "../evil")[..300].to_vec())]
#[case::end_of_the_list(new().entry(b'5', "", b"").tar_without_end())]
fn headers_in_the_data_of_a_file_that_perl_takes_for_a_directory_are_refused(
    #[case] data: Vec<u8>,
) {
    let path = format!("{}ß", "long/".repeat(20));
    let tarball = new().pax(&[("path", &path)]).file("long/", &data);
    let message = format!(
        "entry `{}` has data that readers without pax headers take for a tar header; pack it in GNU format, such as by `tar --format=gnu`",
        path.chars().take(100).chain(['…']).collect::<String>()
    );
    assert_refused(&tarball.gzip(), "data-is-header", &message);
}

/// Perl's `Archive::Tar` takes also a pax header for a directory if its name ends with a slash.
#[rstest]
#[case::climbing("x/../../evil", b'5')]
#[case::device("x", b'3')]
fn headers_in_a_pax_header_that_perl_takes_for_a_directory_are_refused(
    #[case] path: &str,
    #[case] flag: u8,
) {
    let mut records = pax_record(b"comment", &[0; 600]);
    records[12..12 + path.len()].copy_from_slice(path.as_bytes());
    records[156] = flag;
    records[329] = b'1';
    let named = |name: &str| new().entry(b'x', name, &records).file("bin/run", b"").gzip();
    assert_readers_agree(&[("a pax header".to_owned(), named("PaxHeaders/x"))]);
    assert_refused(
        &named("PaxHeaders/"),
        "data-is-header",
        "entry number 1 has data that readers without pax headers take for a tar header; pack it in GNU format, such as by `tar --format=gnu`",
    );
}

/// Perl's `Archive::Tar` takes the long name's header for a directory, and does not see the name.
#[test]
fn a_long_name_whose_header_is_a_directory_to_perl_is_refused() {
    assert_refused(
        &new().long_name("größe").set(Field::NAME, b"x/").file("own", b"").gzip(),
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
