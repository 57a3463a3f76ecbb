//! Archives of ordinary tools in their ordinary modes. They are accepted, and every reader lists
//! the same entries.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use rstest::rstest;

use crate::{
    readers::{assert_readers_agree, list},
    tools,
};

/// Each script packs `tree`, or `short` (without the paths that need a metadata header), into
/// `packed.tgz`.
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
#[case::busybox("busybox", "busybox tar -czf packed.tgz tree")]
#[case::python_pax("python3", "python3 pack.py PAX_FORMAT tree .")]
#[case::python_gnu("python3", "python3 pack.py GNU_FORMAT tree tree")]
#[case::python_ustar("python3", "python3 pack.py USTAR_FORMAT short short")]
#[case::git_archive("git", "git -C tree archive --format=tar.gz -o ../packed.tgz HEAD")]
#[case::git_archive_prefix(
    "git",
    "git -C tree archive --format=tar.gz --prefix=package-1.0/ -o ../packed.tgz HEAD"
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
    let listing = list(&archive).unwrap();
    assert!(listing.iter().any(|(path, ..)| path.ends_with("bin/run")), "{listing:?}");
    assert_readers_agree(&[(script.to_owned(), archive)]);
}

const PACK_PY: &str = "
import sys, tarfile
form, directory, name = sys.argv[1:]
with tarfile.open('packed.tgz', 'w:gz', format=getattr(tarfile, form)) as archive:
    archive.add(directory, arcname=name)
";

/// Creates the directories `short` and `tree`, and the script `pack.py`.
fn create_trees(work: &Path) {
    fs::write(work.join("pack.py"), PACK_PY).unwrap();
    create_customization(&work.join("short"));
    create_customization(&work.join("tree"));
    let deep = work.join("tree").join("a-directory-with-a-long-name/".repeat(6));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f".repeat(120)), "long").unwrap();
}

/// Creates a directory that could be a customization.
fn create_customization(directory: &Path) {
    for (path, text, mode) in [
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
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}
