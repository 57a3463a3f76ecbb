//! The builder of gzip members.

use std::io::Read;

use flate2::{Compression, Crc, bufread::DeflateEncoder};

/// Builder of one gzip member (RFC 1952).
#[derive(Clone, Debug)]
pub struct Gzip {
    flags: u8,
    extra: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    comment: Option<Vec<u8>>,
    /// Bits to flip in the header's checksum.
    header_crc: Option<u16>,
    /// Modification time, extra flags and operating system.
    fixed: [u8; 6],
    deflated: Vec<u8>,
    crc: u32,
    size: u32,
}

impl Gzip {
    const HEADER_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;

    /// Compresses `data`, under a header without optional fields.
    ///
    /// # Panics
    ///
    /// Never: reading from memory does not fail.
    #[must_use]
    #[expect(clippy::expect_used, reason = "reading from memory does not fail")]
    pub fn new(data: &[u8]) -> Self {
        let mut deflated = Vec::new();
        DeflateEncoder::new(data, Compression::fast())
            .read_to_end(&mut deflated)
            .expect("reading from memory does not fail");
        let mut crc = Crc::new();
        crc.update(data);
        Self {
            flags: 0,
            extra: None,
            name: None,
            comment: None,
            header_crc: None,
            fixed: [0, 0, 0, 0, 0, 255],
            deflated,
            crc: crc.sum(),
            size: crc.amount(),
        }
    }

    /// Stores `data` without compression, in blocks of `block_bytes` (at most 65,535).
    #[must_use]
    pub fn stored(data: &[u8], block_bytes: u16) -> Self {
        let blocks = data.chunks(usize::from(block_bytes.max(1)));
        let count = blocks.len();
        let mut deflated = Vec::new();
        for (number, block) in blocks.enumerate() {
            let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
            deflated.push(u8::from(number + 1 == count));
            deflated.extend(length.to_le_bytes());
            deflated.extend((!length).to_le_bytes());
            deflated.extend(block);
        }
        Self { deflated, ..Self::new(data) }
    }

    /// Sets the modification time, the extra flags and the operating system.
    #[must_use]
    pub fn fixed(self, fixed: [u8; 6]) -> Self {
        Self { fixed, ..self }
    }

    /// Fills the member up to `length` bytes, with empty deflate blocks and a short file name. A
    /// longer member stays as it is.
    #[must_use]
    pub fn padded_to(self, length: usize) -> Self {
        /// A block that is stored and not the last, of no bytes.
        const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];
        let missing = length.saturating_sub(self.clone().bytes().len());
        let blocks = EMPTY_BLOCK.repeat(missing / EMPTY_BLOCK.len());
        let padded = Self { deflated: [blocks, self.deflated].concat(), ..self };
        match missing % EMPTY_BLOCK.len() {
            0 => padded,
            // The name ends with a NUL.
            rest => padded.name(&vec![b'n'; rest - 1]),
        }
    }

    /// Sets header flags, without the fields that they announce.
    #[must_use]
    pub fn flags(self, flags: u8) -> Self {
        Self { flags: self.flags | flags, ..self }
    }

    /// Adds an extra field.
    #[must_use]
    pub fn extra(self, extra: &[u8]) -> Self {
        Self { extra: Some(extra.to_vec()), ..self }.flags(Self::EXTRA)
    }

    /// Adds a file name.
    #[must_use]
    pub fn name(self, name: &[u8]) -> Self {
        Self { name: Some(name.to_vec()), ..self }.flags(Self::NAME)
    }

    /// Adds a comment.
    #[must_use]
    pub fn comment(self, comment: &[u8]) -> Self {
        Self { comment: Some(comment.to_vec()), ..self }.flags(Self::COMMENT)
    }

    /// Adds a checksum of the header, with the bits of `error` flipped: 0 makes it correct.
    #[must_use]
    pub fn header_crc(self, error: u16) -> Self {
        Self { header_crc: Some(error), ..self }.flags(Self::HEADER_CRC)
    }

    /// Makes the checksum of the data wrong.
    #[must_use]
    pub fn wrong_crc(self) -> Self {
        Self { crc: !self.crc, ..self }
    }

    /// Makes the length of the data wrong.
    #[must_use]
    pub fn wrong_size(self) -> Self {
        Self { size: !self.size, ..self }
    }

    /// Returns the bytes of the member.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x8b, 8, self.flags];
        bytes.extend(self.fixed);
        if let Some(extra) = self.extra {
            bytes.extend(u16::try_from(extra.len()).unwrap_or(u16::MAX).to_le_bytes());
            bytes.extend(extra);
        }
        for text in [self.name, self.comment].into_iter().flatten() {
            bytes.extend(text);
            bytes.push(0);
        }
        if let Some(error) = self.header_crc {
            let mut crc = Crc::new();
            crc.update(&bytes);
            let [low, high, ..] = crc.sum().to_le_bytes();
            bytes.extend((u16::from_le_bytes([low, high]) ^ error).to_le_bytes());
        }
        bytes.extend(self.deflated);
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes
    }
}
