//! The entries that GNU tar, bsdtar and Python's `tarfile` list.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use archive::{ArchiveError, ArchiveLimits, EntryKind};

use crate::tools;

/// Entries in order: path without trailing slashes, size, kind. All readers must list the same.
pub(crate) type Listing = Vec<(String, u64, EntryKind)>;

/// Lists an archive with the check itself.
pub(crate) fn list(archive: &[u8]) -> Result<Listing, ArchiveError> {
    let mut listing = Listing::new();
    archive::check(archive, &ArchiveLimits::FORM, |entry| {
        listing.push((without_trailing_slashes(entry.path), entry.size, entry.kind));
    })?;
    Ok(listing)
}

/// Asserts that every installed reader lists the same entries in each archive as the check does.
/// Each archive has a name for the message.
#[track_caller]
pub(crate) fn assert_readers_agree(archives: &[(String, Vec<u8>)]) {
    const MAX_SHOWN: usize = 20;
    let disagreements = disagreements(archives);
    assert!(
        disagreements.is_empty(),
        "{} disagreements: {}",
        disagreements.len(),
        disagreements[..disagreements.len().min(MAX_SHOWN)].join("\n")
    );
}

fn disagreements(archives: &[(String, Vec<u8>)]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> =
        (0..archives.len()).map(|number| directory.path().join(format!("{number}.tgz"))).collect();
    for (file, (_, archive)) in files.iter().zip(archives) {
        fs::write(file, archive).unwrap();
    }
    let has_gnu_tar = tools::is_installed("tar");
    let has_bsdtar = tools::is_installed("bsdtar");
    let python =
        if tools::is_installed("python3") { list_by_python(&files) } else { HashMap::new() };

    let mut disagreements = Vec::new();
    for (file, (name, archive)) in files.iter().zip(archives) {
        let ours = list(archive).unwrap();
        let mut compare = |reader: &str, listing: Result<Listing, String>| {
            if listing.as_ref() != Ok(&ours) {
                let text = format!("{name}: {reader} lists {listing:?}, the check {ours:?}");
                disagreements.push(text);
            }
        };
        if has_gnu_tar {
            compare("tar", list_by_gnu_tar(file));
        }
        if has_bsdtar {
            compare("bsdtar", list_by_bsdtar(file));
        }
        if let Some(listing) = python.get(file) {
            compare("tarfile", listing.clone());
        }
    }
    disagreements
}

fn list_by_gnu_tar(file: &Path) -> Result<Listing, String> {
    let arguments = ["--numeric-owner", "--quoting-style=literal", "--show-stored-names"];
    let output = reader("tar").arg("-tvzf").arg(file).args(arguments).output().unwrap();
    // Columns: permissions, owner, size, date, time.
    parse_long_listing(&output, 5, 2, str::to_owned)
}

fn list_by_bsdtar(file: &Path) -> Result<Listing, String> {
    let output = reader("bsdtar").arg("-tvf").arg(file).arg("--numeric-owner").output().unwrap();
    // Columns: permissions, links, user, group, size, month, day, year or time.
    parse_long_listing(&output, 8, 4, unescape_octal)
}

fn reader(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Parses lines of `columns`, one of them the size, and the path after them.
fn parse_long_listing(
    output: &Output,
    columns: usize,
    size_column: usize,
    unescape: fn(&str) -> String,
) -> Result<Listing, String> {
    let error = || format!("{output:?}");
    if !output.status.success() {
        return Err(error());
    }
    let lines = str::from_utf8(&output.stdout).map_err(|_| error())?.lines();
    lines
        .map(|line| {
            let mut rest = line;
            let mut words = Vec::new();
            for _ in 0..columns {
                let (word, after) = rest.trim_start().split_once(' ')?;
                words.push(word);
                rest = after;
            }
            let kind = match line.chars().next()? {
                '-' => EntryKind::File,
                'd' => EntryKind::Directory,
                _ => return None,
            };
            let path = without_trailing_slashes(&unescape(rest));
            Some((path, words[size_column].parse().ok()?, kind))
        })
        .collect::<Option<_>>()
        .ok_or_else(error)
}

/// Replaces the octal escape sequences that bsdtar writes.
fn unescape_octal(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [high, middle, low, after @ ..]) => {
                bytes.push((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lists all files with `tarfile`, in one process.
fn list_by_python(files: &[PathBuf]) -> HashMap<PathBuf, Result<Listing, String>> {
    const PROGRAM: &str = "
import sys, tarfile
for file in sys.stdin.read().splitlines():
    print('archive', file)
    try:
        with tarfile.open(file, 'r:gz') as archive:
            for member in archive:
                kind = 'file' if member.isfile() else 'directory' if member.isdir() else 'other'
                print('entry', kind, member.size, member.name.encode('utf-8', 'surrogateescape').hex())
    except Exception as error:
        print('failed', repr(error))
";
    let mut child = Command::new("python3")
        .args(["-X", "utf8", "-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for file in files {
        writeln!(stdin, "{}", file.display()).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    parse_python_listings(str::from_utf8(&output.stdout).unwrap())
}

fn parse_python_listings(output: &str) -> HashMap<PathBuf, Result<Listing, String>> {
    let mut listings = HashMap::new();
    let mut listing: Option<&mut Result<Listing, String>> = None;
    for line in output.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["archive", file] => {
                listing = Some(listings.entry(PathBuf::from(file)).or_insert(Ok(Listing::new())));
            }
            ["entry", kind @ ("file" | "directory"), size, path] => {
                if let Some(Ok(listing)) = &mut listing {
                    let kind = if kind == "file" { EntryKind::File } else { EntryKind::Directory };
                    let path = without_trailing_slashes(&decode_hex(path));
                    listing.push((path, size.parse().unwrap(), kind));
                }
            }
            _ => {
                if let Some(listing) = &mut listing {
                    **listing = Err(line.to_owned());
                }
            }
        }
    }
    listings
}

fn decode_hex(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `tarfile` strips the slashes at the end of a directory's path.
fn without_trailing_slashes(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}
