//! Archives as the fuzzer changes them: by blocks and header fields, with checksums put right, for
//! bytes changed at random would not get past the first checksum.

use std::borrow::Cow;
use std::io::{self, Write};

use archive::{Entry, Kind};
use archive_builder::{BLOCK, Field, write_checksum};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use libfuzzer_sys::fuzzer_mutate;

/// What gzip begins with (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The archive that an input stands for: itself if it is in gzip format, and else a tar that still
/// is to be put into it.
pub fn archive(input: &[u8]) -> Cow<'_, [u8]> {
    if input.starts_with(&GZIP) {
        return Cow::Borrowed(input);
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(input).and_then(|()| gzip.finish()).expect("memory can be written").into()
}

/// An entry of a listing.
#[derive(Debug, Eq, PartialEq)]
pub struct Listed {
    /// The path, as the archive spells it.
    pub path: String,
    /// Bytes of data.
    pub size: u64,
    /// Whether it is a directory.
    pub directory: bool,
}

impl From<Entry<'_>> for Listed {
    fn from(Entry { path, size, kind }: Entry<'_>) -> Self {
        Self { path: path.to_owned(), size, directory: kind == Kind::Directory }
    }
}

/// What the crate `tar` lists, a reader that shares no code with ours.
pub fn listed_by_tar(archive: &[u8]) -> io::Result<Vec<Listed>> {
    let listed = |entry: tar::Entry<'_, GzDecoder<&[u8]>>| {
        let path = String::from_utf8(entry.path_bytes().into_owned()).map_err(io::Error::other)?;
        Ok(Listed { path, size: entry.size(), directory: entry.header().entry_type().is_dir() })
    };
    tar::Archive::new(GzDecoder::new(archive))
        .entries()?
        // It takes a global pax header for an entry.
        .filter(|entry| {
            !entry
                .as_ref()
                .is_ok_and(|entry| entry.header().entry_type().is_pax_global_extensions())
        })
        .map(|entry| entry.and_then(listed))
        .collect()
}

/// Changes the `size` bytes of input in `data`, and gives their new number, at most `most`.
pub fn mutate(data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    if data[..size].starts_with(&GZIP) {
        return fuzzer_mutate(data, size, most);
    }
    let mut choice = Choice(seed);
    let blocks = size / BLOCK;
    let size = match choice.of(8) {
        0..3 if blocks > 0 => {
            let block = choice.of(blocks) * BLOCK;
            let Field(at, length) = FIELDS[choice.of(FIELDS.len())];
            mutate_in_place(&mut data[block + at..][..length]);
            size
        }
        3..5 if blocks > 0 => {
            let block = choice.of(blocks) * BLOCK;
            mutate_in_place(&mut data[block..][..BLOCK]);
            size
        }
        5 if blocks > 0 && size + BLOCK <= most => {
            let (from, to) = (choice.of(blocks) * BLOCK, choice.of(blocks + 1) * BLOCK);
            let repeated: Vec<u8> = data[from..][..BLOCK].into();
            data.copy_within(to..size, to + BLOCK);
            data[to..][..BLOCK].copy_from_slice(&repeated);
            size + BLOCK
        }
        6 if blocks > 1 => {
            let at = choice.of(blocks) * BLOCK;
            data.copy_within(at + BLOCK..size, at);
            size - BLOCK
        }
        _ => fuzzer_mutate(data, size, most),
    };
    if choice.of(16) > 0 {
        mend_checksums(&mut data[..size]);
    }
    size
}

/// The fields that readers differ on.
const FIELDS: [Field; 15] = [
    Field::NAME,
    Field::MODE,
    Field::UID,
    Field::GID,
    Field::SIZE,
    Field::MTIME,
    Field::TYPE,
    Field::LINK,
    Field::MAGIC,
    Field::USER,
    Field::GROUP,
    Field::DEVMAJOR,
    Field::DEVMINOR,
    Field::PREFIX,
    Field::STAR_ATIME,
];

/// Changes bytes without moving what follows them.
fn mutate_in_place(bytes: &mut [u8]) {
    fuzzer_mutate(bytes, bytes.len(), bytes.len());
}

fn mend_checksums(tar: &mut [u8]) {
    let (blocks, _) = tar.as_chunks_mut::<BLOCK>();
    blocks.iter_mut().filter(|block| block[257..].starts_with(b"ustar")).for_each(write_checksum);
}

/// Choices that one seed makes (xorshift).
struct Choice(u32);

impl Choice {
    fn of(&mut self, count: usize) -> usize {
        self.0 = self.0.max(1);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % count
    }
}
