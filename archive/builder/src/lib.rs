//! Archives for tests, ordinary and hostile, put together header by header.
//!
//! ```
//! # use archive_builder::{Field, Tarball};
//! let ordinary =
//!     Tarball::new().directory("bin").file("bin/run", b"#!/bin/sh\n").mode(0o755).gzip();
//! let hostile = Tarball::new().symlink("etc", "/etc").file("x", b"").set(Field::UID, b"0o7").gzip();
//! ```

#![expect(clippy::expect_used, reason = "a test's input that cannot be built ends the test")]

use std::io::Read;

use flate2::bufread::DeflateEncoder;
use flate2::{Compression, Crc};

/// Bytes of a tar block.
pub const BLOCK: usize = 512;

/// A field of a tar header: where it starts, and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Field(pub usize, pub usize);

#[expect(missing_docs, reason = "POSIX names and explains them")]
impl Field {
    pub const NAME: Self = Self(0, 100);
    pub const MODE: Self = Self(100, 8);
    pub const UID: Self = Self(108, 8);
    pub const GID: Self = Self(116, 8);
    pub const SIZE: Self = Self(124, 12);
    pub const MTIME: Self = Self(136, 12);
    pub const CHECKSUM: Self = Self(148, 8);
    pub const TYPE: Self = Self(156, 1);
    pub const LINK: Self = Self(157, 100);
    pub const MAGIC: Self = Self(257, 8);
    pub const USER: Self = Self(265, 32);
    pub const GROUP: Self = Self(297, 32);
    pub const DEVMAJOR: Self = Self(329, 8);
    pub const DEVMINOR: Self = Self(337, 8);
    pub const PREFIX: Self = Self(345, 155);
    /// star's and node-tar's access time.
    pub const STAR_ATIME: Self = Self(476, 12);
    /// star's and node-tar's change time.
    pub const STAR_CTIME: Self = Self(488, 12);
    /// The offset of the first piece of GNU tar's sparse map.
    pub const GNU_SPARSE_OFFSET: Self = Self(386, 12);
    /// The real size of GNU tar's sparse files.
    pub const GNU_REAL_SIZE: Self = Self(483, 12);
}

#[derive(Clone)]
enum Part {
    /// A header, and whether its checksum is still to be computed.
    Header(Box<[u8; BLOCK]>, bool),
    Bytes(Vec<u8>),
}

/// A tar in the making. What changes a header changes the last one added.
#[derive(Clone, Default)]
pub struct Tarball {
    parts: Vec<Part>,
}

impl Tarball {
    /// Without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header of the type `flag`, and data. The header is POSIX's, its name cut at 100
    /// bytes.
    #[must_use]
    pub fn entry(mut self, flag: u8, name: &str, data: &[u8]) -> Self {
        self.parts.push(Part::Header(Box::new([0; BLOCK]), true));
        let size = format!("{:011o}", data.len());
        self.set(Field::NAME, name.as_bytes())
            .set(Field::MODE, b"0000644")
            .set(Field::UID, b"0001750")
            .set(Field::GID, b"0001750")
            .set(Field::SIZE, size.as_bytes())
            .set(Field::MTIME, b"14000000000")
            .set(Field::TYPE, &[flag])
            .set(Field::MAGIC, b"ustar\x0000")
            .set(Field::USER, b"builder")
            .set(Field::GROUP, b"builder")
            .bytes(data)
            .bytes(&vec![0; data.len().next_multiple_of(BLOCK) - data.len()])
    }

    /// Adds a file; a name of more than 100 bytes goes into a long name, as GNU tar does it.
    #[must_use]
    pub fn file(self, name: &str, data: &[u8]) -> Self {
        let tarball = if name.len() > 100 { self.long_name(name) } else { self };
        tarball.entry(b'0', name, data)
    }

    /// Adds a directory; a name of more than 100 bytes goes into a long name, as GNU tar does it.
    #[must_use]
    pub fn directory(self, name: &str) -> Self {
        let tarball = if name.len() > 100 { self.long_name(name) } else { self };
        tarball.entry(b'5', name, b"").mode(0o755)
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, b"").set(Field::LINK, target.as_bytes())
    }

    /// Adds a hard link.
    #[must_use]
    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name, b"").set(Field::LINK, target.as_bytes())
    }

    /// Adds GNU tar's long name for the entry after it.
    #[must_use]
    pub fn long_name(self, name: &str) -> Self {
        self.long_name_bytes(format!("{name}\0").as_bytes())
    }

    /// Adds a long name of these very bytes.
    #[must_use]
    pub fn long_name_bytes(self, name: &[u8]) -> Self {
        self.entry(b'L', "././@LongLink", name).gnu()
    }

    /// Adds a pax header for the entry after it.
    #[must_use]
    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        self.pax_bytes(&pax_records(records))
    }

    /// Adds a pax header of these very bytes.
    #[must_use]
    pub fn pax_bytes(self, records: &[u8]) -> Self {
        self.entry(b'x', "PaxHeaders/entry", records)
    }

    /// Adds a global pax header.
    #[must_use]
    pub fn global(self, records: &[(&str, &str)]) -> Self {
        self.entry(b'g', "pax_global_header", &pax_records(records))
    }

    /// Sets the last header's permissions.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        self.set(Field::MODE, format!("{mode:07o}").as_bytes())
    }

    /// Makes the last header one of GNU tar's.
    #[must_use]
    pub fn gnu(self) -> Self {
        self.set(Field::MAGIC, b"ustar  \0")
    }

    /// Sets a field of the last header, filling it up with NULs. The checksum follows, unless it is
    /// set itself.
    #[must_use]
    pub fn set(mut self, Field(at, length): Field, value: &[u8]) -> Self {
        let header = self.parts.iter_mut().rev().find_map(|part| match part {
            Part::Header(header, computed) => Some((header, computed)),
            Part::Bytes(_) => None,
        });
        if let Some((header, computed)) = header {
            *computed &= at != Field::CHECKSUM.0;
            let value = value.iter().chain(std::iter::repeat(&0));
            header.iter_mut().skip(at).take(length).zip(value).for_each(|(to, from)| *to = *from);
        }
        self
    }

    /// Adds bytes as they are.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.parts.push(Part::Bytes(bytes.to_vec()));
        self
    }

    /// Adds zeros.
    #[must_use]
    pub fn zeros(self, length: usize) -> Self {
        self.bytes(&vec![0; length])
    }

    /// The tar with its end, two blocks of zeros.
    #[must_use]
    pub fn tar(self) -> Vec<u8> {
        self.zeros(2 * BLOCK).unended()
    }

    /// The tar without an end.
    #[must_use]
    pub fn unended(self) -> Vec<u8> {
        let mut tar = Vec::new();
        for part in self.parts {
            match part {
                Part::Header(mut header, computed) => {
                    if computed {
                        write_checksum(&mut header);
                    }
                    tar.extend_from_slice(header.as_slice());
                }
                Part::Bytes(bytes) => tar.extend_from_slice(&bytes),
            }
        }
        tar
    }

    /// The whole archive, ended and compressed.
    #[must_use]
    pub fn gzip(self) -> Vec<u8> {
        Gzip::new(&self.tar()).bytes()
    }
}

/// Writes the sum of a header's bytes into its checksum.
pub fn write_checksum(header: &mut [u8; BLOCK]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Records of a pax header.
#[must_use]
pub fn pax_records(records: &[(&str, &str)]) -> Vec<u8> {
    records.iter().flat_map(|(key, value)| pax_record(key.as_bytes(), value.as_bytes())).collect()
}

/// One record of a pax header. Its length counts its own digits.
#[must_use]
pub fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (1..=20)
        .map(|digits| rest + digits)
        .find(|length| length.to_string().len() + rest == *length);
    [length.unwrap_or_default().to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// A gzip member in the making (RFC 1952).
#[derive(Clone)]
pub struct Gzip {
    flags: u8,
    extra: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    comment: Option<Vec<u8>>,
    /// What the header's checksum is to be changed by.
    header_crc: Option<u16>,
    deflated: Vec<u8>,
    crc: u32,
    size: u32,
}

impl Gzip {
    const HEADER_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;

    /// A plain member.
    ///
    /// # Panics
    /// Never: reading from memory does not fail.
    #[must_use]
    pub fn new(data: &[u8]) -> Self {
        let mut deflated = Vec::new();
        DeflateEncoder::new(data, Compression::fast())
            .read_to_end(&mut deflated)
            .expect("memory can be read");
        let mut crc = Crc::new();
        crc.update(data);
        let (crc, size) = (crc.sum(), crc.amount());
        Self {
            flags: 0,
            extra: None,
            name: None,
            comment: None,
            header_crc: None,
            deflated,
            crc,
            size,
        }
    }

    /// Sets flags, without the field that they announce.
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

    /// Adds the header's checksum, wrong by `error`.
    #[must_use]
    pub fn header_crc(self, error: u16) -> Self {
        Self { header_crc: Some(error), ..self }.flags(Self::HEADER_CRC)
    }

    /// Makes the data's checksum wrong.
    #[must_use]
    pub fn wrong_crc(self) -> Self {
        Self { crc: !self.crc, ..self }
    }

    /// Makes the data's length wrong.
    #[must_use]
    pub fn wrong_size(self) -> Self {
        Self { size: !self.size, ..self }
    }

    /// The member's bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x8b, 8, self.flags, 0, 0, 0, 0, 0, 255];
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
