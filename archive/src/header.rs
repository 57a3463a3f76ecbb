//! The fields of one tar header, in the formats POSIX ustar (IEEE 1003.1, "pax") and GNU tar.
//!
//! Each field is accepted only in a form that all readers understand alike.

use std::borrow::Cow;

use crate::{
    EntryKind,
    blocks::{Block, is_zero},
    error::{EntryError, Escaped, RefusedType},
    path,
};

/// Meaning of a header's type flag.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeaderType {
    /// File or directory.
    Entry(EntryKind),
    /// Header that describes the entries after it.
    Metadata(MetadataType),
    /// Type that an archive must not hold.
    Refused(RefusedType),
}

/// Header that describes the entries after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MetadataType {
    /// Pax header for the next entry.
    Pax,
    /// Pax header for all entries after it.
    GlobalPax,
    /// GNU long name for the next entry.
    LongName,
}

/// Part of the archive that gives an entry's path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PathSource<'a> {
    /// The entry's own header.
    Header,
    /// The `path` record of a pax header.
    Pax(&'a [u8]),
    /// A GNU long name.
    LongName(&'a [u8]),
}

impl HeaderType {
    /// Decides which entry types are accepted. This is the only place that does.
    ///
    /// Links redirect later entries out of the directory (CVE-2007-4559, CVE-2021-38511,
    /// CVE-2022-36113, CVE-2026-23745), and sparse maps exhaust a reader's memory (CVE-2025-58183).
    /// Devices and fifos have no file content, and each reader interprets the other types
    /// differently.
    fn from_flag(flag: u8) -> Self {
        match flag {
            b'0' | b'\0' => Self::Entry(EntryKind::File),
            b'5' => Self::Entry(EntryKind::Directory),
            b'x' => Self::Metadata(MetadataType::Pax),
            b'g' => Self::Metadata(MetadataType::GlobalPax),
            b'L' => Self::Metadata(MetadataType::LongName),
            b'1' => Self::Refused(RefusedType::HardLink),
            b'2' => Self::Refused(RefusedType::SymbolicLink),
            b'3' => Self::Refused(RefusedType::CharacterDevice),
            b'4' => Self::Refused(RefusedType::BlockDevice),
            b'6' => Self::Refused(RefusedType::Fifo),
            b'7' => Self::Refused(RefusedType::ContiguousFile),
            b'D' => Self::Refused(RefusedType::DumpDirectory),
            b'K' => Self::Refused(RefusedType::LongLink),
            b'M' => Self::Refused(RefusedType::MultiVolume),
            b'S' => Self::Refused(RefusedType::SparseFile),
            b'V' => Self::Refused(RefusedType::VolumeLabel),
            b'X' => Self::Refused(RefusedType::SolarisHeader),
            _ => Self::Refused(RefusedType::Unknown),
        }
    }
}

/// Setuid, setgid and sticky bits.
const SPECIAL_MODE_BITS: u64 = 0o7000;

/// Permissions and special bits.
const MODE_BITS: u64 = 0o7777;

/// Perl's `Archive::Tar` computes checksums modulo 65,536.
const MAX_CHECKSUM: u64 = 0xffff;

/// Bytes of the name field.
const NAME_BYTES: usize = 100;

/// Perl's `Archive::Tar` treats every entry of this name as metadata.
const PERL_METADATA_NAME: &[u8] = b"pax_global_header";

/// 9999-12-31T23:59:59Z, the last second that every reader can print.
pub(crate) const MAX_TIME: u64 = 253_402_300_799;

/// Header with a known format and a correct checksum.
pub(crate) struct Header<'a> {
    block: &'a Block,
    is_gnu: bool,
}

impl<'a> Header<'a> {
    pub(crate) fn parse(block: &'a Block) -> Result<Self, EntryError> {
        // Polyglot of tar and bzip2: bsdtar detects the format again after decompression, and
        // treats a tar whose first name starts like this as bzip2.
        if let [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..] = block {
            return Err(EntryError::HeaderBzip2);
        }
        // Headers older than POSIX have no magic, so each reader guesses what they are.
        let is_gnu = match &block[257..265] {
            b"ustar\x0000" => false,
            b"ustar  \0" => true,
            _ => return Err(EntryError::HeaderFormat),
        };
        let header = Self { block, is_gnu };
        header.check_checksum()?;
        Ok(header)
    }

    fn check_checksum(&self) -> Result<(), EntryError> {
        let field = &self.block[148..156];
        let checksum = octal(field, "checksum")?.ok_or(EntryError::HeaderNumber("checksum"))?;
        // node-tar reads 12 bytes. Without a terminator, it takes the type flag as a digit, skips
        // the header, and parses the data as headers.
        if field.last().is_some_and(u8::is_ascii_digit) {
            return Err(EntryError::HeaderNumber("checksum"));
        }
        if checksum != compute_checksum(self.block) {
            return Err(EntryError::HeaderChecksum);
        }
        // A reader that computes another sum skips the header, and parses the data as headers.
        if checksum > MAX_CHECKSUM { Err(EntryError::HeaderSum) } else { Ok(()) }
    }

    pub(crate) fn entry_type(&self) -> HeaderType {
        HeaderType::from_flag(self.block[156])
    }

    /// Checks all fields that readers parse in every header, and returns the size.
    ///
    /// Even fields that no reader needs are checked: `tarfile` silently ends its listing at a
    /// number that it cannot parse, which hides all later entries. node-tar skips such a header,
    /// and parses the data as headers.
    pub(crate) fn check_fields(&self) -> Result<u64, EntryError> {
        octal(&self.block[100..108], "mode")?;
        check_id(&self.block[108..116], "user id")?;
        check_id(&self.block[116..124], "group id")?;
        check_time(&self.block[136..148], "modification time")?;
        octal(&self.block[329..337], "device number")?;
        octal(&self.block[337..345], "device number")?;
        let size =
            number(&self.block[124..136], "size")?.ok_or(EntryError::HeaderNumber("size"))?;
        // A header that has a link name but is not a link contradicts itself. node-tar skips it,
        // and parses the data as headers.
        if !is_zero(&self.block[157..257]) {
            return Err(EntryError::LinkName);
        }
        // GNU tar stores fields of incremental, sparse and multi-volume archives where POSIX has
        // the prefix: `tarfile` reads them as a prefix, and bsdtar reads another size there.
        if self.is_gnu && !is_zero(&self.block[345..]) {
            return Err(EntryError::HeaderGnuFields);
        }
        // With nonzero padding, Perl's `Archive::Tar` parses the data as headers.
        if !is_zero(&self.block[500..]) {
            return Err(EntryError::HeaderPadding);
        }
        if self.may_have_star_times() {
            check_time(&self.block[476..488], "access time")?;
            check_time(&self.block[488..500], "change time")?;
        }
        if !text(&self.block[265..297]).is_some_and(is_owner_name) {
            return Err(EntryError::HeaderText("user name"));
        }
        if !text(&self.block[297..329]).is_some_and(is_owner_name) {
            return Err(EntryError::HeaderText("group name"));
        }
        // The name is checked even if a metadata header overrides the path.
        self.name().and(self.prefix())?;
        Ok(size)
    }

    /// Returns the header's own path, which is the prefix and the name.
    pub(crate) fn own_path(&self) -> Result<Cow<'_, [u8]>, EntryError> {
        match (self.prefix()?, self.name()?) {
            ([], name) => Ok(Cow::Borrowed(name)),
            (prefix, name) => Ok(Cow::Owned([prefix, b"/", name].concat())),
        }
    }

    /// Checks the name of a metadata header.
    ///
    /// A name with control characters can be the magic number of another format, and readers detect
    /// that format before tar (a polyglot). A name may end in the middle of a UTF-8 character,
    /// because some writers cut it there.
    ///
    /// busybox treats a header without a name as the end of the archive, and the data as headers.
    pub(crate) fn check_metadata_name(&self, kind: MetadataType) -> Result<(), EntryError> {
        let name = self.name()?;
        let mut chunks = name.utf8_chunks();
        let is_text = chunks.next().is_none_or(|chunk| !chunk.valid().contains(char::is_control))
            && chunks.next().is_none();
        if !is_text || name.is_empty() {
            return Err(EntryError::HeaderText("name"));
        }
        // Perl's `Archive::Tar` unpacks a name with a final slash, and ignores the long name.
        let is_harmless = path::is_safe(&self.own_path()?) && kind != MetadataType::LongName;
        if self.is_perl_directory() && !is_harmless {
            return Err(EntryError::HeaderText("name"));
        }
        Ok(())
    }

    /// Checks the fields of a file or directory that [`Self::check_fields`] does not check.
    pub(crate) fn check_entry(&self, kind: EntryKind) -> Result<(), EntryError> {
        // `tarfile` treats a name with a final slash as a directory, even if a pax path exists.
        if self.block[156] == b'\0' && self.name()?.ends_with(b"/") {
            return Err(EntryError::FileSlash);
        }
        let mode = octal(&self.block[100..108], "mode")?.unwrap_or_default();
        // Privilege escalation: setuid programs run as their owner.
        if mode & SPECIAL_MODE_BITS != 0 {
            return Err(EntryError::SpecialMode);
        }
        // Go's `FileInfo().Mode()` uses the mode's type bits, not the type flag.
        let type_bits = match kind {
            EntryKind::File => 0o100_000,
            EntryKind::Directory => 0o40_000,
        };
        match mode & !MODE_BITS {
            0 => Ok(()),
            bits if bits == type_bits => Ok(()),
            _ => Err(EntryError::ModeType),
        }
    }

    /// Checks the header's own path, and the name that Perl's `Archive::Tar` uses.
    pub(crate) fn check_own_path(&self, source: PathSource<'_>) -> Result<(), EntryError> {
        let name = self.name()?;
        let perl_name = match source {
            PathSource::Header | PathSource::Pax(_) => name,
            PathSource::LongName(long_name) => long_name,
        };
        if perl_name == PERL_METADATA_NAME {
            return Err(EntryError::PerlMetadataName);
        }
        match source {
            // Perl's `Archive::Tar` ends its list at a header without a name, and busybox strips a
            // slash between prefix and name.
            PathSource::Header => match name {
                [] | [b'/', ..] => Err(EntryError::HeaderText("name")),
                _ => Ok(()),
            },
            PathSource::Pax(path) | PathSource::LongName(path) => self.check_hidden_path(path),
        }
    }

    /// Checks the header's own path where a metadata header gives the entry another one.
    ///
    /// A reader that does not support the metadata header uses this path. Writers repeat a short
    /// ASCII path here. For other paths, they truncate the path, remove non-ASCII characters or
    /// replace them by `?`, or write nothing.
    fn check_hidden_path(&self, path: &[u8]) -> Result<(), EntryError> {
        let own_path = self.own_path()?;
        let is_same = path::components(&own_path).eq(path::components(path));
        let must_be_same = path.is_ascii() && path.len() <= NAME_BYTES;
        if path::is_safe(&own_path) && (is_same || !must_be_same) {
            Ok(())
        } else {
            Err(EntryError::OwnPath { path: Escaped::new(&own_path) })
        }
    }

    /// Returns true if Perl's `Archive::Tar` treats a file or metadata header as a directory, and
    /// the data after it as headers. With pax headers, GNU tar and `tarfile` truncate names, so a
    /// name may end with a slash.
    pub(crate) fn is_perl_directory(&self) -> bool {
        self.name().is_ok_and(|name| name.ends_with(b"/"))
    }

    fn name(&self) -> Result<&[u8], EntryError> {
        text(&self.block[..100]).ok_or(EntryError::HeaderText("name"))
    }

    /// Returns true if access and change times, as in star and node-tar, may follow the prefix.
    fn may_have_star_times(&self) -> bool {
        !self.is_gnu && self.block[475] == b'\0'
    }

    /// The part of the path before the name, without the slash between them.
    fn prefix(&self) -> Result<&[u8], EntryError> {
        if self.is_gnu {
            return Ok(&[]);
        }
        let prefix =
            if self.may_have_star_times() { &self.block[345..476] } else { &self.block[345..500] };
        // bsdtar adds no slash to a prefix that ends with one, other readers do.
        text(prefix)
            .filter(|prefix| !prefix.ends_with(b"/"))
            .ok_or(EntryError::HeaderText("prefix"))
    }
}

/// Strips the NUL from the end of a GNU long name.
pub(crate) fn strip_long_name(name: &mut Vec<u8>) -> Result<(), EntryError> {
    name.pop_if(|last| *last == b'\0');
    // Readers differ on where a name with a NUL in it ends.
    if name.contains(&b'\0') { Err(EntryError::LongName) } else { Ok(()) }
}

/// Computes the sum of the header's bytes, with the checksum field as blanks.
///
/// The bytes are unsigned, as in POSIX. Some readers also accept a sum of signed bytes, but
/// archives with such sums are older than the accepted formats.
fn compute_checksum(block: &Block) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum(&block[..148]) + 8 * u64::from(b' ') + sum(&block[156..])
}

/// Returns the text before the first NUL. Returns `None` if bytes other than NULs follow, because
/// readers that ignore the NUL see a different text.
fn text(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|byte| *byte == b'\0').unwrap_or(field.len());
    let (text, rest) = field.split_at_checked(end)?;
    is_zero(rest).then_some(text)
}

/// Returns true if a listing can print a user's or group's name.
///
/// Listings print these names unchanged, so control characters could send escape sequences to the
/// terminal.
pub(crate) fn is_owner_name(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| !name.contains(char::is_control))
}

/// Parses an octal number: blanks, digits, then blanks or NULs. Returns none for a field of NULs.
///
/// Readers differ on all other forms: a NUL before the digits, a sign, `0o7` and `1_0` (which
/// Python's `int` accepts), or a field of blanks.
fn octal(field: &[u8], name: &'static str) -> Result<Option<u64>, EntryError> {
    let mut rest = field;
    while let [b' ', after @ ..] = rest {
        rest = after;
    }
    let mut value = None;
    // No overflow: the longest field has 12 digits of 3 bits.
    while let [digit @ b'0'..=b'7', after @ ..] = rest {
        value = Some(value.unwrap_or(0) << 3 | u64::from(digit - b'0'));
        rest = after;
    }
    let is_valid = match value {
        Some(_) => rest.iter().all(|byte| matches!(byte, b' ' | b'\0')),
        None => !rest.is_empty() && is_zero(rest),
    };
    if is_valid { Ok(value) } else { Err(EntryError::HeaderNumber(name)) }
}

/// Parses an octal number, or a number in GNU tar's base 256: 0x80 and a big-endian integer.
fn number(field: &[u8], name: &'static str) -> Result<Option<u64>, EntryError> {
    match field {
        [0x80, integer @ ..] => big_endian(integer).map(Some).ok_or(EntryError::HeaderNumber(name)),
        _ => octal(field, name),
    }
}

/// Checks a user or group id. GNU tar refuses ids of more than 32 bits.
fn check_id(field: &[u8], name: &'static str) -> Result<(), EntryError> {
    match number(field, name)? {
        Some(id) if u32::try_from(id).is_err() => Err(EntryError::HeaderNumber(name)),
        _ => Ok(()),
    }
}

/// Checks seconds since 1970. Negative numbers occur only in base 256, in two's complement.
fn check_time(field: &[u8], name: &'static str) -> Result<(), EntryError> {
    let seconds = match field {
        [0xff, high @ .., _, _, _, _, _, _, _, _] if high.iter().all(|byte| *byte == 0xff) => {
            field.last_chunk().map(|low| i64::from_be_bytes(*low).unsigned_abs())
        }
        _ => number(field, name)?,
    };
    if seconds.is_some_and(|seconds| seconds > MAX_TIME) {
        Err(EntryError::HeaderNumber(name))
    } else {
        Ok(())
    }
}

/// Parses a big-endian integer. Returns none if it needs more than 64 bits.
fn big_endian(integer: &[u8]) -> Option<u64> {
    integer.iter().try_fold(0_u64, |value, byte| Some(value.checked_mul(256)? | u64::from(*byte)))
}
