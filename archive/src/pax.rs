//! The records of one pax header (IEEE 1003.1, "pax Extended Header"): `"%d %s=%s\n"` of length,
//! key and value.
//!
//! Keys that change what an entry is, or where the next one starts, are where readers differ most.
//! So those accepted are named here and all others refused, but for vendors' own keys that none of
//! the readers knows.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use memchr::{memchr, memmem};
use percent_encoding::percent_decode;

use crate::error::{Rule, Shown};
use crate::header::{LAST_TIME, is_owner};

/// What a pax header says that bears on the view of the entry after it.
#[derive(Debug, Default)]
pub(crate) struct Extended {
    /// Where in the header's data the entry's path is.
    pub(crate) path: Option<Range<usize>>,
    /// Bytes of the entry's data.
    pub(crate) size: Option<u64>,
}

/// The one character set for names, as POSIX spells it.
const UTF_8: &[u8] = b"ISO-IR 10646 2000 UTF-8";

/// File attributes that grant powers as setuid does, or that redirect what other names lead to.
const POWERS: [&[u8]; 3] = [b"security.capability", b"trusted.overlay.", b"user.overlay."];

/// Reads pax headers, one after the other.
pub(crate) struct Reader {
    limit: usize,
    /// Hashes of the keys of the header at hand.
    keys: HashSet<u64>,
    hasher: RandomState,
}

impl Reader {
    /// A reader that refuses headers of more than `limit` records.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, keys: HashSet::new(), hasher: RandomState::new() }
    }

    /// Reads a header that speaks of the entry after it.
    pub(crate) fn extended(&mut self, data: &[u8]) -> Result<Extended, Rule> {
        let mut extended = Extended::default();
        let mut charset = false;
        self.records(data, |key, value, at| {
            let sound = match key {
                b"path" => {
                    extended.path = Some(at);
                    true
                }
                b"size" => {
                    extended.size = decimal(value);
                    extended.size.is_some()
                }
                b"uid" | b"gid" => decimal(value).is_some_and(|id| u32::try_from(id).is_ok()),
                b"uname" | b"gname" => is_owner(value),
                b"atime" | b"ctime" | b"mtime" | b"LIBARCHIVE.creationtime" => is_time(value),
                b"hdrcharset" => {
                    charset = true;
                    value == UTF_8
                }
                _ if is_inert(key) => true,
                _ => return Err(Rule::PaxKey { key: Shown::new(key) }),
            };
            if sound { Ok(()) } else { Err(Rule::PaxValue { key: Shown::new(key) }) }
        })?;
        check_charset(data, charset)?;
        Ok(extended)
    }

    /// Reads a header that speaks of all entries after it: only what `git archive` writes, a
    /// comment.
    pub(crate) fn global(&mut self, data: &[u8]) -> Result<(), Rule> {
        self.records(data, |key, _, _| match key {
            b"comment" => Ok(()),
            _ => Err(Rule::GlobalKey { key: Shown::new(key) }),
        })?;
        check_charset(data, false)
    }

    /// Shows each record to `take`: its key, its value, and where in `data` the value is.
    fn records(
        &mut self,
        data: &[u8],
        mut take: impl FnMut(&[u8], &[u8], Range<usize>) -> Result<(), Rule>,
    ) -> Result<(), Rule> {
        self.keys.clear();
        let mut rest = data;
        while !rest.is_empty() {
            let (key, value, after) = split_record(rest).ok_or(Rule::PaxMalformed)?;
            if !self.keys.insert(self.hasher.hash_one(key)) {
                return Err(Rule::PaxDoubled { key: Shown::new(key) });
            }
            if self.keys.len() > self.limit {
                return Err(Rule::PaxRecords { limit: self.limit });
            }
            // The value ends where the newline before the next record stands.
            let end = data.len() - after.len() - 1;
            take(key, value, end - value.len()..end)?;
            rest = after;
        }
        // An empty header is where bsdtar stops with an error.
        if self.keys.is_empty() { Err(Rule::PaxMalformed) } else { Ok(()) }
    }
}

/// The first record's key and value, and the records after it.
fn split_record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, _) = data.split_at_checked(memchr(b' ', data.get(..data.len().min(8))?)?)?;
    let (record, after) = data.split_at_checked(decimal(length)?.try_into().ok()?)?;
    let record = record.strip_prefix(length)?.strip_prefix(b" ")?.strip_suffix(b"\n")?;
    let (key, value) = record.split_at_checked(memchr(b'=', record)?)?;
    let value = value.strip_prefix(b"=")?;
    let named = std::str::from_utf8(key)
        .is_ok_and(|key| !key.is_empty() && !key.contains(char::is_control));
    named.then_some((key, value, after))
}

/// `tarfile` takes the character set from whatever looks like its record, be it inside another
/// record's value.
fn check_charset(data: &[u8], own: bool) -> Result<(), Rule> {
    if memmem::find_iter(data, b" hdrcharset=").count() == usize::from(own) {
        Ok(())
    } else {
        Err(Rule::PaxCharset)
    }
}

/// Whether a key leaves an entry's name, size and type alone in every reader.
fn is_inert(key: &[u8]) -> bool {
    if let Some(key) = key.strip_prefix(b"SCHILY.") {
        return match key.strip_prefix(b"xattr.") {
            Some(attribute) => !grants(&attribute.iter().copied()),
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
            Some(attribute) => !grants(&percent_decode(attribute)),
            None => key == b"symlinktype",
        };
    }
    // GNU.sparse.*, GNU.volume.*, GNU.dumpdir; SUN.holesdata.
    let foreign = !key.starts_with(b"GNU.") && !key.starts_with(b"SUN.");
    let vendor = key.first().is_some_and(u8::is_ascii_uppercase) && key.contains(&b'.');
    key == b"comment" || key == b"charset" || (foreign && vendor)
}

fn grants(attribute: &(impl Iterator<Item = u8> + Clone)) -> bool {
    POWERS.iter().any(|power| attribute.clone().take(power.len()).eq(power.iter().copied()))
}

/// A number as POSIX writes it, without a zero in front.
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

/// Seconds since 1970, maybe negative, maybe with a fraction; none of what else Python's `float`
/// takes.
fn is_time(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (seconds, fraction) = match memchr(b'.', text) {
        Some(point) => (text.get(..point), text.get(point + 1..)),
        None => (Some(text), None),
    };
    let sound = |fraction: &[u8]| !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit);
    seconds.and_then(decimal).is_some_and(|seconds| seconds <= LAST_TIME)
        && fraction.is_none_or(sound)
}
