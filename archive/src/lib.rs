//! What an uploaded archive must be: one gzip member holding one tar of plain files and
//! directories.
//!
//! The pass is made for *one file, one view*: where tar readers differ on a header, the header is
//! refused, so that an accepted archive lists the same entries in GNU tar, bsdtar and Python's
//! `tarfile`. It reads the archive once, keeps one buffer, and grows with nothing but a set that
//! remembers the names seen, in a few bytes each.
//!
//! | module | holds |
//! | --- | --- |
//! | `blocks` | one gzip member, inflated and handed out in tar blocks |
//! | `header` | the fields of one tar header |
//! | `pax` | the records of one pax header |
//! | `names` | what a name may be, and which names are the same |
//! | `error` | why an archive was refused |

mod blocks;
mod error;
mod header;
mod names;
mod pax;

use std::io::BufRead;

use blocks::Blocks;
use header::{Header, Type};
use names::Names;

pub use error::{Fault, Forbidden, Label, Rule, Shown};

/// Bounds of an archive. Each bounds time, memory or room that the sender would otherwise choose.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the tar itself: headers, padding and the end counted.
    pub unpacked: u64,
    /// Files and directories.
    pub entries: usize,
    /// Bytes of one entry's path, as the archive spells it.
    pub path: usize,
    /// Bytes of one pax header or GNU long name.
    pub metadata: usize,
    /// Records of one pax header. Ordinary tools write about a dozen, and two for each attribute.
    pub records: usize,
    /// Distinct names, the directories that paths imply counted: without it 10,000 paths of 500
    /// components could ask to remember five million.
    pub names: usize,
    /// Bytes of all components outside ASCII, in the form that names are compared in: there, one
    /// character can become eighteen, and no small upload can ask for anything that costs more.
    pub unfolded: usize,
}

impl Limits {
    /// What the service accepts.
    pub const PRODUCTION: Self = Self {
        unpacked: 256 * 1024 * 1024,
        entries: 10_000,
        path: 1_024,
        metadata: 64 * 1024,
        records: 128,
        names: 65_536,
        unfolded: 4 * 1024 * 1024,
    };
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// An entry of an accepted archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry<'a> {
    /// The path, as the archive spells it.
    pub path: &'a str,
    /// Bytes of data.
    pub size: u64,
    /// File or directory.
    pub kind: Kind,
}

/// Checks a whole archive in one streaming pass.
///
/// # Errors
/// The first fault found ends the pass.
pub fn check(archive: &[u8], limits: &Limits) -> Result<(), Fault> {
    walk(archive, limits, |_| ())
}

/// Checks a whole archive as [`check`] does, and shows each entry to `visit` once its header is
/// known to be sound.
///
/// What was shown counts only if the walk ends well.
///
/// # Errors
/// The first fault found ends the pass.
pub fn walk(
    archive: impl BufRead,
    limits: &Limits,
    visit: impl FnMut(Entry<'_>),
) -> Result<(), Fault> {
    let walk = Walk {
        limits,
        blocks: Blocks::open(archive, limits.unpacked)?,
        names: Names::new(limits),
        pax: pax::Reader::new(limits.records),
        metadata: Vec::new(),
        path: Vec::new(),
        entries: 0,
        files: 0,
        visit,
    };
    walk.run()
}

/// What the header before says of the entry that has to follow it.
enum Pending {
    Nothing,
    /// A global pax header: it changes nothing, but `tarfile` fails where no entry follows one, and
    /// recurses where many follow each other.
    Global,
    /// A pax header.
    Extended(pax::Extended),
    /// A GNU long name.
    LongName,
}

struct Walk<'a, R, V> {
    limits: &'a Limits,
    blocks: Blocks<R>,
    names: Names<'a>,
    pax: pax::Reader,
    /// The data of the last metadata header.
    metadata: Vec<u8>,
    /// The path of the entry at hand.
    path: Vec<u8>,
    entries: usize,
    files: usize,
    visit: V,
}

impl<R: BufRead, V: FnMut(Entry<'_>)> Walk<'_, R, V> {
    fn run(mut self) -> Result<(), Fault> {
        let mut pending = Pending::Nothing;
        loop {
            let block = *self.blocks.next()?.ok_or(Fault::NoEnd)?;
            if blocks::is_zero(&block) {
                return self.end(&pending);
            }
            let header = Header::read(&block).map_err(|rule| self.numbered(rule))?;
            pending = match header.kind() {
                Type::Entry(kind) => self.entry(&header, kind, &pending)?,
                Type::Forbidden(forbidden) => {
                    return Err(self.forbidden(&header, forbidden, &pending));
                }
                special => self.special(&header, special, &pending)?,
            };
        }
    }

    /// A header that speaks of the entry after it.
    fn special(
        &mut self,
        header: &Header<'_>,
        kind: Type,
        pending: &Pending,
    ) -> Result<Pending, Fault> {
        let size = self.announced(header, kind, pending).map_err(|rule| self.numbered(rule))?;
        if !self.blocks.read(size, &mut self.metadata)? {
            return Err(self.numbered(Rule::MetadataPadding));
        }
        let pending = match kind {
            Type::Global => self.pax.global(&self.metadata).map(|()| Pending::Global),
            Type::Extended => self.pax.extended(&self.metadata).map(Pending::Extended),
            _ => header::long_name(&mut self.metadata).map(|()| Pending::LongName),
        };
        pending.map_err(|rule| self.numbered(rule))
    }

    /// How many bytes such a header announces.
    fn announced(&self, header: &Header<'_>, kind: Type, pending: &Pending) -> Result<usize, Rule> {
        // Readers differ on which of two wins (node-tar once applied a pax size to a long name's
        // header).
        let follows = match kind {
            Type::Global => matches!(pending, Pending::Nothing),
            _ => matches!(pending, Pending::Nothing | Pending::Global),
        };
        if !follows {
            return Err(Rule::MetadataStray);
        }
        header.check_special()?;
        let limit = self.limits.metadata;
        let size = usize::try_from(header.size()?).ok().filter(|size| *size <= limit);
        size.ok_or(Rule::MetadataSize { limit })
    }

    /// A file or a directory.
    fn entry(
        &mut self,
        header: &Header<'_>,
        kind: Kind,
        pending: &Pending,
    ) -> Result<Pending, Fault> {
        self.locate(header, pending).map_err(|rule| self.numbered(rule))?;
        let size =
            Self::sound(header, kind, pending).map_err(|rule| Fault::of(&self.path, rule))?;
        let path = names::path(&self.path, kind, self.limits.path)
            .map_err(|rule| Fault::of(&self.path, rule))?;
        self.names.add(path, kind).map_err(|rule| Fault::of(&self.path, rule))?;
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Fault::Entries { limit: self.limits.entries });
        }
        if kind == Kind::File {
            self.files += 1;
        }
        (self.visit)(Entry { path, size, kind });
        self.blocks.skip(size)?;
        Ok(Pending::Nothing)
    }

    /// The size of an entry whose header is sound.
    fn sound(header: &Header<'_>, kind: Kind, pending: &Pending) -> Result<u64, Rule> {
        let size = header.size()?;
        header.check_entry()?;
        if kind == Kind::Directory && size != 0 {
            return Err(Rule::DirectoryData);
        }
        match pending {
            // The root of TARmageddon: a reader that takes one size, and one that takes the other,
            // see two archives.
            Pending::Extended(extended) if extended.size.is_some_and(|pax| pax != size) => {
                Err(Rule::PaxSize)
            }
            _ => Ok(size),
        }
    }

    /// Puts the entry's path into `self.path`.
    fn locate(&mut self, header: &Header<'_>, pending: &Pending) -> Result<(), Rule> {
        let over = match pending {
            Pending::LongName => Some(self.metadata.as_slice()),
            Pending::Extended(extended) => {
                extended.path.clone().and_then(|range| self.metadata.get(range))
            }
            Pending::Nothing | Pending::Global => None,
        };
        self.path.clear();
        match over {
            Some(path) => self.path.extend_from_slice(path),
            None => header.path(&mut self.path)?,
        }
        Ok(())
    }

    fn forbidden(&mut self, header: &Header<'_>, forbidden: Forbidden, pending: &Pending) -> Fault {
        match self.locate(header, pending) {
            Ok(()) => Fault::of(&self.path, Rule::Forbidden(forbidden)),
            Err(rule) => self.numbered(rule),
        }
    }

    /// The first zero block was read: one more, and then nothing but zeros.
    fn end(mut self, pending: &Pending) -> Result<(), Fault> {
        if !matches!(pending, Pending::Nothing) {
            return Err(self.numbered(Rule::MetadataStray));
        }
        if self.blocks.next()?.is_none() {
            return Err(Fault::NoEnd);
        }
        if !self.blocks.rest_is_zero()? {
            return Err(Fault::DataAfterEnd);
        }
        if self.files == 0 {
            return Err(Fault::NoFile);
        }
        Ok(())
    }

    /// A fault of a header whose entry has no name yet.
    fn numbered(&self, rule: Rule) -> Fault {
        Fault::Entry { entry: Label::Number(self.entries + 1), rule }
    }
}
