//! The pass over all headers of an archive, from the first block to the end.

use std::io::BufRead;

use crate::{
    ArchiveLimits, Entry, EntryKind, Summary,
    blocks::{BLOCK_BYTES, Block, BlockReader, is_zero},
    error::{ArchiveError, EntryError, EntryRef, Escaped, RefusedType},
    header::{self, Header, HeaderType, MetadataType, PathSource},
    lookalike::is_harmful_to_perl,
    path,
    path_set::PathSet,
    pax::{PaxOverrides, PaxParser},
};

/// Metadata header that was read just before the current header.
enum Pending {
    Nothing,
    /// A global pax header. It changes no entry, but `tarfile` fails if no entry follows, and
    /// recurses if many global headers follow each other.
    GlobalPax,
    Pax(PaxOverrides),
    LongName,
}

/// State of one pass.
pub(crate) struct Checker<'a, R, V> {
    limits: &'a ArchiveLimits,
    blocks: BlockReader<R>,
    paths: PathSet<'a>,
    pax: PaxParser,
    /// Data of the last metadata header.
    metadata: Vec<u8>,
    /// Path of the current entry.
    path: Vec<u8>,
    entries: usize,
    files: usize,
    visit: V,
}

impl<'a, R: BufRead, V: FnMut(Entry<'_>)> Checker<'a, R, V> {
    pub(crate) fn new(
        archive: R,
        limits: &'a ArchiveLimits,
        visit: V,
    ) -> Result<Self, ArchiveError> {
        Ok(Self {
            limits,
            blocks: BlockReader::new(archive, limits.unpacked_bytes)?,
            paths: PathSet::new(limits),
            pax: PaxParser::new(limits.pax_records),
            metadata: Vec::new(),
            path: Vec::new(),
            entries: 0,
            files: 0,
            visit,
        })
    }

    pub(crate) fn run(mut self) -> Result<Summary, ArchiveError> {
        let mut pending = Pending::Nothing;
        loop {
            let block = *self.blocks.next()?.ok_or(ArchiveError::NoEnd)?;
            if is_zero(&block) {
                return self.finish(&pending);
            }
            let header = Header::parse(&block).map_err(|error| self.error_by_number(error))?;
            pending = match header.entry_type() {
                HeaderType::Entry(kind) => {
                    self.check_entry(&header, kind, &pending)?;
                    Pending::Nothing
                }
                HeaderType::Metadata(kind) => self.read_metadata(&header, kind, &pending)?,
                HeaderType::Refused(refused) => {
                    return Err(self.refuse_type(&header, refused, &pending));
                }
            };
        }
    }

    /// Reads the header and the data of a metadata header.
    fn read_metadata(
        &mut self,
        header: &Header<'_>,
        kind: MetadataType,
        pending: &Pending,
    ) -> Result<Pending, ArchiveError> {
        let size = self
            .metadata_size(header, kind, pending)
            .map_err(|error| self.error_by_number(error))?;
        // `tarfile` reads records from the padding as well.
        if !self.blocks.read(size, &mut self.metadata)? {
            return Err(self.error_by_number(EntryError::MetadataPadding));
        }
        if header.is_perl_directory()
            && self.metadata_blocks().any(|block| is_harmful_to_perl(&block))
        {
            return Err(self.error_by_number(EntryError::DataIsHeader));
        }
        let pending = match kind {
            MetadataType::GlobalPax => {
                self.pax.parse_global(&self.metadata).map(|()| Pending::GlobalPax)
            }
            MetadataType::Pax => self.pax.parse(&self.metadata).map(Pending::Pax),
            MetadataType::LongName => {
                header::strip_long_name(&mut self.metadata).map(|()| Pending::LongName)
            }
        };
        pending.map_err(|error| self.error_by_number(error))
    }

    /// Checks the header of a metadata header, and returns the number of bytes after it.
    fn metadata_size(
        &self,
        header: &Header<'_>,
        kind: MetadataType,
        pending: &Pending,
    ) -> Result<usize, EntryError> {
        // Two metadata headers for one entry: readers differ on which of them applies, and to what.
        // node-tar before 7.5.16 applied a pax size to the header of a GNU long name.
        let in_order = match kind {
            MetadataType::GlobalPax => matches!(pending, Pending::Nothing),
            MetadataType::Pax | MetadataType::LongName => {
                matches!(pending, Pending::Nothing | Pending::GlobalPax)
            }
        };
        if !in_order {
            return Err(EntryError::MetadataStray);
        }
        header.check_metadata_name(kind)?;
        let limit = self.limits.metadata_bytes;
        let size = usize::try_from(header.check_fields()?).ok().filter(|size| *size <= limit);
        size.ok_or(EntryError::MetadataSize { limit })
    }

    /// Returns the blocks of the last metadata header's data.
    fn metadata_blocks(&self) -> impl Iterator<Item = Block> {
        self.metadata.chunks(BLOCK_BYTES).map(|data| {
            let mut block = [0; BLOCK_BYTES];
            block.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
            block
        })
    }

    /// Checks a file or a directory, and skips its data.
    fn check_entry(
        &mut self,
        header: &Header<'_>,
        kind: EntryKind,
        pending: &Pending,
    ) -> Result<(), ArchiveError> {
        self.read_path(header, pending).map_err(|error| self.error_by_number(error))?;
        let refused = |error| error_by_path(&self.path, error);
        let size = check_fields(header, kind, pending).map_err(refused)?;
        let path = path::check(&self.path, kind, self.limits.path_bytes).map_err(refused)?;
        let source = path_source(&self.metadata, pending);
        header.check_own_path(source).map_err(refused)?;
        self.paths.insert(path, kind).map_err(refused)?;

        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(ArchiveError::Entries { limit: self.limits.entries });
        }
        if kind == EntryKind::File {
            self.files += 1;
        }
        (self.visit)(Entry { path, size, kind });
        if matches!(source, PathSource::Pax(_)) && header.is_perl_directory() {
            let is_harmless = |block: &_| !is_harmful_to_perl(block);
            let is_safe = self.blocks.skip_if(size, is_harmless)?;
            return if is_safe { Ok(()) } else { Err(refused(EntryError::DataIsHeader)) };
        }
        self.blocks.skip(size)
    }

    /// Copies the current entry's path to `self.path`: from the metadata header if it holds one,
    /// else from the entry's own header.
    fn read_path(&mut self, header: &Header<'_>, pending: &Pending) -> Result<(), EntryError> {
        self.path.clear();
        match path_source(&self.metadata, pending) {
            PathSource::Header => self.path.extend_from_slice(&header.own_path()?),
            PathSource::Pax(path) | PathSource::LongName(path) => {
                self.path.extend_from_slice(path);
            }
        }
        Ok(())
    }

    /// Checks everything after the first zero block, which is the start of the end of the archive.
    fn finish(mut self, pending: &Pending) -> Result<Summary, ArchiveError> {
        if !matches!(pending, Pending::Nothing) {
            return Err(self.error_by_number(EntryError::MetadataStray));
        }
        // Readers differ on a single zero block: some stop there, others read on.
        if self.blocks.next()?.is_none() {
            return Err(ArchiveError::NoEnd);
        }
        // Hidden entries after the end: GNU tar lists them with --ignore-zeros.
        if !self.blocks.is_rest_zero()? {
            return Err(ArchiveError::DataAfterEnd);
        }
        if self.files == 0 {
            return Err(ArchiveError::NoFile);
        }
        Ok(Summary { entries: self.entries, unpacked_bytes: self.blocks.unpacked_bytes() })
    }

    fn refuse_type(
        &mut self,
        header: &Header<'_>,
        refused: RefusedType,
        pending: &Pending,
    ) -> ArchiveError {
        match self.read_path(header, pending) {
            Ok(()) => error_by_path(&self.path, EntryError::RefusedType(refused)),
            Err(error) => self.error_by_number(error),
        }
    }

    /// Attributes an error to the current entry while its path is not known.
    fn error_by_number(&self, error: EntryError) -> ArchiveError {
        ArchiveError::Entry { entry: EntryRef::Number(self.entries + 1), error }
    }
}

/// Finds the part of the archive that gives the current entry's path.
fn path_source<'a>(metadata: &'a [u8], pending: &Pending) -> PathSource<'a> {
    match pending {
        Pending::Nothing | Pending::GlobalPax => PathSource::Header,
        Pending::Pax(overrides) => overrides
            .path
            .clone()
            .and_then(|range| metadata.get(range))
            .map_or(PathSource::Header, PathSource::Pax),
        Pending::LongName => PathSource::LongName(metadata),
    }
}

fn error_by_path(path: &[u8], error: EntryError) -> ArchiveError {
    ArchiveError::Entry { entry: EntryRef::Path(Escaped::new(path)), error }
}

/// Checks all fields of a file's or directory's header except its path, and returns its size.
fn check_fields(
    header: &Header<'_>,
    kind: EntryKind,
    pending: &Pending,
) -> Result<u64, EntryError> {
    let size = header.check_fields()?;
    header.check_entry(kind)?;
    // `tarfile` takes the data of a directory for headers, other readers skip it.
    if kind == EntryKind::Directory && size != 0 {
        return Err(EntryError::DirectoryData);
    }
    match pending {
        // TARmageddon (CVE-2025-62518, CVE-2026-33055): a reader that uses the pax size and a
        // reader that uses the header's size find the next header in different places.
        Pending::Pax(PaxOverrides { size: Some(pax_size), .. }) if *pax_size != size => {
            Err(EntryError::PaxSize)
        }
        _ => Ok(size),
    }
}
