//! Target of the archive check. An input is a tar, which is compressed first, or an archive in gzip
//! format.
#![no_main]

use std::io::{BufRead, BufReader};

use archive::{ArchiveError, ArchiveLimits, EntryKind};
use archive_fuzz::{
    assert_safe_to_print,
    input::{mutate, to_archive},
    listing::{ListedEntry, list_with_tar_crate},
    models::Model,
    with_memory_limit,
};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// Bytes of memory for one check. The buffer and the decompressor take 0.4 MB. A tar of 16 KiB has
/// about 5,000 paths of 17 bytes in a hash table that doubles by copying.
const MEMORY_LIMIT: usize = 1024 * 1024;

/// Limits that small inputs reach.
const SMALL: ArchiveLimits = ArchiveLimits {
    unpacked_bytes: 16 * 1024,
    entries: 3,
    path_bytes: 64,
    metadata_bytes: 128,
    pax_records: 2,
    distinct_paths: 8,
    normalized_bytes: 64,
};

fuzz_target!(|input: &[u8]| {
    let archive = to_archive(input);
    let result =
        with_memory_limit(MEMORY_LIMIT, || archive::check(&*archive, &ArchiveLimits::FORM, |_| ()));
    let whole = list(&*archive, &ArchiveLimits::FORM);
    let pieces = BufReader::with_capacity(1 + input.len() % 613, &*archive);
    let in_pieces = list(pieces, &ArchiveLimits::FORM);
    assert_eq!(messages(&whole), messages(&in_pieces), "the result depends on the pieces");
    assert_eq!(result.is_ok(), whole.is_ok());

    if let Ok(small) = list(&*archive, &SMALL) {
        assert_eq!(Some(&small), whole.as_ref().ok(), "smaller limits accept more");
        assert!(small.len() <= SMALL.entries);
    }
    match whole {
        Ok(entries) => assert_safe(&archive, &entries),
        Err(error) => assert_safe_to_print(&error.to_string(), 400),
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});

fn list(archive: impl BufRead, limits: &ArchiveLimits) -> Result<Vec<ListedEntry>, ArchiveError> {
    let mut entries = Vec::new();
    archive::check(archive, limits, |entry| entries.push(entry.into()))?;
    Ok(entries)
}

/// Replaces an error by its message, which can be compared.
fn messages(result: &Result<Vec<ListedEntry>, ArchiveError>) -> Result<&[ListedEntry], String> {
    result.as_deref().map_err(ToString::to_string)
}

/// Asserts the guarantees of an accepted archive.
fn assert_safe(archive: &[u8], entries: &[ListedEntry]) {
    let by_tar_crate = list_with_tar_crate(archive).expect("the crate `tar` reads the archive");
    assert_eq!(entries, by_tar_crate, "one file, two views");
    for model in Model::ALL {
        let by_model = model.list(archive).expect("the model reads the archive");
        assert_eq!(entries, by_model, "one file, two views: {model:?}");
    }

    assert!(entries.iter().any(|entry| entry.kind == EntryKind::File), "no file");
    for ListedEntry { path, .. } in entries {
        assert!((1..=ArchiveLimits::FORM.path_bytes).contains(&path.len()), "{path:?}");
        assert!(!path.starts_with('/') && !path.contains('\\'), "{path:?}");
        assert!(path.split('/').all(|component| component != ".."), "{path:?}");
        assert_safe_to_print(path, ArchiveLimits::FORM.path_bytes);
    }
    let normalize = |path: &str| {
        let components = path.split('/').filter(|component| !matches!(*component, "" | "."));
        components.collect::<Vec<_>>().join("/").to_lowercase()
    };
    let mut paths: Vec<_> = entries.iter().map(|entry| normalize(&entry.path)).collect();
    paths.sort_unstable();
    assert!(paths.array_windows().all(|[one, next]| one != next), "two entries with one path");
}
