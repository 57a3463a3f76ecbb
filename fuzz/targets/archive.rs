//! The archive pass: an input is a tar that is put into gzip, or an archive as it is.
#![no_main]

use std::io::{BufRead, BufReader};

use archive::{Fault, Limits, check, walk};
use fuzz::archives::{Listed, archive as gzipped, listed_by_tar, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// Bytes of memory that one pass may take: the buffer and the inflater have 0.4 MB, and 16 KiB of
/// tar bring about 5,000 names of 17 bytes into a table that doubles by copying.
const MEMORY: usize = 1024 * 1024;

/// So small that inputs reach them.
const SMALL: Limits = Limits {
    unpacked: 16 * 1024,
    entries: 3,
    path: 64,
    metadata: 128,
    records: 2,
    names: 8,
    unfolded: 64,
};

fuzz_target!(|input: &[u8]| {
    let archive = gzipped(input);
    let verdict = fuzz::within(MEMORY, || check(&archive, &Limits::PRODUCTION));
    let whole = list(&*archive, &Limits::PRODUCTION);
    let pieces = BufReader::with_capacity(1 + input.len() % 613, &*archive);
    let in_pieces = list(pieces, &Limits::PRODUCTION);
    assert_eq!(told(&whole), told(&in_pieces), "the verdict depends on how the bytes come");
    assert_eq!(verdict.is_ok(), whole.is_ok());

    if let Ok(small) = list(&*archive, &SMALL) {
        assert_eq!(Some(&small), whole.as_ref().ok(), "smaller limits let more pass");
        assert!(small.len() <= SMALL.entries);
    }
    match whole {
        Ok(listed) => assert_sound(&archive, &listed),
        Err(fault) => fuzz::assert_shown_safely(&fault.to_string(), 400),
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});

fn list(archive: impl BufRead, limits: &Limits) -> Result<Vec<Listed>, Fault> {
    let mut listed = Vec::new();
    walk(archive, limits, |entry| listed.push(entry.into()))?;
    Ok(listed)
}

/// What the client is told.
fn told(verdict: &Result<Vec<Listed>, Fault>) -> Result<&[Listed], String> {
    verdict.as_deref().map_err(ToString::to_string)
}

/// What must hold of whatever is accepted.
fn assert_sound(archive: &[u8], listed: &[Listed]) {
    let of_tar = listed_by_tar(archive).expect("the crate `tar` reads what is accepted");
    assert_eq!(listed, of_tar, "one file, two views");

    assert!(listed.iter().any(|entry| !entry.directory), "no file");
    for Listed { path, .. } in listed {
        assert!((1..=Limits::PRODUCTION.path).contains(&path.len()), "{path:?}");
        assert!(!path.starts_with('/') && !path.contains('\\'), "{path:?}");
        assert!(path.split('/').all(|component| component != ".."), "{path:?}");
        fuzz::assert_shown_safely(path, Limits::PRODUCTION.path);
    }
    let spelled = |path: &str| {
        let components = path.split('/').filter(|component| !matches!(*component, "" | "."));
        components.collect::<Vec<_>>().join("/").to_lowercase()
    };
    let mut paths: Vec<_> = listed.iter().map(|entry| spelled(&entry.path)).collect();
    paths.sort_unstable();
    assert!(paths.array_windows().all(|[one, next]| one != next), "two entries of one name");
}
