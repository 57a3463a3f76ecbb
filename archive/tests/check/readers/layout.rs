//! What the headers of an accepted archive say beside the listing. It decides which honest
//! differences are allowed.

use std::io::Read;

use archive_builder::BLOCK;
use flate2::read::GzDecoder;

/// Headers of an accepted archive, an item an entry.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) entries: Vec<EntryLayout>,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct EntryLayout {
    /// A pax header gives the path.
    pub(super) has_pax_path: bool,
    /// A GNU long name gives the path.
    has_long_name: bool,
    pub(super) has_prefix: bool,
    /// Path in the entry's own header.
    pub(super) own_path: String,
    /// The name field is empty.
    pub(super) has_no_name: bool,
    /// The name field of the file or of its metadata ends with a slash.
    pub(super) has_cut_name: bool,
}

impl Layout {
    pub(super) fn of(archive: &[u8]) -> Self {
        let mut tar = Vec::new();
        GzDecoder::new(archive).read_to_end(&mut tar).unwrap();
        let mut layout = Self::default();
        let mut entry = EntryLayout::default();
        let mut rest = tar.as_slice();
        while rest[0] != 0 || rest[BLOCK - 1] != 0 || rest[..BLOCK].iter().any(|byte| *byte != 0) {
            let (header, after) = rest.split_at(BLOCK);
            let name = until_nul(&header[..100]);
            let size = size(&header[124..136]);
            let (data, _) = after.split_at(size);
            rest = &after[size.next_multiple_of(BLOCK)..];
            // `Archive::Tar` knows long names, and then does not read the entry's own name.
            let is_read = header[156] != b'5' && !entry.has_long_name;
            entry.has_cut_name |= name.ends_with(b"/") && is_read;
            match header[156] {
                b'x' => entry.has_pax_path = has_path(data),
                b'L' => entry.has_long_name = true,
                b'g' => {}
                _ => {
                    entry.has_prefix = header[345] != 0;
                    let prefix = if entry.has_prefix { until_nul(&header[345..500]) } else { b"" };
                    let own_path = [prefix, if entry.has_prefix { b"/" } else { b"" }, name];
                    entry.own_path = String::from_utf8_lossy(&own_path.concat()).into_owned();
                    entry.has_no_name = name.is_empty();
                    layout.entries.push(std::mem::take(&mut entry));
                }
            }
        }
        layout
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap()
}

fn size(field: &[u8]) -> usize {
    if field[0] == 0x80 {
        return field[1..].iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    }
    let digits = field.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |size, digit| size << 3 | usize::from(digit - b'0'))
}

fn has_path(mut records: &[u8]) -> bool {
    while let Some(blank) = records.iter().position(|byte| *byte == b' ') {
        let length: usize = str::from_utf8(&records[..blank]).unwrap().parse().unwrap();
        if records[blank + 1..].starts_with(b"path=") {
            return true;
        }
        records = &records[length..];
    }
    false
}
