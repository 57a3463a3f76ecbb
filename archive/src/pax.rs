//! The records of one pax header (IEEE 1003.1, "pax Extended Header"): `"%d %s=%s\n"` of length,
//! key and value.
//!
//! Readers differ most on keys that change what an entry is, or where the next header starts. Other
//! keys give an unpacked file powers: attributes, access control lists and flags. An allowlist
//! names the accepted keys ([`PaxKey::of`]). All others are refused, except vendor keys that no
//! known reader interprets.
//!
//! node-tar and the crate `tar` split a header at its newlines, not by the lengths of its records.
//! They must not find a record inside a value ([`check_lines`]).

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
        let mut has_empty_line = false;
        self.parse_records(data, |key, value, range| {
            let pax_key = PaxKey::of(key, value).map_err(|reason| reason.error(key))?;
            let is_valid = match pax_key {
                // node-tar 6 takes the path for a number, skips the entry, and takes its data for
                // headers.
                PaxKey::Path if value.iter().all(u8::is_ascii_digit) => {
                    return Err(EntryError::PaxNumericPath);
                }
                PaxKey::Path => {
                    overrides.path = Some(range);
                    true
                }
                PaxKey::Size => {
                    overrides.size = decimal(value);
                    overrides.size.is_some()
                }
                PaxKey::Id => decimal(value).is_some_and(|id| u32::try_from(id).is_ok()),
                PaxKey::Number => decimal(value.strip_prefix(b"-").unwrap_or(value)).is_some(),
                PaxKey::OwnerName => is_owner_name(value),
                PaxKey::Time => is_time(value),
                PaxKey::NameCharset => {
                    has_charset = true;
                    value == UTF_8
                }
                PaxKey::Text | PaxKey::Binary => true,
            };
            if !is_valid {
                return Err(EntryError::PaxValue { key: Escaped::new(key) });
            }
            // The crate `tar` ends at an empty line, and does not see these records after it.
            let is_lost = has_empty_line && matches!(pax_key, PaxKey::Path | PaxKey::Size);
            has_empty_line |= is_empty_line_in(value);
            if !is_lost && check_lines(value, pax_key == PaxKey::Binary) {
                Ok(())
            } else {
                Err(EntryError::PaxNewline { key: Escaped::new(key) })
            }
        })?;
        check_charset_records(data, usize::from(has_charset))?;
        Ok(overrides)
    }

    /// Parses a header that describes all entries after it. It may only hold a comment, which is
    /// what `git archive` writes.
    pub(crate) fn parse_global(&mut self, data: &[u8]) -> Result<(), EntryError> {
        self.parse_records(data, |key, value, _| match key {
            b"comment" if check_lines(value, false) => Ok(()),
            b"comment" => Err(EntryError::PaxNewline { key: Escaped::new(key) }),
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

/// Returns true if a reader that splits the header at newlines finds no record in this value.
///
/// A binary value may hold newlines, but no digit may come first on a line. Such readers also take
/// `16xpath=`, `+16 path=` and a number after blanks of any kind for the start of a record. All
/// bytes that are not printable ASCII count as blanks.
fn check_lines(value: &[u8], is_binary: bool) -> bool {
    let mut lines = value.split(|byte| *byte == b'\n').skip(1);
    let has_number = |line: &[u8]| {
        let text = line.iter().position(u8::is_ascii_graphic).and_then(|start| line.get(start..));
        matches!(text, Some([b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..]))
    };
    if is_binary { !lines.any(has_number) } else { lines.next().is_none() }
}

/// Returns true if one of the value's lines after the first, the record's end counted, is empty.
fn is_empty_line_in(value: &[u8]) -> bool {
    value.ends_with(b"\n") || memmem::find(value, b"\n\n").is_some()
}

/// Accepted key of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PaxKey {
    Path,
    Size,
    /// User or group id.
    Id,
    /// Number that no reader needs.
    Number,
    OwnerName,
    Time,
    /// Character set of names.
    NameCharset,
    /// Text that no reader needs.
    Text,
    /// Extended attribute with any bytes.
    Binary,
}

/// Reason for refusing a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RefusedKey {
    /// Key that changes what an entry is, or that is not known.
    Unknown,
    /// Key that gives an unpacked file powers, with the option of GNU tar or bsdtar that leaves
    /// it out.
    Power(&'static str),
}

impl RefusedKey {
    const ACL: Self = Self::Power("`--no-acls`");
    const FILE_FLAGS: Self = Self::Power("`--no-fflags`");
    const SELINUX: Self = Self::Power("`--no-selinux`");
    const XATTR: Self = Self::Power(
        "`--no-xattrs`, which bsdtar needs on systems that label files, such as SELinux",
    );

    fn error(self, key: &[u8]) -> EntryError {
        let key = Escaped::new(key);
        match self {
            Self::Unknown => EntryError::PaxKey { key },
            Self::Power(remedy) => EntryError::PaxPower { key, remedy },
        }
    }
}

impl PaxKey {
    /// Decides which keys are accepted. This is the only place that does.
    fn of(key: &[u8], value: &[u8]) -> Result<Self, RefusedKey> {
        if let Some(key) = key.strip_prefix(b"SCHILY.") {
            return match key {
                b"dev" | b"devmajor" | b"devminor" | b"ino" | b"nlink" => Ok(Self::Number),
                // Immutable and append-only files cannot be deleted, not even by their owner.
                b"fflags" if are_file_flags_inert(value) => Ok(Self::Text),
                b"fflags" => Err(RefusedKey::FILE_FLAGS),
                _ if key.starts_with(b"acl.") => Err(RefusedKey::ACL),
                _ => xattr(key).map(|()| Self::Binary),
            };
        }
        if let Some(key) = key.strip_prefix(b"LIBARCHIVE.") {
            return match key {
                b"creationtime" => Ok(Self::Time),
                b"symlinktype" => Ok(Self::Text),
                // The value is in base 64.
                _ => xattr(key).map(|()| Self::Text),
            };
        }
        match key {
            b"path" => Ok(Self::Path),
            b"size" => Ok(Self::Size),
            b"uid" | b"gid" => Ok(Self::Id),
            b"uname" | b"gname" => Ok(Self::OwnerName),
            b"atime" | b"ctime" | b"mtime" => Ok(Self::Time),
            b"hdrcharset" => Ok(Self::NameCharset),
            b"comment" | b"charset" => Ok(Self::Text),
            b"RHT.security.selinux" => Err(RefusedKey::SELINUX),
            // GNU.sparse.*, GNU.volume.*, GNU.dumpdir and SUN.holesdata change the size or the type.
            // RHT.* are attributes with powers.
            _ if [&b"GNU."[..], b"SUN.", b"RHT."].iter().any(|vendor| key.starts_with(vendor)) => {
                Err(RefusedKey::Unknown)
            }
            [b'A'..=b'Z', ..] if key.contains(&b'.') => Ok(Self::Text),
            _ => Err(RefusedKey::Unknown),
        }
    }
}

/// Checks a key `xattr.NAME` of an extended attribute.
///
/// bsdtar percent-encodes names, and GNU tar a part of them. Other readers do not decode them, so
/// both forms are checked.
fn xattr(key: &[u8]) -> Result<(), RefusedKey> {
    let name = key.strip_prefix(b"xattr.").ok_or(RefusedKey::Unknown)?;
    let decoded: Vec<u8> = percent_decode(name).collect();
    if is_attribute_inert(name) && is_attribute_inert(&decoded) {
        Ok(())
    } else {
        Err(RefusedKey::XATTR)
    }
}

/// Returns true if an extended attribute gives a file no powers.
///
/// Attributes outside `user.` grant privileges (`security.capability`), label files for security
/// modules (`security.selinux`, `security.SMACK64EXEC`, `security.ima`) or change access
/// (`system.posix_acl_access`).
fn is_attribute_inert(name: &[u8]) -> bool {
    /// Attributes below `user.` that some file systems and programs take for other paths, owners,
    /// modes or access rights: overlayfs, fuse-overlayfs, Podman, rootless containers, QEMU, Samba
    /// and `PaX`.
    const POWERS: [&[u8]; 7] = [
        b"overlay.",
        b"fuseoverlayfs.",
        b"containers.",
        b"rootlesscontainers",
        b"virtfs.",
        b"NTACL",
        b"pax.",
    ];
    /// Attributes of macOS that only inform. Linux has no such attributes.
    const MACOS: [&[u8]; 10] = [
        b"com.apple.FinderInfo",
        b"com.apple.ResourceFork",
        b"com.apple.TextEncoding",
        b"com.apple.diskimages.",
        b"com.apple.lastuseddate#PS",
        b"com.apple.macl",
        b"com.apple.metadata:",
        b"com.apple.provenance",
        b"com.apple.quarantine",
        b"com.apple.xcode.",
    ];
    match name.strip_prefix(b"user.") {
        Some(name) => !POWERS.iter().any(|power| name.starts_with(power)),
        None => MACOS.iter().any(|inert| match inert {
            [.., b'.' | b':'] => name.starts_with(inert),
            _ => name == *inert,
        }),
    }
}

/// Returns true if none of bsdtar's file flags has powers.
fn are_file_flags_inert(flags: &[u8]) -> bool {
    const INERT: [&[u8]; 15] = [
        b"arch",
        b"archived",
        b"compress",
        b"compressed",
        b"hidden",
        b"noatime",
        b"nocow",
        b"nodump",
        b"notail",
        b"offline",
        b"sparse",
        b"uarch",
        b"uhidden",
        b"uoffline",
        b"usparse",
    ];
    flags.split(|byte| *byte == b',').all(|flag| INERT.contains(&flag))
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
