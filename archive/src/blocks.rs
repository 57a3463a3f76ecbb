//! One gzip member, inflated through one buffer and handed out in tar blocks.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

use crate::error::Fault;

/// Bytes of a tar block.
const SIZE: usize = 512;

/// Bytes of the buffer, a whole number of blocks. Smaller ones keep the inflater out of its fast
/// path: 64 KiB costs 11 % more time.
const BUFFER: usize = 512 * SIZE;

/// One tar block.
pub(crate) type Block = [u8; SIZE];

/// The blocks of an archive's tar, in order.
pub(crate) struct Blocks<R> {
    gzip: GzDecoder<R>,
    buffer: Box<[u8]>,
    /// The bytes of the buffer not yet handed out. Always filled to the end of the buffer or of the
    /// tar, so that no block is ever cut in two.
    at: usize,
    end: usize,
    unpacked: u64,
    limit: u64,
}

impl<R: BufRead> Blocks<R> {
    /// Reads the gzip header. `limit` bounds the bytes unpacked.
    pub(crate) fn open(mut archive: R, limit: u64) -> Result<Self, Fault> {
        if archive.fill_buf().map_err(Fault::Gzip)?.is_empty() {
            return Err(Fault::Empty);
        }
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Self { gzip: GzDecoder::new(archive), buffer, at: 0, end: 0, unpacked: 0, limit })
    }

    /// The next block, or none at the end of the gzip member.
    pub(crate) fn next(&mut self) -> Result<Option<&Block>, Fault> {
        if self.at == self.end {
            self.fill()?;
        }
        let block = self.buffer.get(self.at..self.end).and_then(|rest| rest.first_chunk());
        if block.is_some() {
            self.at += SIZE;
        }
        Ok(block)
    }

    /// Passes over `size` bytes of data and their padding, which readers pass over too.
    pub(crate) fn skip(&mut self, size: u64) -> Result<(), Fault> {
        // A header in base 256 can give a size that has no such multiple; no data is that long.
        let mut left = size.checked_next_multiple_of(SIZE as u64).ok_or(Fault::DataTruncated)?;
        while left > 0 {
            let step = self.available()?.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.at += step;
            left -= step as u64;
        }
        Ok(())
    }

    /// Reads `size` bytes of data in place of what `into` held, and says whether their padding is
    /// zeros: `tarfile` takes in the padding of a metadata header as if it belonged to it.
    pub(crate) fn read(&mut self, size: usize, into: &mut Vec<u8>) -> Result<bool, Fault> {
        into.clear();
        let padded = size.next_multiple_of(SIZE);
        while into.len() < padded {
            let step = self.available()?.min(padded - into.len());
            into.extend_from_slice(self.buffer.get(self.at..self.at + step).unwrap_or_default());
            self.at += step;
        }
        let zeros = into.get(size..).is_none_or(is_zero);
        into.truncate(size);
        Ok(zeros)
    }

    /// Whether all blocks from the last one handed out on are zeros.
    pub(crate) fn rest_is_zero(&mut self) -> Result<bool, Fault> {
        self.at -= SIZE;
        loop {
            if !self.buffer.get(self.at..self.end).is_none_or(is_zero) {
                return Ok(false);
            }
            self.fill()?;
            if self.end == 0 {
                return Ok(true);
            }
        }
    }

    /// How many bytes of data are in the buffer; at least one.
    fn available(&mut self) -> Result<usize, Fault> {
        if self.at == self.end {
            self.fill()?;
        }
        match self.end - self.at {
            0 => Err(Fault::DataTruncated),
            available => Ok(available),
        }
    }

    fn fill(&mut self) -> Result<(), Fault> {
        (self.at, self.end) = (0, 0);
        while let Some(free) = self.buffer.get_mut(self.end..).filter(|free| !free.is_empty()) {
            match self.gzip.read(free) {
                Ok(0) => return self.finish(),
                Ok(read) => {
                    self.end += read;
                    self.unpacked += read as u64;
                }
                Err(source) if source.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(self.fault(source)),
            }
            if self.unpacked > self.limit {
                return Err(Fault::Unpacked { limit: self.limit });
            }
        }
        Ok(())
    }

    /// The member has ended, its length and checksum are right: nothing may follow it, since some
    /// readers would stop here and others read on.
    fn finish(&mut self) -> Result<(), Fault> {
        let rest = self.gzip.get_mut().fill_buf().map_err(Fault::Gzip)?;
        if !rest.is_empty() {
            return Err(Fault::DataAfterGzip);
        }
        if !self.end.is_multiple_of(SIZE) {
            return Err(Fault::BlockTruncated);
        }
        Ok(())
    }

    fn fault(&self, source: io::Error) -> Fault {
        match source.kind() {
            ErrorKind::UnexpectedEof => Fault::GzipTruncated,
            _ if self.gzip.header().is_none() => Fault::NotGzip(source),
            _ => Fault::Gzip(source),
        }
    }
}

/// Whether there is nothing but zeros.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Without a way out in the middle the compiler compares many bytes at once.
    bytes.chunks(SIZE).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}
