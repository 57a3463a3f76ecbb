//! `check` and `pack`.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use ::cli::{
    archive_file::{MAX_FORM_BYTES, MAX_UPLOAD_BYTES},
    output::bytes,
};
use archive_builder::Tarball;
use http::Method;
use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::{Pid, mkfifo},
};
use serde_json::json;
use shared::form::FormLimits;
use tests::{
    cli::{Cli, read},
    form::Form,
    process::TIMEOUT,
    stack::TestStack,
};
use tokio::time::{sleep, timeout};

use super::large_file;

/// A folder with everything that a folder can have.
fn write_folder(cli: &Cli) {
    cli.write("certs/ca.pem", "certificate\n").write("certs/bin/run", "#!/bin/sh\n");
    cli.write("certs/.hidden", "h").write("certs/übung/日本", "").write("certs/build/x.log", "log");
    cli.write(&format!("certs/{}/{}", "deep/".repeat(60), "n".repeat(200)), "long");
    cli.write("certs/.git/config", "secret").write("certs/.customizationignore", "*.log\n/tmp\n");
    cli.write("certs/tmp/x", "ignored").write("certs/sub/tmp/x", "kept");
    fs::create_dir(cli.path("certs/empty")).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o4711);
    fs::set_permissions(cli.path("certs/bin/run"), executable).unwrap();
    symlink("/etc/passwd", cli.path("certs/link")).unwrap();
    mkfifo(&cli.path("certs/fifo"), Mode::S_IRWXU).unwrap();
}

#[tokio::test]
async fn check_gives_the_messages_of_the_service() {
    let stack = TestStack::start().await;
    let cli = Cli::new(&stack);
    let api = stack.api();
    for archive in [
        Tarball::new().file("../x", b"").gzip(),
        Tarball::new().symlink("etc", "/etc").gzip(),
        Tarball::new().file("a", b"").file("A", b"").gzip(),
        Tarball::new().directory("d/").gzip(),
        Tarball::new().file("x\u{1b}", b"").gzip(),
        b"hello".to_vec(),
        Vec::new(),
    ] {
        let response = api.create(Form::new().file("x.tar.gz", &archive)).await.json();
        let message = response["violations"][0]["message"].as_str().unwrap().to_owned();
        cli.write("x.tar.gz", &archive);
        let output = cli.run(&["check", "x.tar.gz"]).await;
        assert_eq!(output.code, Some(1));
        assert_eq!(output.stdout, format!("x.tar.gz: refused: {message}\n"));
        assert_eq!(output.stderr, "error: the file is refused\n");
    }
}

#[tokio::test]
async fn check_says_for_which_way_an_archive_is_good() {
    let cli = Cli::offline();
    let small = Tarball::new().file("x", b"x").gzip();
    let large = Tarball::new().file("agent", &large_file()).gzip();
    cli.write("small.tgz", &small).write("large.tgz", &large);
    cli.write("bad.tgz", "x");
    let output = cli.run(&["check", "small.tgz", "large.tgz", "bad.tgz", "bad.tgz"]).await;
    assert_eq!(output.code, Some(1));
    let sizes = [small.len(), large.len()].map(|size| bytes(size as u64));
    assert_eq!(
        output.stdout,
        format!(
            "small.tgz: accepted for form or direct upload: 1 entry, {}, 2.00 KiB unpacked\n\
         large.tgz: accepted for direct upload: 1 entry, {}, 5.72 MiB unpacked\n\
         bad.tgz: refused: the archive is not in gzip format; send a tar.gz\n\
         bad.tgz: refused: the archive is not in gzip format; send a tar.gz\n",
            sizes[0], sizes[1]
        )
    );
    assert_eq!(output.stderr, "error: 2 files are refused\n");

    let verdicts = cli.run(&["check", "--json", "small.tgz"]).await.json();
    let expected = json!([{
        "file": "small.tgz", "accepted": true, "way": "form", "size": small.len(), "entries": 1,
        "unpacked_size": 2048, "sha256": verdicts[0]["sha256"],
    }]);
    assert_eq!(verdicts, expected);
    let output = cli.run(&["check", "--json", "large.tgz", "bad.tgz"]).await;
    assert!(output.stdout.contains(r#""way":"direct_upload""#), "{output:?}");
    let refused = r#"{"file":"bad.tgz","accepted":false,"message":"the archive is not in gzip"#;
    assert!(output.stdout.contains(refused), "{output:?}");
}

#[tokio::test]
async fn check_cannot_judge_a_folder_or_a_missing_file() {
    let cli = Cli::offline();
    cli.write("certs/x", "");
    let folder = "error: cannot read certs: it is a folder; pack it first\n";
    cli.run(&["check", "certs"]).await.assert_failure(2, folder);
    let missing = "error: cannot read none: No such file or directory (os error 2)\n";
    cli.run(&["check", "none"]).await.assert_failure(2, missing);
}

#[tokio::test]
async fn the_limits_are_those_of_the_service() {
    assert_eq!(usize::try_from(MAX_FORM_BYTES), Ok(FormLimits::PRODUCTION.file_bytes));
    let stack = TestStack::start().await;
    for (size, status) in [(MAX_UPLOAD_BYTES, 201), (MAX_UPLOAD_BYTES + 1, 413)] {
        let body = json!({"sha256": "0".repeat(64), "size": size});
        assert_eq!(stack.api().send_json(Method::POST, "uploads", &body).await.status, status);
    }
}

#[tokio::test]
async fn a_packed_folder_is_reproducible_and_says_what_it_leaves_out() {
    let (first, second) = (Cli::offline(), Cli::offline());
    write_folder(&first);
    // The files exist in another order, with other times and other permissions.
    second.write("certs/sub/tmp/x", "");
    write_folder(&second);
    fs::remove_file(first.path("certs/tmp/x")).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
    fs::set_permissions(second.path("certs/bin/run"), executable).unwrap();

    let output = first.run(&["pack", "certs"]).await;
    assert_eq!(output.assert_success().stdout, "certs.tar.gz\n");
    let archive = read(&first.path("certs.tar.gz"));
    assert_eq!(
        output.stderr,
        format!(
            "left out .git: the data of version control\n\
         left out the setuid, setgid or sticky bit of bin/run: the service refuses it\n\
         left out fifo: it is a fifo, and the service accepts only files and folders\n\
         left out link: it is a symbolic link, and the service accepts only files and folders\n\
         packed 6 files (31 B) into {}\n",
            bytes(archive.len() as u64)
        )
    );
    second.run(&["pack", "certs", "-o", "other.tgz", "--quiet"]).await.assert_success();
    assert_eq!(read(&second.path("other.tgz")), archive);
    let output = second.command(&["pack", "certs", "-o", "-"]).await.output().await.unwrap();
    assert_eq!(output.stdout, archive);

    let mut entries = Vec::new();
    archive::check(&archive[..], &archive::ArchiveLimits::FORM, |entry| {
        entries.push((entry.path.to_owned(), entry.size));
    })
    .unwrap();
    let names: Vec<&str> = entries.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names[..5], [".hidden", "bin/", "bin/run", "build/", "ca.pem"]);
    assert!(names.contains(&"empty/") && names.contains(&"sub/tmp/x"), "{names:?}");
    assert!(names.contains(&"übung/日本"), "{names:?}");
    assert!(names.iter().all(|name| !name.contains("git") && !name.contains(".log")), "{names:?}");
}

#[tokio::test]
async fn the_entries_have_a_fixed_owner_time_and_mode() {
    let cli = Cli::offline().env("SOURCE_DATE_EPOCH", "1700000000");
    cli.write("certs/run", "").write("certs/d/file", "");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(cli.path("certs/run"), executable).unwrap();
    cli.run(&["pack", "certs"]).await.assert_success();
    let tar = flate2::read::GzDecoder::new(fs::File::open(cli.path("certs.tar.gz")).unwrap());
    let mut archive = tar::Archive::new(tar);
    let mut headers = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        assert_eq!((owner, header.mtime().unwrap()), ((0, 0), 1_700_000_000));
        headers.push((entry.path().unwrap().into_owned(), header.mode().unwrap()));
    }
    let expected = [("d/", 0o755), ("d/file", 0o644), ("run", 0o755)];
    assert_eq!(headers, expected.map(|(path, mode)| (PathBuf::from(path), mode)));

    let cli = cli.env("SOURCE_DATE_EPOCH", "yesterday");
    let message =
        "error: SOURCE_DATE_EPOCH must be a number of seconds since 1970, but it is yesterday\n";
    cli.run(&["pack", "certs", "-f"]).await.assert_failure(2, message);
}

#[tokio::test]
async fn pack_replaces_a_file_only_with_force_and_packs_no_output() {
    let cli = Cli::offline();
    cli.write("certs/x", "x").write("certs/y.tgz", "precious");
    let run = async |arguments: &[&str]| {
        let output = cli.command(arguments).await.current_dir(cli.path("certs")).output().await;
        (output.as_ref().unwrap().status.code(), String::from_utf8(output.unwrap().stderr).unwrap())
    };
    let exists = "error: y.tgz exists; replace it with --force\n".to_owned();
    assert_eq!(run(&["pack", ".", "-o", "y.tgz"]).await, (Some(2), exists));
    assert_eq!(read(&cli.path("certs/y.tgz")), b"precious");
    let (code, packed) = run(&["pack", ".", "-o", "y.tgz", "--force"]).await;
    assert_eq!(code, Some(0));
    assert!(packed.starts_with("packed 1 file (1 B) into "), "{packed}");
    fs::remove_file(cli.path("certs/y.tgz")).unwrap();
    assert_eq!(run(&["pack", "."]).await.0, Some(0));
    assert_eq!(fs::read_dir(cli.path("certs")).unwrap().count(), 2);
    assert!(cli.path("certs/certs.tar.gz").exists());
}

#[tokio::test]
async fn a_folder_that_the_service_would_refuse_is_not_packed() {
    let cli = Cli::offline();
    cli.write("certs/a", "").write("certs/A", "");
    let output = cli.run(&["pack", "certs"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
    assert!(output.stderr.starts_with("error: certs: entry `a` "), "{output:?}");
    assert_eq!(cli.names(), ["certs"]);

    cli.write("only-links/.customizationignore", "*");
    let output = cli.run(&["pack", "only-links"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(cli.names(), ["certs", "only-links"]);
}

#[tokio::test]
async fn an_interrupted_pack_leaves_nothing() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let cli = Cli::offline();
        // Sparse, so that it takes time to pack and no space.
        cli.write("certs/zeros", "");
        let file = fs::File::options().write(true).open(cli.path("certs/zeros")).unwrap();
        file.set_len(20_000_000_000).unwrap();
        let mut child = cli.command(&["pack", "certs"]).await.spawn().unwrap();
        let started = async {
            while cli.names().len() < 2 {
                sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        timeout(TIMEOUT, started).await.expect("the command starts to pack");
        let pid = Pid::from_raw(child.id().unwrap().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
        let status = timeout(TIMEOUT, child.wait()).await.expect("the command ends").unwrap();
        assert_eq!(status.code(), Some(code));
        assert_eq!(cli.names(), ["certs"]);
    }
}
