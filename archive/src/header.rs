//! The fields of one tar header: POSIX ustar (IEEE 1003.1, "pax") and GNU tar's, and the forms of
//! them on which readers agree.

use crate::Kind;
use crate::blocks::{Block, is_zero};
use crate::error::{Forbidden, Rule};

/// What a header's type flag says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    /// A file or directory.
    Entry(Kind),
    /// A pax header for the entry after it.
    Extended,
    /// A pax header for all entries after it.
    Global,
    /// GNU tar's long name for the entry after it.
    LongName,
    /// Anything else.
    Forbidden(Forbidden),
}

/// Setuid, setgid and sticky.
const SPECIAL_MODE: u64 = 0o7000;

/// 9999-12-31T23:59:59Z, the last second that every reader can print.
pub(crate) const LAST_TIME: u64 = 253_402_300_799;

/// A header of a known format, with the right checksum.
pub(crate) struct Header<'a> {
    block: &'a Block,
    gnu: bool,
}

impl<'a> Header<'a> {
    pub(crate) fn read(block: &'a Block) -> Result<Self, Rule> {
        // bsdtar looks for compression inside of compression: an archive whose first name is the
        // start of bzip2 data (and prints well) it cannot open.
        if let [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..] = block {
            return Err(Rule::Bzip2);
        }
        // Pre-POSIX headers have no magic, and every reader its own guess at what they are.
        let gnu = match &block[257..265] {
            b"ustar\x0000" => false,
            b"ustar  \0" => true,
            _ => return Err(Rule::Magic),
        };
        match octal(&block[148..156], "checksum")? {
            Some(checksum) if checksum == sum(block) => Ok(Self { block, gnu }),
            _ => Err(Rule::Checksum),
        }
    }

    pub(crate) fn kind(&self) -> Type {
        match self.block[156] {
            b'0' | b'\0' => Type::Entry(Kind::File),
            b'5' => Type::Entry(Kind::Directory),
            b'x' => Type::Extended,
            b'g' => Type::Global,
            b'L' => Type::LongName,
            flag => Type::Forbidden(Forbidden::from(flag)),
        }
    }

    /// Reads the numbers, and gives the bytes of data after the header. All are read, and whatever
    /// the header's type: `tarfile` ends its listing, without an error, at a number that it cannot
    /// read, be it one that matters or not.
    pub(crate) fn size(&self) -> Result<u64, Rule> {
        octal(&self.block[100..108], "mode")?;
        id(&self.block[108..116], "user id")?;
        id(&self.block[116..124], "group id")?;
        time(&self.block[136..148], "modification time")?;
        octal(&self.block[329..337], "device number")?;
        octal(&self.block[337..345], "device number")?;
        number(&self.block[124..136], "size")?.ok_or(Rule::Number("size"))
    }

    /// Appends the path that the header itself gives.
    pub(crate) fn path(&self, path: &mut Vec<u8>) -> Result<(), Rule> {
        let prefix = self.prefix()?;
        if !prefix.is_empty() {
            path.extend_from_slice(prefix);
            path.push(b'/');
        }
        path.extend_from_slice(self.name()?);
        Ok(())
    }

    /// What must hold of the header of a pax header or long name besides: a name that could not
    /// pass for another format's start. It may be cut inside a character.
    pub(crate) fn check_special(&self) -> Result<(), Rule> {
        let mut chunks = self.name()?.utf8_chunks();
        let sound = chunks.next().is_none_or(|chunk| !chunk.valid().contains(char::is_control))
            && chunks.next().is_none();
        if sound { Ok(()) } else { Err(Rule::Text("name")) }
    }

    /// What must hold of a file's or directory's header besides.
    pub(crate) fn check_entry(&self) -> Result<(), Rule> {
        // `tarfile` takes this for a directory even where a pax header then gives the file another
        // name.
        if self.block[156] == b'\0' && self.name()?.ends_with(b"/") {
            return Err(Rule::FileSlash);
        }
        if octal(&self.block[100..108], "mode")?.is_some_and(|mode| mode & SPECIAL_MODE != 0) {
            return Err(Rule::SpecialMode);
        }
        if self.block[157] != b'\0' {
            return Err(Rule::LinkName);
        }
        // Where POSIX has the prefix, GNU tar keeps what incremental, sparse and multi-volume
        // archives need: `tarfile` takes it for a prefix all the same, and bsdtar takes another
        // size from it.
        if self.gnu && !is_zero(&self.block[345..]) {
            return Err(Rule::GnuFields);
        }
        if self.has_star_times() {
            time(&self.block[476..488], "access time")?;
            time(&self.block[488..500], "change time")?;
        }
        if !text(&self.block[265..297]).is_some_and(is_owner) {
            return Err(Rule::Text("user name"));
        }
        if !text(&self.block[297..329]).is_some_and(is_owner) {
            return Err(Rule::Text("group name"));
        }
        // Checked even where another path overrides the header's.
        self.name().and(self.prefix()).map(drop)
    }

    fn name(&self) -> Result<&[u8], Rule> {
        text(&self.block[..100]).ok_or(Rule::Text("name"))
    }

    /// Whether the prefix is short enough for the two more times that star and node-tar put after
    /// it.
    fn has_star_times(&self) -> bool {
        !self.gnu && self.block[475] == b'\0'
    }

    /// What stands before the name, without the slash between.
    fn prefix(&self) -> Result<&[u8], Rule> {
        if self.gnu {
            return Ok(&[]);
        }
        let prefix =
            if self.has_star_times() { &self.block[345..476] } else { &self.block[345..500] };
        // bsdtar adds no slash to a prefix that has one.
        text(prefix).filter(|prefix| !prefix.ends_with(b"/")).ok_or(Rule::Text("prefix"))
    }
}

/// Takes the NUL off the end of a GNU long name.
pub(crate) fn long_name(name: &mut Vec<u8>) -> Result<(), Rule> {
    name.pop_if(|last| *last == b'\0');
    if name.contains(&b'\0') { Err(Rule::LongName) } else { Ok(()) }
}

/// The sum of the header's bytes, with the checksum itself taken as blanks. Unsigned, as POSIX has
/// it: archives with a signed one, which some readers take too, are older than the formats accepted
/// here.
fn sum(block: &Block) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum(&block[..148]) + 8 * u64::from(b' ') + sum(&block[156..])
}

/// Text up to the first NUL; none if anything but NULs follows it.
fn text(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|byte| *byte == b'\0').unwrap_or(field.len());
    let (text, rest) = field.split_at_checked(end)?;
    is_zero(rest).then_some(text)
}

/// Whether a user's or group's name, which listings print as it is, will print.
pub(crate) fn is_owner(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| !name.contains(char::is_control))
}

/// An octal number, or none in a field without a digit: blanks, digits, then blanks or NULs.
/// Readers differ on all else: a NUL in front, a sign, `0o7` and `1_0` (which Python's `int`
/// takes), blanks alone.
fn octal(field: &[u8], name: &'static str) -> Result<Option<u64>, Rule> {
    let mut rest = field;
    while let [b' ', after @ ..] = rest {
        rest = after;
    }
    let mut value = None;
    // The longest field has 12 digits of 3 bits.
    while let [digit @ b'0'..=b'7', after @ ..] = rest {
        value = Some(value.unwrap_or(0) << 3 | u64::from(digit - b'0'));
        rest = after;
    }
    let ended = match value {
        Some(_) => rest.iter().all(|byte| matches!(byte, b' ' | b'\0')),
        None => !rest.is_empty() && is_zero(rest),
    };
    if ended { Ok(value) } else { Err(Rule::Number(name)) }
}

/// An octal number, or GNU's base 256 for larger ones: 0x80 and a big-endian integer.
fn number(field: &[u8], name: &'static str) -> Result<Option<u64>, Rule> {
    match field {
        [0x80, integer @ ..] => big_endian(integer).map(Some).ok_or(Rule::Number(name)),
        _ => octal(field, name),
    }
}

/// A user's or group's number. GNU tar refuses more than 32 bits.
fn id(field: &[u8], name: &'static str) -> Result<(), Rule> {
    match number(field, name)? {
        Some(id) if u32::try_from(id).is_err() => Err(Rule::Number(name)),
        _ => Ok(()),
    }
}

/// Seconds since 1970; before it in base 256 alone, as a negative number in two's complement.
fn time(field: &[u8], name: &'static str) -> Result<(), Rule> {
    let seconds = match field {
        [0xff, high @ .., _, _, _, _, _, _, _, _] if high.iter().all(|byte| *byte == 0xff) => {
            field.last_chunk().map(|low| i64::from_be_bytes(*low).unsigned_abs())
        }
        [0xff, ..] => return Err(Rule::Number(name)),
        _ => number(field, name)?,
    };
    if seconds.is_some_and(|seconds| seconds > LAST_TIME) {
        Err(Rule::Number(name))
    } else {
        Ok(())
    }
}

/// A big-endian integer, if it fits 64 bits.
fn big_endian(integer: &[u8]) -> Option<u64> {
    integer.iter().try_fold(0_u64, |value, byte| Some(value.checked_mul(256)? | u64::from(*byte)))
}
