//! Inputs of the target: a tar, or an archive in gzip format.
//!
//! A mutation changes blocks and header fields, and then corrects the checksums. Random bytes would
//! not get past the first checksum.

use std::{borrow::Cow, io::Write};

use archive_builder::{BLOCK, Field, write_checksum};
use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzzer_mutate;

/// Magic number of gzip (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Returns the input if it is in gzip format, else a gzip member with the input as its tar.
pub fn to_archive(input: &[u8]) -> Cow<'_, [u8]> {
    if input.starts_with(&GZIP) {
        return Cow::Borrowed(input);
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(input)
        .and_then(|()| gzip.finish())
        .expect("writing to memory does not fail")
        .into()
}

/// Mutates the first `size` bytes of `data`, and returns their new number, at most `max_size`.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if data[..size].starts_with(&GZIP) {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut random = Random(seed);
    let blocks = size / BLOCK;
    let size = match random.below(8) {
        0..3 if blocks > 0 => {
            let block = random.below(blocks) * BLOCK;
            let Field(offset, length) = FIELDS[random.below(FIELDS.len())];
            mutate_in_place(&mut data[block + offset..][..length]);
            size
        }
        3..5 if blocks > 0 => {
            let block = random.below(blocks) * BLOCK;
            mutate_in_place(&mut data[block..][..BLOCK]);
            size
        }
        5 if blocks > 0 && size + BLOCK <= max_size => {
            let (from, to) = (random.below(blocks) * BLOCK, random.below(blocks + 1) * BLOCK);
            let repeated: Vec<u8> = data[from..][..BLOCK].into();
            data.copy_within(to..size, to + BLOCK);
            data[to..][..BLOCK].copy_from_slice(&repeated);
            size + BLOCK
        }
        6 if blocks > 1 => {
            let removed = random.below(blocks) * BLOCK;
            data.copy_within(removed + BLOCK..size, removed);
            size - BLOCK
        }
        _ => fuzzer_mutate(data, size, max_size),
    };
    if random.below(16) > 0 {
        correct_checksums(&mut data[..size]);
    }
    size
}

/// Header fields that readers differ on.
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

/// Mutates bytes without a change of their number.
fn mutate_in_place(bytes: &mut [u8]) {
    fuzzer_mutate(bytes, bytes.len(), bytes.len());
}

fn correct_checksums(tar: &mut [u8]) {
    let (blocks, _) = tar.as_chunks_mut::<BLOCK>();
    blocks.iter_mut().filter(|block| block[257..].starts_with(b"ustar")).for_each(write_checksum);
}

/// Small generator (xorshift). libFuzzer gives the seed of each mutation.
struct Random(u32);

impl Random {
    /// Returns a number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.max(1);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % bound
    }
}
