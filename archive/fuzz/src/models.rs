//! Small models of two strange readers, both as in node-tar: one splits pax headers at newlines, one
//! reads checksums from twelve bytes. Such a reader skips a header that it cannot read, and takes the
//! data after it for headers.

use std::io::{self, Read};

use archive::EntryKind;
use archive_builder::BLOCK;
use flate2::read::GzDecoder;

use crate::listing::ListedEntry;

/// Model of a reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Model {
    /// Splits pax headers at newlines, not by the lengths of their records.
    PaxLines,
    /// Reads the checksum, and the end of its digits, from twelve bytes.
    LongChecksum,
}

/// Fields of the next entry.
#[derive(Default)]
struct Overrides {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Model {
    /// All models.
    pub const ALL: [Self; 2] = [Self::PaxLines, Self::LongChecksum];

    /// Lists the entries of an archive.
    pub fn list(self, archive: &[u8]) -> io::Result<Vec<ListedEntry>> {
        let mut tar = Vec::new();
        GzDecoder::new(archive).read_to_end(&mut tar)?;
        let mut entries = Vec::new();
        let mut overrides = Overrides::default();
        let mut rest = tar.as_slice();
        while let Some((header, after)) = rest.split_first_chunk::<BLOCK>() {
            rest = after;
            if header.iter().all(|byte| *byte == 0) {
                break;
            }
            if !self.is_header(header) {
                continue;
            }
            let is_entry = matches!(header[156], b'0' | b'\0' | b'5');
            let size =
                overrides.size.filter(|_| is_entry).unwrap_or_else(|| number(&header[124..136]));
            let size = usize::try_from(size).map_err(io::Error::other)?;
            let data = rest.get(..size).ok_or(io::ErrorKind::UnexpectedEof)?;
            rest = rest.get(size.next_multiple_of(BLOCK)..).ok_or(io::ErrorKind::UnexpectedEof)?;
            match header[156] {
                b'x' => self.read_pax(data, &mut overrides),
                b'L' => overrides.path = Some(until_nul(data).into()),
                b'g' => {}
                flag => {
                    let Overrides { path, size: _ } = std::mem::take(&mut overrides);
                    let path = path.unwrap_or_else(|| own_path(header));
                    let path = String::from_utf8(path).map_err(io::Error::other)?;
                    let kind = if flag == b'5' { EntryKind::Directory } else { EntryKind::File };
                    entries.push(ListedEntry { path, size: size as u64, kind });
                }
            }
        }
        Ok(entries)
    }

    fn is_header(self, header: &[u8; BLOCK]) -> bool {
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        let blanks: u64 = header[148..156].iter().map(|byte| u64::from(*byte)).sum();
        let length = if self == Self::LongChecksum { 12 } else { 8 };
        number(&header[148..148 + length]) == sum - blanks + 8 * 32
    }

    fn read_pax(self, data: &[u8], overrides: &mut Overrides) {
        match self {
            Self::PaxLines => {
                for line in data.split(|byte| *byte == b'\n') {
                    read_line(line, overrides);
                }
            }
            Self::LongChecksum => {
                let mut rest = data;
                while let Some(blank) = rest.iter().position(|byte| *byte == b' ') {
                    let length = str::from_utf8(&rest[..blank]).ok().and_then(|n| n.parse().ok());
                    let Some((record, after)) = length.and_then(|n| rest.split_at_checked(n))
                    else {
                        return;
                    };
                    read_record(&record[blank + 1..record.len() - 1], overrides);
                    rest = after;
                }
            }
        }
    }
}

/// Reads a line as a record if its number, in whatever form, is its length.
fn read_line(line: &[u8], overrides: &mut Overrides) {
    let text = String::from_utf8_lossy(line);
    let is_blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let number = text.trim_start_matches(is_blank).trim_start_matches('+');
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    let is_length = number[..digits].parse().is_ok_and(|length: usize| length == text.len() + 1);
    // node-tar skips as many characters as the number has in its shortest form, and one.
    let shortest = (text.len() + 1).to_string().len();
    if is_length && let Some(record) = text.as_bytes().get(shortest + 1..) {
        read_record(record, overrides);
    }
}

fn read_record(record: &[u8], overrides: &mut Overrides) {
    let mut parts = record.splitn(2, |byte| *byte == b'=');
    let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match key {
        b"path" => overrides.path = Some(until_nul(value).into()),
        b"size" => overrides.size = str::from_utf8(value).ok().and_then(|size| size.parse().ok()),
        _ => {}
    }
}

fn own_path(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(&header[..100]);
    let has_prefix = header[257..265] == *b"ustar\x0000" && header[345] != 0;
    if has_prefix { [until_nul(&header[345..500]), b"/", name].concat() } else { name.into() }
}

/// Parses a number up to the first byte that is no digit, after blanks.
fn number(field: &[u8]) -> u64 {
    if let [0x80, bytes @ ..] = field {
        return bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    }
    let digits = until_nul(field).trim_ascii_start().iter();
    digits
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .fold(0, |number, digit| number << 3 | u64::from(digit - b'0'))
}

fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}
