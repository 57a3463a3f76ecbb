//! Where each limit lies: the last archive that passes, and the first that does not.

use std::io::{self, BufReader, Read};

use archive::Limits;
use archive_builder::{BLOCK, Field, Tarball, pax_record};
use flate2::Compression;
use flate2::bufread::GzEncoder;

/// The last archive that passes a limit, and the first that does not.
pub(super) struct Boundary {
    pub(super) what: &'static str,
    pub(super) limits: Limits,
    pub(super) passes: Vec<u8>,
    pub(super) fails: Vec<u8>,
    pub(super) message: String,
}

pub(super) fn of(limits: Limits) -> Vec<Boundary> {
    let boundary = |what, passes, fails, message| Boundary { what, limits, passes, fails, message };
    let entry = |path: &str, rule: String| format!("entry `{}` {rule}", shown(path));
    let path = |length| "n".repeat(length);
    let named = |length| Tarball::new().file(&path(length), b"").gzip();
    let metadata = |length| Tarball::new().pax_bytes(&comment(length)).file("name", b"").gzip();
    let records = |count| Tarball::new().pax_bytes(&vendor_records(count)).file("name", b"").gzip();
    let all = |paths: &[String]| {
        paths.iter().fold(Tarball::new(), |tarball, path| tarball.file(path, b"")).gzip()
    };
    let numbered = |count| (0..count).map(|number| format!("{number}")).collect::<Vec<_>>();
    let last = |paths: Vec<String>| paths.last().cloned().unwrap();
    vec![
        boundary(
            "unpacked size",
            unpacking_to(limits.unpacked),
            unpacking_to(limits.unpacked + BLOCK as u64),
            format!("the archive unpacks to more than {} bytes", limits.unpacked),
        ),
        boundary(
            "entries",
            all(&numbered(limits.entries)),
            all(&numbered(limits.entries + 1)),
            format!("the archive holds more than {} entries", limits.entries),
        ),
        boundary(
            "path",
            named(limits.path),
            named(limits.path + 1),
            entry(&path(limits.path + 1), format!("has a path of more than {} bytes", limits.path)),
        ),
        boundary(
            "metadata",
            metadata(limits.metadata),
            metadata(limits.metadata + 1),
            format!(
                "entry number 1 has a pax header or long name of more than {} bytes",
                limits.metadata
            ),
        ),
        boundary(
            "records",
            records(limits.records),
            records(limits.records + 1),
            format!("entry number 1 has a pax header of more than {} records", limits.records),
        ),
        boundary(
            "names",
            all(&through(limits.names)),
            all(&through(limits.names + 1)),
            entry(
                &last(through(limits.names + 1)),
                format!(
                    "brings the archive to more than {} different paths, directories counted",
                    limits.names
                ),
            ),
        ),
        boundary(
            "unfolded",
            all(&unfolding_to(limits.unfolded, limits)),
            all(&unfolding_to(limits.unfolded + 1, limits)),
            entry(
                &last(unfolding_to(limits.unfolded + 1, limits)),
                format!(
                    "brings the archive's paths to more than {} bytes outside ASCII",
                    limits.unfolded
                ),
            ),
        ),
    ]
}

/// As a message shows a path.
fn shown(path: &str) -> String {
    if path.chars().count() > 100 {
        path.chars().take(100).chain(['…']).collect()
    } else {
        path.to_owned()
    }
}

/// An archive with a file of zeros that makes its tar this long, never held in memory whole.
fn unpacking_to(length: u64) -> Vec<u8> {
    let size = length - 3 * BLOCK as u64;
    let header = Tarball::new()
        .file("zeros", b"")
        .set(Field::SIZE, format!("{size:011o}").as_bytes())
        .unended();
    let tar = header.chain(io::repeat(0).take(length - BLOCK as u64));
    let mut archive = Vec::new();
    GzEncoder::new(BufReader::new(tar), Compression::fast()).read_to_end(&mut archive).unwrap();
    archive
}

/// A comment that makes its pax header this long.
fn comment(length: usize) -> Vec<u8> {
    (0..length)
        .map(|value| pax_record(b"comment", &vec![b'x'; value]))
        .find(|record| record.len() == length)
        .unwrap()
}

fn vendor_records(count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| pax_record(format!("V.{number}").as_bytes(), b"")).collect()
}

/// Paths that, with the directories that they lead through, are this many.
fn through(names: usize) -> Vec<String> {
    const DEEP: usize = 500;
    (0..names.div_ceil(DEEP))
        .map(|number| format!("{number}{}", "/a".repeat(DEEP.min(names - number * DEEP) - 1)))
        .collect()
}

/// Paths outside ASCII that, unfolded, are together this long: each as long as it was, since `ß`
/// unfolds to `ss`.
fn unfolding_to(length: usize, limits: Limits) -> Vec<String> {
    let longest = limits.path - 4;
    (0..length.div_ceil(longest))
        .map(|number| {
            let start = format!("ß{number}");
            let length = longest.min(length - number * longest);
            format!("{start}{}", "x".repeat(length - start.len()))
        })
        .collect()
}
