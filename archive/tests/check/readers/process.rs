//! Readers that run in a process of their own.
//!
//! The protocol of the drivers: a line with a path goes in. Out come a line
//! `entry KIND SIZE PATH-IN-HEX` for each entry (or the line of a long listing), and a line
//! `end listed` or `end refused REASON`.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use archive::EntryKind;

use super::{ListedEntry, Listing, Reader, driver, without_trailing_slashes};
use crate::tools;

pub(super) struct Process {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    parse: fn(&str) -> Option<ListedEntry>,
    /// Kept, so that the process ends with the tests.
    _child: Child,
}

impl Process {
    /// Starts the reader, or returns none if it is not installed.
    pub(super) fn start(reader: Reader) -> Option<Self> {
        let (tools, mut command, parse): (&[_], _, fn(&_) -> _) = match reader {
            Reader::GnuTar => (&["tar"], gnu_tar("-tvzf"), parse_gnu_tar),
            Reader::GnuTarWithoutZ => (&["tar"], gnu_tar("-tvf"), parse_gnu_tar),
            Reader::Bsdtar => {
                (&["bsdtar"], shell(&["bsdtar", "--numeric-owner", "-tvf"]), parse_bsdtar)
            }
            Reader::Busybox => (&["busybox"], shell(&["busybox", "tar", "-tvzf"]), parse_gnu_tar),
            Reader::BusyboxWithoutZ => {
                (&["busybox"], shell(&["busybox", "tar", "-tvf"]), parse_gnu_tar)
            }
            Reader::Tarfile => (&["python3"], script("python3", "list.py"), parse_entry),
            Reader::NodeTar => (&["node", "npm"], script("node", "list.cjs"), parse_entry),
            Reader::Go if tools::is_installed("go") => {
                (&[], Command::new(build_go("readers/list.go")), parse_entry)
            }
            Reader::Perl => (&["perl"], script("perl", "list.pl"), parse_entry),
            Reader::Go | Reader::TarCrate => return None,
        };
        if !tools.iter().all(|tool| tools::is_installed(tool)) {
            return None;
        }
        let child = command
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("PYTHONUTF8", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Some(Self { stdin, stdout, parse, _child: child })
    }

    pub(super) fn list(&mut self, file: &Path) -> Listing {
        writeln!(self.stdin, "{}", file.display()).unwrap();
        let mut listing = Listing::default();
        loop {
            let mut line = Vec::new();
            let length = self.stdout.read_until(b'\n', &mut line).unwrap();
            assert!(length > 0, "the reader has ended");
            let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
            if line == "end listed" {
                return listing;
            } else if let Some(refusal) = line.strip_prefix("end refused ") {
                listing.refusal = Some(refusal.to_owned());
                return listing;
            }
            // A line that cannot be parsed is another view.
            listing.entries.push((self.parse)(&line).unwrap_or_else(|| ListedEntry {
                path: format!("(the line {line:?})"),
                size: 0,
                kind: None,
            }));
        }
    }
}

fn script(program: &str, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(driver(name));
    command
}

fn shell(arguments: &[&str]) -> Command {
    let mut command = script("sh", "list.sh");
    command.args(arguments);
    command
}

fn gnu_tar(operation: &str) -> Command {
    let options = ["--numeric-owner", "--quoting-style=literal", "--show-stored-names", operation];
    shell(&[&["tar"][..], &options].concat())
}

/// Compiles a program in Go, given relative to the folder of the tests, and returns its path.
pub(crate) fn build_go(source: &str) -> PathBuf {
    static BUILDS: Mutex<()> = Mutex::new(());
    let _build = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(source);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = directory.join("go").join(source.file_stem().unwrap());
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(source)
        .env("GO111MODULE", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOCACHE", env::var_os("GOCACHE").unwrap_or(directory.join("go-cache").into()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    program
}

fn parse_entry(line: &str) -> Option<ListedEntry> {
    let [_, kind, size, hex] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let kind = match kind {
        "file" => Some(EntryKind::File),
        "directory" => Some(EntryKind::Directory),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect();
    let path = without_trailing_slashes(&String::from_utf8_lossy(&bytes?));
    Some(ListedEntry { path, size: size.parse().ok()?, kind })
}

/// Parses a line of `PERMISSIONS OWNER SIZE DATE TIME PATH`. An owner's name may have blanks, so the
/// date is searched.
fn parse_gnu_tar(line: &str) -> Option<ListedEntry> {
    let is_date = |word: &str| {
        let parts: Vec<_> = word.trim_start_matches('-').split('-').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        parts.len() == 3 && parts.iter().all(is_number)
    };
    let is_time = |word: &str| word.len() >= 5 && word.split(':').count() >= 2;
    let words: Vec<_> = line.split(' ').collect();
    let date = (1..words.len().saturating_sub(2))
        .find(|at| is_date(words[*at]) && is_time(words[at + 1]))?;
    long_entry(line, words[date - 1], &words[date + 2..].join(" "))
}

/// Parses a line of `PERMISSIONS LINKS USER GROUP SIZE MONTH DAY YEAR-OR-TIME PATH`.
fn parse_bsdtar(line: &str) -> Option<ListedEntry> {
    let mut rest = line;
    let mut words = Vec::new();
    for _ in 0..8 {
        let (word, after) = rest.trim_start().split_once(' ')?;
        words.push(word);
        rest = after;
    }
    long_entry(line, words[4], &unescape_octal(rest))
}

fn long_entry(line: &str, size: &str, path: &str) -> Option<ListedEntry> {
    let kind = match line.chars().next()? {
        '-' => Some(EntryKind::File),
        'd' => Some(EntryKind::Directory),
        _ => None,
    };
    Some(ListedEntry { path: without_trailing_slashes(path), size: size.parse().ok()?, kind })
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
