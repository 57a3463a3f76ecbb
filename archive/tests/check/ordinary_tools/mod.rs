//! Archives of ordinary tools in their ordinary modes. They are accepted, and every reader lists
//! the same entries.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use archive::ArchiveLimits;
use flate2::{Compression, write::GzEncoder};
use rstest::rstest;

use crate::{
    check,
    readers::{assert_readers_accept, build_go, list},
    tools,
};

/// Each script packs `tree`, or `short` (without the paths that need a metadata header), into
/// `packed.tgz`. `$PACK` is this directory, `$GO_PACK` the compiled pack.go.
#[rstest]
#[case::gnu_tar_root("tar", "tar -czf packed.tgz -C tree .")]
#[case::gnu_tar("tar", "tar -czf packed.tgz tree")]
#[case::gnu_tar_gnu("tar", "tar -czf packed.tgz --format=gnu tree")]
#[case::gnu_tar_oldgnu("tar", "tar -czf packed.tgz --format=oldgnu tree")]
#[case::gnu_tar_pax("tar", "tar -czf packed.tgz --format=pax -C tree .")]
#[case::gnu_tar_attributes("tar", "tar -czf packed.tgz --format=posix --xattrs --acls tree")]
#[case::gnu_tar_ustar("tar", "tar -czf packed.tgz --format=ustar short")]
#[case::gnu_tar_reproducible(
    "tar",
    "tar -czf packed.tgz -b 1 --sort=name --numeric-owner --owner=0 --group=0 --mtime=@0 tree"
)]
#[case::gnu_tar_and_gzip("tar", "tar -cf - tree | gzip -9 > packed.tgz")]
#[case::bsdtar_root("bsdtar", "bsdtar -czf packed.tgz -C tree .")]
#[case::bsdtar_attributes(
    "bsdtar",
    "bsdtar -czf packed.tgz --format=pax --xattrs --acls --fflags tree"
)]
#[case::bsdtar_gnu("bsdtar", "bsdtar -czf packed.tgz --format=gnutar tree")]
#[case::bsdtar_ustar("bsdtar", "bsdtar -czf packed.tgz --format=ustar short")]
#[case::bsdtar_attributes_of_others(
    "bsdtar",
    "setfattr -n user.origin -v 'text' tree/bin/run || true; bsdtar -czf packed.tgz tree"
)]
#[case::busybox("busybox", "busybox tar -czf packed.tgz tree")]
#[case::busybox_root("busybox", "busybox tar -czf packed.tgz -C tree .")]
#[case::python_pax("python3", "python3 $PACK/pack.py PAX_FORMAT tree .")]
#[case::python_gnu("python3", "python3 $PACK/pack.py GNU_FORMAT tree tree")]
#[case::python_ustar("python3", "python3 $PACK/pack.py USTAR_FORMAT short short")]
#[case::git_archive("git", "git -C tree archive --format=tar.gz -o ../packed.tgz HEAD")]
#[case::git_archive_prefix(
    "git",
    "git -C tree archive --format=tar.gz --prefix=package-1.0/ -o ../packed.tgz HEAD"
)]
#[case::node_tar("npm", "node $PACK/pack.cjs none tree")]
#[case::node_tar_portable("npm", "node $PACK/pack.cjs portable tree")]
#[case::node_tar_no_pax("npm", "node $PACK/pack.cjs noPax short")]
#[case::perl("perl", "perl $PACK/pack.pl short")]
#[case::perl_long_names("perl", "perl $PACK/pack.pl tree")]
#[case::go("go", "$GO_PACK unknown tree tree/")]
#[case::go_root("go", "$GO_PACK unknown short ''")]
#[case::go_dot("go", "$GO_PACK unknown tree ./")]
#[case::go_pax("go", "$GO_PACK pax tree tree/")]
#[case::go_gnu("go", "$GO_PACK gnu tree tree/")]
#[case::cargo_package(
    "cargo",
    "cd short && cargo package --quiet --offline --no-verify --allow-dirty --target-dir ../target \
        && mv ../target/package/*.crate ../packed.tgz"
)]
#[case::npm_pack_tree(
    "npm",
    "cd tree && npm pack --silent --cache ../npm && mv ./*.tgz ../packed.tgz"
)]
#[case::npm_pack("npm", "cd short && npm pack --silent --cache ../npm && mv ./*.tgz ../packed.tgz")]
fn archives_of_ordinary_tools_are_accepted(#[case] tool: &'static str, #[case] script: &str) {
    if !tools::is_installed(tool) {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    create_trees(work.path());
    if tool == "git" {
        commit(&work.path().join("tree"));
    }
    run(script, work.path());
    let archive = fs::read(work.path().join("packed.tgz")).unwrap();
    assert_accepted(script, archive);
}

#[track_caller]
fn assert_accepted(name: &str, archive: Vec<u8>) {
    let listing = list(&archive).unwrap();
    assert!(listing.iter().any(|entry| entry.path.ends_with("bin/run")), "{listing:?}");
    assert_readers_accept(&[(name.to_owned(), archive)]);
}

/// The crate `tar`, which cargo uses.
#[rstest]
#[case::root("")]
#[case::directory("tree")]
fn archives_of_the_crate_tar_are_accepted(#[case] prefix: &str) {
    let work = tempfile::tempdir().unwrap();
    create_trees(work.path());
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    builder.append_dir_all(prefix, work.path().join("tree")).unwrap();
    assert_accepted("tar::Builder", builder.into_inner().unwrap().finish().unwrap());
}

/// Go's writer leaves out what is not ASCII from a header under a pax path: `日本/x` becomes `/x`,
/// which Perl's `Archive::Tar` lists as an absolute path.
#[rstest]
#[case::pax("unknown", Err("own-path"))]
#[case::gnu("gnu", Ok(()))]
fn a_go_archive_with_a_non_ascii_directory_at_its_root(
    #[case] format: &str,
    #[case] expected: Result<(), &str>,
) {
    if !tools::is_installed("go") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    fs::create_dir_all(work.path().join("tree/日本")).unwrap();
    fs::write(work.path().join("tree/日本/x"), "x").unwrap();
    run(&format!("$GO_PACK {format} tree ''"), work.path());
    let archive = fs::read(work.path().join("packed.tgz")).unwrap();
    let result = check(&archive[..], &ArchiveLimits::FORM);
    assert_eq!(result.map(drop).map_err(|(rule, _)| rule), expected);
}

/// Attributes with powers are refused with the option that leaves them out.
#[rstest]
#[case::gnu_tar_acls("tar", "tar -czf packed.tgz --format=pax --acls tree", "--no-acls")]
#[case::bsdtar_acls("bsdtar", "bsdtar -czf packed.tgz --format=pax tree", "--no-acls")]
fn archives_with_access_control_lists_are_refused(
    #[case] tool: &'static str,
    #[case] script: &str,
    #[case] remedy: &str,
) {
    if !tools::is_installed(tool) {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    create_trees(work.path());
    let file = work.path().join("tree/bin/run");
    // Not every file system has access control lists.
    let set = Command::new("setfacl").args(["-m", "u:12345:rwx"]).arg(&file).output();
    if !set.is_ok_and(|output| output.status.success()) {
        return;
    }
    run(script, work.path());
    let refused = fs::read(work.path().join("packed.tgz")).unwrap();
    let (rule, message) = check(&refused[..], &ArchiveLimits::FORM).unwrap_err();
    assert_eq!(rule, "pax-power");
    assert!(message.contains(remedy), "{message}");
    run(&script.replace("-czf", &format!("{remedy} -czf")).replace("--acls ", ""), work.path());
    assert_accepted(script, fs::read(work.path().join("packed.tgz")).unwrap());
}

/// Creates the directories `short` and `tree`.
fn create_trees(work: &Path) {
    create_customization(&work.join("short"));
    create_customization(&work.join("tree"));
    let deep = work.join("tree").join("a-directory-with-a-long-name/".repeat(6));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f".repeat(120)), "long").unwrap();
    // Writers cut long paths after 100 bytes, here at each byte of a component.
    for offset in 1..=10 {
        let deep = work.join("tree").join("x".repeat(offset)).join("component/".repeat(20));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "line 1234567890\n".repeat(70)).unwrap();
    }
    let unicode = work.join("tree/größe").join("länge/日本語/".repeat(12));
    fs::create_dir_all(&unicode).unwrap();
    fs::write(unicode.join("文書".repeat(30)), "").unwrap();
    fs::write(work.join("tree/❤\u{fe0f} 'quotes' \"and\" %41 #"), "").unwrap();
}

const CARGO_TOML: &str = "[package]
name = \"customization\"
version = \"1.0.0\"
edition = \"2024\"
description = \"x\"
license = \"MIT\"
";

/// Creates a directory that could be a customization.
fn create_customization(directory: &Path) {
    for (path, text, mode) in [
        ("Cargo.toml", CARGO_TOML, 0o644),
        ("src/lib.rs", "", 0o644),
        ("package.json", r#"{"name": "customization", "version": "1.0.0"}"#, 0o644),
        ("bin/run", "#!/bin/sh\nexec server\n", 0o755),
        ("conf/server.properties", "port=9092\n", 0o600),
        ("größe/日本語.txt", "names outside ASCII\n", 0o644),
        ("with space/empty", "", 0o644),
    ] {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(directory.join("empty")).unwrap();
}

fn commit(tree: &Path) {
    let identity = "-c user.name=a -c user.email=a@example.com";
    run(&format!("git init -q . && git add . && git {identity} commit -q -m all"), tree);
}

fn run(script: &str, directory: &Path) {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .env("PACK", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/ordinary_tools"))
        .envs(script.contains("$GO_PACK").then(|| ("GO_PACK", build_go("ordinary_tools/pack.go"))))
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}
