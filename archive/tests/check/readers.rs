//! How GNU tar, bsdtar and Python's `tarfile` list archives.

use std::collections::HashMap;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use archive::{Kind, Limits};

/// What every reader has to see in the same way: path (without slashes at its end), size and kind,
/// in order.
pub(super) type Listing = Vec<(String, u64, Kind)>;

/// What we see ourselves in an archive that we accept.
pub(super) fn ours(archive: &[u8]) -> Result<Listing, archive::Fault> {
    let mut listing = Listing::new();
    archive::walk(archive, &Limits::PRODUCTION, |entry| {
        listing.push((trimmed(entry.path), entry.size, entry.kind));
    })?;
    Ok(listing)
}

/// Whether a tool is there. One that is missing is said to be left out, unless `REQUIRE_TOOLS=1`.
pub(super) fn has_tool(tool: &str) -> bool {
    let found = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    assert!(found || env::var("REQUIRE_TOOLS").as_deref() != Ok("1"), "{tool} is missing");
    if !found {
        println!("left out for want of {tool}");
    }
    found
}

/// The readers that are there.
pub(super) struct Readers {
    gnu: bool,
    bsd: bool,
    python: bool,
    directory: tempfile::TempDir,
}

impl Readers {
    pub(super) fn find() -> Self {
        Self {
            gnu: has_tool("tar"),
            bsd: has_tool("bsdtar"),
            python: has_tool("python3"),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// What is wrong with each archive: a reader that fails on it, or lists something else than we
    /// do.
    pub(super) fn disagreements(&self, archives: &[(String, Vec<u8>)]) -> Vec<String> {
        let files: Vec<PathBuf> = (0..archives.len())
            .map(|number| self.directory.path().join(format!("{number}.tgz")))
            .collect();
        for (file, (_, archive)) in files.iter().zip(archives) {
            std::fs::write(file, archive).unwrap();
        }
        let python = if self.python { python(&files) } else { HashMap::new() };
        let mut disagreements = Vec::new();
        for (file, (name, archive)) in files.iter().zip(archives) {
            let ours = ours(archive).unwrap();
            let mut compare = |reader: &str, listing: Result<Listing, String>| match listing {
                Ok(listing) if listing == ours => {}
                listing => {
                    disagreements.push(format!("{name}: {reader} lists {listing:?}, we {ours:?}"));
                }
            };
            if self.gnu {
                compare("tar", gnu(file));
            }
            if self.bsd {
                compare("bsdtar", bsd(file));
            }
            if let Some(listing) = python.get(file) {
                compare("tarfile", listing.clone());
            }
        }
        disagreements
    }
}

fn gnu(file: &Path) -> Result<Listing, String> {
    let arguments = ["--numeric-owner", "--quoting-style=literal", "--show-stored-names"];
    let output = reader("tar").arg("-tvzf").arg(file).args(arguments).output().unwrap();
    // Permissions, owner, size, date, time.
    listed(&output, 5, 2, str::to_owned)
}

fn bsd(file: &Path) -> Result<Listing, String> {
    let output = reader("bsdtar").arg("-tvf").arg(file).arg("--numeric-owner").output().unwrap();
    // Permissions, links, user, group, size, month, day, year or time.
    listed(&output, 8, 4, unescaped)
}

fn reader(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Reads a long listing: lines of `columns`, the size one of them, and the path.
fn listed(
    output: &Output,
    columns: usize,
    size: usize,
    path: fn(&str) -> String,
) -> Result<Listing, String> {
    let wrong = || format!("{output:?}");
    if !output.status.success() {
        return Err(wrong());
    }
    let lines = str::from_utf8(&output.stdout).map_err(|_| wrong())?.lines();
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
                '-' => Kind::File,
                'd' => Kind::Directory,
                _ => return None,
            };
            Some((trimmed(&path(rest)), words[size].parse().ok()?, kind))
        })
        .collect::<Option<_>>()
        .ok_or_else(wrong)
}

/// Undoes bsdtar's octal escapes.
fn unescaped(path: &str) -> String {
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

/// Lists all files in one process.
fn python(files: &[PathBuf]) -> HashMap<PathBuf, Result<Listing, String>> {
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
    let mut list = child.stdin.take().unwrap();
    for file in files {
        writeln!(list, "{}", file.display()).unwrap();
    }
    drop(list);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut listings = HashMap::new();
    let mut listing: Option<&mut Result<Listing, String>> = None;
    for line in str::from_utf8(&output.stdout).unwrap().lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["archive", file] => {
                listing = Some(listings.entry(PathBuf::from(file)).or_insert(Ok(Listing::new())));
            }
            ["entry", kind, size, path] => {
                if let Some(Ok(listing)) = &mut listing {
                    let kind = if kind == "file" { Kind::File } else { Kind::Directory };
                    listing.push((trimmed(&unhexed(path)), size.parse().unwrap(), kind));
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

fn unhexed(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Python takes slashes off the end of a directory's path.
fn trimmed(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}
