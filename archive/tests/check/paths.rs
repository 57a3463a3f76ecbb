//! Paths that leave the directory, and paths that deceive a person or a file system.

use archive_builder::{Field, Tarball};
use rstest::rstest;

use crate::{assert_refused, valid};

fn file(path: &str) -> Tarball {
    Tarball::new().file(path, b"")
}

fn file_with_raw_name(name: &[u8]) -> Tarball {
    file("").set(Field::NAME, name)
}

/// CVE-2007-4559.
#[rstest]
#[case::at_the_start(file("../x"), "../x")]
#[case::in_the_middle(file("a/../../x"), "a/../../x")]
#[case::at_the_end(valid().directory("a/.."), "a/..")]
#[case::in_a_prefix(valid().set(Field::PREFIX, b".."), "../bin/run")]
fn path_traversal_is_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!("entry `{path}` has `..` in its path");
    assert_refused(&tarball.gzip(), "path-parent", &message);
}

#[rstest]
#[case::one_slash(file("/etc/passwd"), "/etc/passwd")]
#[case::two_slashes(file("//etc/passwd"), "//etc/passwd")]
#[case::pax_path(Tarball::new().pax(&[("path", "/x")]).file("/x", b""), "/x")]
#[case::long_name(Tarball::new().long_name("/x").file("x", b""), "/x")]
#[case::prefix(valid().set(Field::PREFIX, b"/usr"), "/usr/bin/run")]
#[case::directory(valid().directory("/"), "/")]
fn absolute_paths_are_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!("entry `{path}` has an absolute path; paths must be relative");
    assert_refused(&tarball.gzip(), "path-absolute", &message);
}

#[rstest]
#[case::with_a_slash("C:/x")]
#[case::without_a_slash("c:x")]
fn drive_letters_are_refused(#[case] path: &str) {
    let message = format!(
        "entry `{path}` has a path that starts with a drive letter; paths must be relative"
    );
    assert_refused(&file(path).gzip(), "path-drive", &message);
}

#[test]
fn backslashes_are_refused() {
    assert_refused(
        &file("..\\x").gzip(),
        "path-backslash",
        "entry `..\\u{5c}x` has a backslash in its path; separate directories by `/`",
    );
}

#[rstest]
#[case::name(file_with_raw_name(b""))]
#[case::long_name(Tarball::new().long_name("").file("", b""))]
fn empty_paths_are_refused(#[case] tarball: Tarball) {
    assert_refused(&tarball.gzip(), "path-empty", "entry `` has an empty path");
}

#[rstest]
#[case::latin_1(b"caf\xe9", "caf\\xe9")]
#[case::overlong_slash(b"..\xc0\xafx", "..\\xc0\\xafx")]
fn paths_that_are_not_utf_8_are_refused(#[case] path: &[u8], #[case] escaped: &str) {
    let message = format!("entry `{escaped}` has a path that is not UTF-8");
    assert_refused(&file_with_raw_name(path).gzip(), "path-utf8", &message);
}

/// Terminal escapes, forged log lines, and text that seems to be another ("Trojan Source",
/// CVE-2021-42574).
#[rstest]
#[case::newline(file("a\nb"), "a\\u{a}b")]
#[case::terminal_escape(file("\u{1b}[31mred"), "\\u{1b}[31mred")]
#[case::delete(file("a\u{7f}"), "a\\u{7f}")]
#[case::c1_control(file("a\u{9b}31m"), "a\\u{9b}31m")]
#[case::right_to_left_override(file("exe.\u{202e}txt"), "exe.\\u{202e}txt")]
#[case::isolate(file("a\u{2066}b"), "a\\u{2066}b")]
#[case::line_separator(file("a\u{2028}b"), "a\\u{2028}b")]
#[case::zero_width_space(file("a\u{200b}b"), "a\\u{200b}b")]
#[case::byte_order_mark(file("\u{feff}a"), "\\u{feff}a")]
#[case::hangul_filler(file("a\u{3164}"), "a\\u{3164}")]
#[case::hangul_initial_filler(file("\u{115f}a"), "\\u{115f}a")]
#[case::grapheme_joiner(file("a\u{34f}b"), "a\\u{34f}b")]
#[case::tag(file("a\u{e0061}"), "a\\u{e0061}")]
#[case::selector_after_a_letter(file("a\u{fe0f}"), "a\\u{fe0f}")]
#[case::selector_for_text(file("❤\u{fe0e}"), "\\u{2764}\\u{fe0e}")]
#[case::ideographic_selector(file("葛\u{e0100}"), "葛\\u{e0100}")]
#[case::blank_braille_pattern(file("a\u{2800}"), "a\\u{2800}")]
#[case::nul_in_a_pax_path(
    Tarball::new().pax(&[("path", "bin/run\0.txt")]).file("bin/run", b""),
    "bin/run\\u{0}.txt"
)]
fn control_and_invisible_characters_are_refused(#[case] tarball: Tarball, #[case] escaped: &str) {
    let message =
        format!("entry `{escaped}` has control or invisible formatting characters in its path");
    assert_refused(&tarball.gzip(), "path-control", &message);
}

#[rstest]
#[case::fullwidth_slash("a\u{ff0f}b", "a\\u{ff0f}b")]
#[case::two_dot_leader("\u{2025}/x", "\\u{2025}/x")]
#[case::account_of("a\u{2100}b", "a\\u{2100}b")]
#[case::joiner_only("\u{200d}", "\\u{200d}")]
fn path_traversal_after_unicode_normalization_is_refused(
    #[case] path: &str,
    #[case] escaped: &str,
) {
    let message = format!(
        "entry `{escaped}` has characters in its path that Unicode normalization turns into `/`, `\\`, dots or nothing"
    );
    assert_refused(&file(path).gzip(), "path-unfolded", &message);
}

#[test]
fn a_long_path_is_cut_in_the_message() {
    let message = format!("entry `{}…` has a path of more than 1024 bytes", "n".repeat(100));
    assert_refused(&file(&"n".repeat(1_025)).gzip(), "path-length", &message);
}
