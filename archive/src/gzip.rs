//! The start of the compressed file: the header of its gzip member (RFC 1952, section 2.3), and its
//! first block as a reader without decompression sees it.

use std::io::{self, BufRead, Read};

use crate::{
    blocks::{BLOCK_BYTES, Block},
    error::ArchiveError,
    lookalike,
};

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The only compression method: deflate.
const DEFLATE: u8 = 8;

/// Flags of the header.
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Bytes of the header before its optional fields.
const FIXED_BYTES: usize = 10;

/// `NAME_MAX` of Linux, macOS and Windows.
const MAX_NAME_BYTES: usize = 255;

/// The first bytes of the compressed file: a tar block, or fewer if the file is shorter.
pub(crate) struct Start {
    /// Padded with zeros, as readers pad it.
    block: Block,
    length: usize,
}

impl Start {
    /// Reads the first bytes. A reader may return one byte at a time.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        reader.take(BLOCK_BYTES as u64).read_to_end(&mut bytes)?;
        let mut block = [0; BLOCK_BYTES];
        block.iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
        Ok(Self { block, length: bytes.len() })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.block.get(..self.length).unwrap_or_default()
    }

    /// Checks the gzip header, and that the file is no tar before its decompression.
    pub(crate) fn check(&self) -> Result<(), ArchiveError> {
        let bytes = self.bytes();
        if bytes.is_empty() {
            return Err(ArchiveError::Empty);
        }
        if bytes.iter().zip(MAGIC.iter().chain([&DEFLATE])).any(|(byte, expected)| byte != expected)
        {
            return Err(ArchiveError::NotGzip);
        }
        // The decompressor reports a header that is cut short.
        let flags = bytes.get(3).copied().unwrap_or_default();
        if flags & RESERVED != 0 {
            return Err(ArchiveError::NotGzip);
        }
        // Polyglots: both fields can hold a whole tar.
        if flags & FEXTRA != 0 {
            return Err(ArchiveError::GzipExtra);
        }
        if flags & FCOMMENT != 0 {
            return Err(ArchiveError::GzipComment);
        }
        if flags & FNAME != 0 {
            check_name(bytes.get(FIXED_BYTES..).unwrap_or_default())?;
        }
        // Polyglots: also a stored deflate block can hold a tar header.
        if lookalike::is_header(&self.block) {
            return Err(ArchiveError::GzipPolyglot);
        }
        Ok(())
    }
}

/// Checks the file name at the start of `rest`.
fn check_name(rest: &[u8]) -> Result<(), ArchiveError> {
    let name = rest.split(|byte| *byte == b'\0').next().unwrap_or_default();
    // `gzip --name` shows the name in a terminal, and restores it.
    if name.len() > MAX_NAME_BYTES || name.iter().any(u8::is_ascii_control) {
        return Err(ArchiveError::GzipName { limit: MAX_NAME_BYTES });
    }
    Ok(())
}
