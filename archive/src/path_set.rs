//! The rules for all paths of an archive together: no two entries may have the same path on any
//! file system.
//!
//! The file systems of macOS and Windows ignore case. Some of them also ignore the Unicode
//! normalization form. There, a second entry with an equivalent path replaces the first one
//! (CVE-2026-23950).

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
};

use crate::{ArchiveLimits, EntryKind, error::EntryError, unicode::push_normalized};

/// All paths seen so far, including parent directories.
pub(crate) struct PathSet<'a> {
    limits: &'a ArchiveLimits,
    /// Keyed by the hash of the normalized path.
    known: HashMap<u64, KnownPath>,
    /// The hasher has a random key, so that a sender cannot prepare paths with equal hashes.
    hasher: RandomState,
    has_root: bool,
    /// Total bytes of non-ASCII components after normalization.
    normalized_bytes: usize,
    current: CurrentPath,
}

struct KnownPath {
    /// Hash of the path as it is spelled. 32 bits suffice to tell apart two spellings of one
    /// normalized path.
    spelling: u32,
    kind: KnownKind,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum KnownKind {
    File,
    Directory,
    /// Parent directory of another entry, without an entry of its own so far.
    ImpliedDirectory,
}

/// The path that is being inserted. In `normalized` and in `spelled`, there is a slash before each
/// component.
#[derive(Default)]
struct CurrentPath {
    normalized: String,
    spelled: String,
    /// The lengths of `normalized` and `spelled` after each component.
    ends: Vec<(usize, usize)>,
}

impl<'a> PathSet<'a> {
    pub(crate) fn new(limits: &'a ArchiveLimits) -> Self {
        Self {
            limits,
            known: HashMap::new(),
            hasher: RandomState::new(),
            has_root: false,
            normalized_bytes: 0,
            current: CurrentPath::default(),
        }
    }

    /// Inserts an entry's path and its parent directories.
    pub(crate) fn insert(&mut self, path: &str, kind: EntryKind) -> Result<(), EntryError> {
        self.normalize(path)?;
        let Some((hash, spelling)) = self.pop_component() else {
            let had_root = std::mem::replace(&mut self.has_root, true);
            return if had_root { Err(EntryError::PathDuplicate) } else { Ok(()) };
        };
        self.insert_entry(hash, spelling, kind)?;
        while let Some((hash, spelling)) = self.pop_component() {
            // A known parent's ancestors are known too, so the loop can stop.
            if self.insert_parent(hash, spelling)? {
                break;
            }
        }
        if self.known.len() > self.limits.distinct_paths {
            return Err(EntryError::DistinctPaths { limit: self.limits.distinct_paths });
        }
        Ok(())
    }

    fn insert_entry(
        &mut self,
        hash: u64,
        spelling: u32,
        kind: EntryKind,
    ) -> Result<(), EntryError> {
        let known_kind = match kind {
            EntryKind::File => KnownKind::File,
            EntryKind::Directory => KnownKind::Directory,
        };
        match self.known.entry(hash) {
            Entry::Vacant(vacant) => {
                vacant.insert(KnownPath { spelling, kind: known_kind });
                Ok(())
            }
            Entry::Occupied(known) if known.get().spelling != spelling => {
                Err(EntryError::PathCollision)
            }
            Entry::Occupied(mut known) => match (known.get().kind, kind) {
                (KnownKind::ImpliedDirectory, EntryKind::Directory) => {
                    known.get_mut().kind = KnownKind::Directory;
                    Ok(())
                }
                (KnownKind::ImpliedDirectory, EntryKind::File) => Err(EntryError::FileIsParent),
                (KnownKind::File | KnownKind::Directory, _) => Err(EntryError::PathDuplicate),
            },
        }
    }

    /// Inserts a parent directory. Returns true if it was known.
    fn insert_parent(&mut self, hash: u64, spelling: u32) -> Result<bool, EntryError> {
        match self.known.entry(hash) {
            Entry::Vacant(vacant) => {
                vacant.insert(KnownPath { spelling, kind: KnownKind::ImpliedDirectory });
                Ok(false)
            }
            Entry::Occupied(known) if known.get().kind == KnownKind::File => {
                Err(EntryError::InsideFile)
            }
            Entry::Occupied(known) if known.get().spelling != spelling => {
                Err(EntryError::ParentCollision)
            }
            Entry::Occupied(_) => Ok(true),
        }
    }

    /// Returns the hashes of the current path's normalized and spelled forms. Then removes its last
    /// component.
    fn pop_component(&mut self) -> Option<(u64, u32)> {
        let (normalized, spelled) = self.current.ends.pop()?;
        let hash = self.hasher.hash_one(self.current.normalized.get(..normalized)?);
        let spelling = self.hasher.hash_one(self.current.spelled.get(..spelled)?) >> 32;
        Some((hash, u32::try_from(spelling).ok()?))
    }

    /// Makes `path` the current path.
    fn normalize(&mut self, path: &str) -> Result<(), EntryError> {
        self.current.normalized.clear();
        self.current.spelled.clear();
        self.current.ends.clear();
        for component in path.split('/').filter(|component| !matches!(*component, "" | ".")) {
            self.current.spelled.push('/');
            self.current.spelled.push_str(component);
            self.current.normalized.push('/');
            self.normalize_component(component)?;
            self.current.ends.push((self.current.normalized.len(), self.current.spelled.len()));
        }
        Ok(())
    }

    fn normalize_component(&mut self, component: &str) -> Result<(), EntryError> {
        let normalized = &mut self.current.normalized;
        let start = normalized.len();
        push_normalized(component, normalized);
        if component.is_ascii() {
            return Ok(());
        }
        let component = normalized.get(start..).unwrap_or_default();
        self.normalized_bytes += component.len();
        if self.normalized_bytes > self.limits.normalized_bytes {
            return Err(EntryError::NormalizedBytes { limit: self.limits.normalized_bytes });
        }
        // Normalization can create a path traversal: U+FF0F becomes a slash, and U+2025 becomes two
        // dots.
        if component.contains(['/', '\\']) || matches!(component, "" | "." | "..") {
            return Err(EntryError::PathNormalized);
        }
        Ok(())
    }
}
