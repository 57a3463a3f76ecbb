//! Entries that are valid alone, but not together (CVE-2026-23950).

use archive_builder::Tarball;
use rstest::rstest;

use crate::{assert_refused, valid};

fn files(paths: &[&str]) -> Tarball {
    paths.iter().fold(Tarball::new(), |tarball, path| tarball.file(path, b""))
}

#[rstest]
#[case::file(files(&["a", "a"]), "a")]
#[case::dot_before(files(&["a", "./a"]), "./a")]
#[case::dot_between(files(&["a/b", "a/./b"]), "a/./b")]
#[case::two_slashes(files(&["a/b", "a//b"]), "a//b")]
#[case::long_name(Tarball::new().file("a", b"").long_name("a").file("a", b""), "a")]
#[case::directory(valid().directory("a").directory("a/"), "a/")]
#[case::root(valid().directory(".").directory("./"), "./")]
#[case::directory_after_file(Tarball::new().file("a", b"").directory("a"), "a")]
#[case::file_after_directory(Tarball::new().directory("a").file("a", b""), "a")]
fn duplicate_paths_are_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!("entry `{path}` is in the archive twice");
    assert_refused(&tarball.gzip(), "path-twice", &message);
}

#[rstest]
#[case::ascii(files(&["README", "readme"]), "readme")]
#[case::sharp_s(files(&["straße", "STRASSE"]), "STRASSE")]
#[case::kelvin_sign(files(&["\u{212a}", "k"]), "k")]
#[case::dotless_i(files(&["fıle", "FILE"]), "FILE")]
#[case::dotted_capital_i(files(&["f\u{130}le", "file"]), "file")]
#[case::dotted_i(files(&["fi\u{307}le", "file"]), "file")]
#[case::long_s(files(&["\u{17f}", "S"]), "S")]
#[case::final_sigma(files(&["ς", "σ"]), "σ")]
#[case::iota_below(files(&["ᾳ", "ᾼ"]), "ᾼ")]
#[case::directories(valid().directory("Lib").directory("lib"), "lib")]
#[case::directory_after_its_file(valid().directory("BIN"), "BIN")]
fn paths_that_differ_only_in_case_are_refused(#[case] tarball: Tarball, #[case] path: &str) {
    assert_collision(tarball, path);
}

#[rstest]
#[case::ligature(files(&["o\u{fb03}ce", "office"]), "office")]
#[case::composed_and_decomposed(files(&["caf\u{e9}", "cafe\u{301}"]), "cafe\\u{301}")]
#[case::order_of_marks(files(&["a\u{301}\u{316}", "a\u{316}\u{301}"]), "a\\u{316}\\u{301}")]
#[case::joiner(files(&["gi\u{200d}t", "git"]), "git")]
#[case::emoji_selector(files(&["❤\u{fe0f}", "❤"]), "\\u{2764}")]
fn paths_that_differ_only_in_unicode_form_are_refused(
    #[case] tarball: Tarball,
    #[case] path: &str,
) {
    assert_collision(tarball, path);
}

#[track_caller]
fn assert_collision(tarball: Tarball, path: &str) {
    let message = format!(
        "entry `{path}` has a path that differs from another entry's path only in case or Unicode form"
    );
    assert_refused(&tarball.gzip(), "path-folded", &message);
}

#[rstest]
#[case::parent(&["Lib/a", "lib/b"], "lib/b")]
#[case::ancestor(&["A/b/c/d", "a/b/c/e"], "a/b/c/e")]
fn parent_directories_that_differ_only_in_case_are_refused(
    #[case] paths: &[&str],
    #[case] path: &str,
) {
    let message = format!(
        "entry `{path}` has a parent directory that differs from another entry's only in case or Unicode form"
    );
    assert_refused(&files(paths).gzip(), "path-folded", &message);
}

#[rstest]
#[case::child(files(&["a", "a/b"]), "a/b")]
#[case::descendant(files(&["a/b", "a/b/c/d/e"]), "a/b/c/d/e")]
#[case::child_in_another_case(files(&["a", "A/b"]), "A/b")]
#[case::directory(Tarball::new().file("a", b"").directory("a/b"), "a/b")]
fn entries_inside_a_file_are_refused(#[case] tarball: Tarball, #[case] path: &str) {
    let message = format!("entry `{path}` lies inside another entry that is a file");
    assert_refused(&tarball.gzip(), "path-inside-file", &message);
}

#[rstest]
#[case::parent(&["a/b", "a"], "a")]
#[case::ancestor(&["a/b/c/d", "a/b"], "a/b")]
fn a_file_that_is_a_parent_directory_is_refused(#[case] paths: &[&str], #[case] path: &str) {
    let message = format!("entry `{path}` is a file, but other entries lie inside it");
    assert_refused(&files(paths).gzip(), "path-inside-file", &message);
}
