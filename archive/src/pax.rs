//! The records of one pax header (IEEE 1003.1, "pax Extended Header"): `"%d %s=%s\n"` of length,
//! key and value.
//!
//! Readers differ most on keys that change what an entry is, or where the next header starts. An
//! allowlist names the accepted keys. All others are refused, except vendor keys that no known
//! reader interprets.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    ops::Range,
};

use memchr::{memchr, memmem};
use percent_encoding::percent_decode;

use crate::{
    error::{EntryError, Escaped},
    header::{MAX_TIME, is_owner_name},
};

/// Fields of the next entry that a pax header overrides.
#[derive(Debug, Default)]
pub(crate) struct PaxOverrides {
    /// Range of the path in the header's data.
    pub(crate) path: Option<Range<usize>>,
    /// Bytes of the entry's data.
    pub(crate) size: Option<u64>,
}

/// The only accepted character set for names, as POSIX spells it.
const UTF_8: &[u8] = b"ISO-IR 10646 2000 UTF-8";

/// Prefixes of extended attributes that grant privileges as setuid does, or that redirect other
/// paths (overlayfs).
const PRIVILEGED_ATTRIBUTES: [&[u8]; 3] =
    [b"security.capability", b"trusted.overlay.", b"user.overlay."];

/// Parses pax headers, one after another.
pub(crate) struct PaxParser {
    max_records: usize,
    /// Hashes of the current header's keys.
    keys: HashSet<u64>,
    /// Randomly keyed, so that a sender cannot prepare keys that collide.
    hasher: RandomState,
}

impl PaxParser {
    pub(crate) fn new(max_records: usize) -> Self {
        Self { max_records, keys: HashSet::new(), hasher: RandomState::new() }
    }

    /// Parses a header that describes the next entry.
    pub(crate) fn parse(&mut self, data: &[u8]) -> Result<PaxOverrides, EntryError> {
        let mut overrides = PaxOverrides::default();
        let mut has_charset = false;
        self.parse_records(data, |key, value, range| {
            let is_valid = match key {
                b"path" => {
                    overrides.path = Some(range);
                    true
                }
                b"size" => {
                    overrides.size = decimal(value);
                    overrides.size.is_some()
                }
                b"uid" | b"gid" => decimal(value).is_some_and(|id| u32::try_from(id).is_ok()),
                b"uname" | b"gname" => is_owner_name(value),
                b"atime" | b"ctime" | b"mtime" | b"LIBARCHIVE.creationtime" => is_time(value),
                b"hdrcharset" => {
                    has_charset = true;
                    value == UTF_8
                }
                _ if is_inert(key) => true,
                _ => return Err(EntryError::PaxKey { key: Escaped::new(key) }),
            };
            if is_valid { Ok(()) } else { Err(EntryError::PaxValue { key: Escaped::new(key) }) }
        })?;
        check_charset_records(data, usize::from(has_charset))?;
        Ok(overrides)
    }

    /// Parses a header that describes all entries after it. It may only hold a comment, which is
    /// what `git archive` writes.
    pub(crate) fn parse_global(&mut self, data: &[u8]) -> Result<(), EntryError> {
        self.parse_records(data, |key, _, _| match key {
            b"comment" => Ok(()),
            // Readers differ on the entries that a global value applies to.
            _ => Err(EntryError::PaxGlobal { key: Escaped::new(key) }),
        })?;
        check_charset_records(data, 0)
    }

    /// Calls `take` with each record: its key, its value, and the value's range in `data`.
    fn parse_records(
        &mut self,
        data: &[u8],
        mut take: impl FnMut(&[u8], &[u8], Range<usize>) -> Result<(), EntryError>,
    ) -> Result<(), EntryError> {
        self.keys.clear();
        let mut rest = data;
        while !rest.is_empty() {
            let (key, value, after) = split_record(rest).ok_or(EntryError::PaxMalformed)?;
            // Some readers use the first of two records with one key, others the last.
            if !self.keys.insert(self.hasher.hash_one(key)) {
                return Err(EntryError::PaxDuplicate { key: Escaped::new(key) });
            }
            if self.keys.len() > self.max_records {
                return Err(EntryError::PaxRecords { limit: self.max_records });
            }
            // A newline stands between the value and the next record.
            let end = data.len() - after.len() - 1;
            take(key, value, end - value.len()..end)?;
            rest = after;
        }
        // bsdtar fails at an empty header.
        if self.keys.is_empty() { Err(EntryError::PaxMalformed) } else { Ok(()) }
    }
}

/// Splits the data into the first record's key, its value, and the records after it.
fn split_record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, _) = data.split_at_checked(memchr(b' ', data.get(..data.len().min(8))?)?)?;
    let (record, after) = data.split_at_checked(decimal(length)?.try_into().ok()?)?;
    let record = record.strip_prefix(length)?.strip_prefix(b" ")?.strip_suffix(b"\n")?;
    let (key, value) = record.split_at_checked(memchr(b'=', record)?)?;
    let value = value.strip_prefix(b"=")?;
    let is_key_valid = std::str::from_utf8(key)
        .is_ok_and(|key| !key.is_empty() && !key.contains(char::is_control));
    is_key_valid.then_some((key, value, after))
}

/// Checks that the text of an `hdrcharset` record occurs as often as there are such records.
///
/// `tarfile` searches the whole header for this text. It also finds a "record" inside another
/// record's value, and then decodes the names in that character set.
fn check_charset_records(data: &[u8], records: usize) -> Result<(), EntryError> {
    if memmem::find_iter(data, b" hdrcharset=").count() == records {
        Ok(())
    } else {
        Err(EntryError::PaxCharset)
    }
}

/// Returns true if no reader changes an entry's path, size or type because of this key.
fn is_inert(key: &[u8]) -> bool {
    if let Some(key) = key.strip_prefix(b"SCHILY.") {
        return match key.strip_prefix(b"xattr.") {
            Some(attribute) => !is_privileged(&attribute.iter().copied()),
            None => matches!(
                key,
                b"acl.access"
                    | b"acl.default"
                    | b"acl.ace"
                    | b"dev"
                    | b"devmajor"
                    | b"devminor"
                    | b"fflags"
                    | b"ino"
                    | b"nlink"
            ),
        };
    }
    if let Some(key) = key.strip_prefix(b"LIBARCHIVE.") {
        return match key.strip_prefix(b"xattr.") {
            Some(attribute) => !is_privileged(&percent_decode(attribute)),
            None => key == b"symlinktype",
        };
    }
    // GNU.sparse.*, GNU.volume.*, GNU.dumpdir and SUN.holesdata change the size or the type.
    let is_known_vendor = key.starts_with(b"GNU.") || key.starts_with(b"SUN.");
    let is_vendor_key = key.first().is_some_and(u8::is_ascii_uppercase) && key.contains(&b'.');
    key == b"comment" || key == b"charset" || (is_vendor_key && !is_known_vendor)
}

fn is_privileged(attribute: &(impl Iterator<Item = u8> + Clone)) -> bool {
    PRIVILEGED_ATTRIBUTES
        .iter()
        .any(|prefix| attribute.clone().take(prefix.len()).eq(prefix.iter().copied()))
}

/// Parses a decimal number without leading zeros, as POSIX writes it.
fn decimal(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] => text.iter().try_fold(0_u64, |value, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            value.checked_mul(10)?.checked_add(digit)
        }),
        _ => None,
    }
}

/// Returns true for seconds since 1970, with an optional minus sign and fraction.
///
/// Python's `float`, which `tarfile` uses, also accepts `1e9`, `nan`, `inf` and `1_0`.
fn is_time(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (seconds, fraction) = match memchr(b'.', text) {
        Some(point) => (text.get(..point), text.get(point + 1..)),
        None => (Some(text), None),
    };
    let is_fraction =
        |fraction: &[u8]| !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit);
    seconds.and_then(decimal).is_some_and(|seconds| seconds <= MAX_TIME)
        && fraction.is_none_or(is_fraction)
}
