//! What ordinary tools write in their ordinary modes passes, and every reader lists it as we do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::readers::{Readers, has_tool, ours};

/// Tools, and how each packs `tree` (with a path too long for a plain header) or `short` (without)
/// into `packed.tgz`.
const PACKINGS: &[(&str, &str)] = &[
    ("tar", "tar -czf packed.tgz -C tree ."),
    ("tar", "tar -czf packed.tgz tree"),
    ("tar", "tar -czf packed.tgz --format=gnu tree"),
    ("tar", "tar -czf packed.tgz --format=oldgnu tree"),
    ("tar", "tar -czf packed.tgz --format=pax -C tree ."),
    ("tar", "tar -czf packed.tgz --format=posix --xattrs --acls tree"),
    ("tar", "tar -czf packed.tgz --format=ustar short"),
    (
        "tar",
        "tar -czf packed.tgz -b 1 --sort=name --numeric-owner --owner=0 --group=0 --mtime=@0 tree",
    ),
    ("tar", "tar -cf - tree | gzip -9 > packed.tgz"),
    ("bsdtar", "bsdtar -czf packed.tgz -C tree ."),
    ("bsdtar", "bsdtar -czf packed.tgz --format=pax --xattrs --acls --fflags tree"),
    ("bsdtar", "bsdtar -czf packed.tgz --format=gnutar tree"),
    ("bsdtar", "bsdtar -czf packed.tgz --format=ustar short"),
    ("busybox", "busybox tar -czf packed.tgz tree"),
    ("python3", "python3 pack.py PAX_FORMAT tree ."),
    ("python3", "python3 pack.py GNU_FORMAT tree tree"),
    ("python3", "python3 pack.py USTAR_FORMAT short short"),
    ("git", "git -C tree archive --format=tar.gz -o ../packed.tgz HEAD"),
    ("git", "git -C tree archive --format=tar.gz --prefix=package-1.0/ -o ../packed.tgz HEAD"),
    ("npm", "cd short && npm pack --silent --cache ../npm && mv ./*.tgz ../packed.tgz"),
];

const PACK_PY: &str = "
import sys, tarfile
form, directory, name = sys.argv[1:]
with tarfile.open('packed.tgz', 'w:gz', format=getattr(tarfile, form)) as archive:
    archive.add(directory, arcname=name, filter=lambda entry: None if '.git' in entry.name else entry)
";

#[test]
fn what_ordinary_tools_write_passes_and_every_reader_lists_it_as_we_do() {
    let readers = Readers::find();
    let work = tempfile::tempdir().unwrap();
    fs::write(work.path().join("pack.py"), PACK_PY).unwrap();
    plant(&work.path().join("short"));
    plant(&work.path().join("tree"));
    let deep = work.path().join("tree").join("a-directory-with-a-long-name/".repeat(6));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f".repeat(120)), "long").unwrap();
    if has_tool("git") {
        let commit = "git init -q . && git add . && git -c user.name=a -c user.email=a@example.com commit -q -m all";
        run(commit, &work.path().join("tree"));
    }
    let mut packed = Vec::new();
    for (_, script) in PACKINGS.iter().filter(|(tool, _)| has_tool(tool)) {
        run(script, work.path());
        let archive = fs::read(work.path().join("packed.tgz")).unwrap();
        let listing = ours(&archive).unwrap_or_else(|fault| panic!("{script}: {fault}"));
        assert!(
            listing.iter().any(|(path, ..)| path.ends_with("bin/run")),
            "{script}: {listing:?}"
        );
        packed.push(((*script).to_owned(), archive));
    }
    assert_eq!(readers.disagreements(&packed), Vec::<String>::new());
}

/// A directory as customizations are.
fn plant(directory: &Path) {
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

fn run(script: &str, directory: &Path) {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}
