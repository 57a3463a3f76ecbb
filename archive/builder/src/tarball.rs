//! The builder of tars.

use std::iter::repeat;

use crate::{Gzip, pax_records};

/// Bytes of a tar block.
pub const BLOCK: usize = 512;

/// Field of a tar header: its offset and its length in bytes.
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
    /// Access time of star and node-tar.
    pub const STAR_ATIME: Self = Self(476, 12);
    /// Change time of star and node-tar.
    pub const STAR_CTIME: Self = Self(488, 12);
    /// Offset of the first piece in GNU tar's sparse map.
    pub const GNU_SPARSE_OFFSET: Self = Self(386, 12);
    /// Real size of GNU tar's sparse file.
    pub const GNU_REAL_SIZE: Self = Self(483, 12);
}

#[derive(Clone, Debug)]
enum Part {
    Header {
        block: Box<[u8; BLOCK]>,
        /// False if a test has set the checksum itself.
        computes_checksum: bool,
        /// Formats the checksum, if not as POSIX defines it.
        checksum_form: Option<fn(u32) -> String>,
    },
    Bytes(Vec<u8>),
}

/// Builder of a tar. Methods that change a header change the one that was added last.
#[derive(Clone, Debug, Default)]
pub struct Tarball {
    parts: Vec<Part>,
}

impl Tarball {
    /// Starts a tar without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a POSIX header with the type `flag`, and its data. The name is cut after 100 bytes.
    #[must_use]
    pub fn entry(mut self, flag: u8, name: &str, data: &[u8]) -> Self {
        self.parts.push(Part::Header {
            block: Box::new([0; BLOCK]),
            computes_checksum: true,
            checksum_form: None,
        });
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
            .zeros(data.len().next_multiple_of(BLOCK) - data.len())
    }

    /// Adds a file. A name of more than 100 bytes becomes a GNU long name.
    #[must_use]
    pub fn file(self, name: &str, data: &[u8]) -> Self {
        let tarball = if name.len() > 100 { self.long_name(name) } else { self };
        tarball.entry(b'0', name, data)
    }

    /// Adds a directory. A name of more than 100 bytes becomes a GNU long name.
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

    /// Adds a GNU long name for the next entry.
    #[must_use]
    pub fn long_name(self, name: &str) -> Self {
        self.long_name_bytes(format!("{name}\0").as_bytes())
    }

    /// Adds a GNU long name of exactly these bytes.
    #[must_use]
    pub fn long_name_bytes(self, name: &[u8]) -> Self {
        self.entry(b'L', "././@LongLink", name).gnu()
    }

    /// Adds a pax header for the next entry.
    #[must_use]
    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        self.pax_bytes(&pax_records(records))
    }

    /// Adds a pax header of exactly these bytes.
    #[must_use]
    pub fn pax_bytes(self, records: &[u8]) -> Self {
        self.entry(b'x', "PaxHeaders/entry", records)
    }

    /// Adds a global pax header.
    #[must_use]
    pub fn pax_global(self, records: &[(&str, &str)]) -> Self {
        self.entry(b'g', "pax_global_header", &pax_records(records))
    }

    /// Sets the permissions.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        self.set(Field::MODE, format!("{mode:07o}").as_bytes())
    }

    /// Changes the format to GNU tar's.
    #[must_use]
    pub fn gnu(self) -> Self {
        self.set(Field::MAGIC, b"ustar  \0")
    }

    /// Sets the field to `value`, padded with NULs. The checksum stays correct, unless it is itself
    /// the field.
    #[must_use]
    pub fn set(mut self, Field(offset, length): Field, value: &[u8]) -> Self {
        let header = self.parts.iter_mut().rev().find_map(|part| match part {
            Part::Header { block, computes_checksum, .. } => Some((block, computes_checksum)),
            Part::Bytes(_) => None,
        });
        if let Some((block, computes_checksum)) = header {
            *computes_checksum &= offset != Field::CHECKSUM.0;
            let value = value.iter().chain(repeat(&0));
            let field = block.iter_mut().skip(offset).take(length);
            field.zip(value).for_each(|(to, from)| *to = *from);
        }
        self
    }

    /// Formats the correct checksum in another form than POSIX defines.
    #[must_use]
    pub fn checksum_form(mut self, form: fn(u32) -> String) -> Self {
        if let Some(Part::Header { checksum_form, .. }) =
            self.parts.iter_mut().rev().find(|part| matches!(part, Part::Header { .. }))
        {
            *checksum_form = Some(form);
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

    /// Returns the tar with its end: two zero blocks.
    #[must_use]
    pub fn tar(self) -> Vec<u8> {
        self.zeros(2 * BLOCK).tar_without_end()
    }

    /// Returns the tar without its end.
    #[must_use]
    pub fn tar_without_end(self) -> Vec<u8> {
        let mut tar = Vec::new();
        for part in self.parts {
            match part {
                Part::Header { mut block, computes_checksum, checksum_form } => {
                    if computes_checksum {
                        write_checksum(&mut block);
                    }
                    if let Some(form) = checksum_form {
                        let form = form(checksum(&block));
                        let field = block.iter_mut().skip(148).take(8);
                        field.zip(form.bytes().chain(repeat(0))).for_each(|(to, from)| *to = from);
                    }
                    tar.extend_from_slice(block.as_slice());
                }
                Part::Bytes(bytes) => tar.extend_from_slice(&bytes),
            }
        }
        tar
    }

    /// Returns the tar with its end, compressed.
    #[must_use]
    pub fn gzip(self) -> Vec<u8> {
        Gzip::new(&self.tar()).bytes()
    }
}

/// Writes the correct checksum into a header.
pub fn write_checksum(header: &mut [u8; BLOCK]) {
    let sum = checksum(header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Sums the bytes of a header, with the checksum as blanks.
fn checksum(header: &[u8; BLOCK]) -> u32 {
    let blanks = 8 * u32::from(b' ');
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    sum(&header[..148]) + blanks + sum(&header[156..])
}
