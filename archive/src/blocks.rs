//! One gzip member, decompressed through one buffer into tar blocks.

use std::io::{self, BufRead, Chain, Cursor, ErrorKind, Read};

use flate2::bufread::GzDecoder;

use crate::{error::ArchiveError, gzip::Start};

/// Bytes of a tar block.
pub(crate) const BLOCK_BYTES: usize = 512;

/// Bytes of the buffer, a whole number of blocks. With smaller buffers the decompressor leaves its
/// fast path: 64 KiB costs 11 % more time.
const BUFFER_BYTES: usize = 512 * BLOCK_BYTES;

/// A tar block.
pub(crate) type Block = [u8; BLOCK_BYTES];

/// Reads the tar blocks of an archive in order.
pub(crate) struct BlockReader<R> {
    gzip: GzDecoder<Chain<Cursor<Vec<u8>>, Source<R>>>,
    buffer: Box<[u8]>,
    /// Range of the buffer that is not consumed yet. A refill fills the buffer up to its end or
    /// the end of the tar, so no block is split between two refills.
    start: usize,
    end: usize,
    unpacked_bytes: u64,
    limit: u64,
}

impl<R: BufRead> BlockReader<R> {
    /// Reads and checks the gzip header. `limit` is the maximum number of decompressed bytes.
    pub(crate) fn new(archive: R, limit: u64) -> Result<Self, ArchiveError> {
        let mut source = Source { reader: archive, failed: false };
        let start = Start::read(&mut source).map_err(ArchiveError::Read)?;
        start.check()?;
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        let gzip = GzDecoder::new(Cursor::new(start.bytes().to_vec()).chain(source));
        Ok(Self { gzip, buffer, start: 0, end: 0, unpacked_bytes: 0, limit })
    }

    /// Number of bytes decompressed so far. After [`Self::is_rest_zero`], the size of the tar.
    pub(crate) fn unpacked_bytes(&self) -> u64 {
        self.unpacked_bytes
    }

    /// Returns the next block, or none at the end of the gzip member.
    pub(crate) fn next(&mut self) -> Result<Option<&Block>, ArchiveError> {
        if self.start == self.end {
            self.refill()?;
        }
        let block = self.buffer.get(self.start..self.end).and_then(|rest| rest.first_chunk());
        if block.is_some() {
            self.start += BLOCK_BYTES;
        }
        Ok(block)
    }

    /// Skips `size` bytes of data and their padding. Padding is not checked: all readers skip it.
    pub(crate) fn skip(&mut self, size: u64) -> Result<(), ArchiveError> {
        // Integer overflow: a size in base 256 can be so large that it has no padded size.
        let padded = size.checked_next_multiple_of(BLOCK_BYTES as u64);
        let mut left = padded.ok_or(ArchiveError::DataTruncated)?;
        while left > 0 {
            let available = self.available()?;
            let step = usize::try_from(left).map_or(available, |left| left.min(available));
            self.start += step;
            left -= step as u64;
        }
        Ok(())
    }

    /// Skips `size` bytes of data and their padding. Returns true if all their blocks are `allowed`.
    pub(crate) fn skip_if(
        &mut self,
        size: u64,
        allowed: impl Fn(&Block) -> bool,
    ) -> Result<bool, ArchiveError> {
        for _ in 0..size.div_ceil(BLOCK_BYTES as u64) {
            if !allowed(self.next()?.ok_or(ArchiveError::DataTruncated)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads `size` bytes of data into `data`, and skips their padding. Returns true if the padding
    /// is zero.
    pub(crate) fn read(&mut self, size: usize, data: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        data.clear();
        let padded = size.next_multiple_of(BLOCK_BYTES);
        while data.len() < padded {
            let step = self.available()?.min(padded - data.len());
            let read = self.buffer.get(self.start..self.start + step);
            data.extend_from_slice(read.unwrap_or_default());
            self.start += step;
        }
        let is_padding_zero = data.get(size..).is_none_or(is_zero);
        data.truncate(size);
        Ok(is_padding_zero)
    }

    /// Reads to the end of the archive. Returns true if the last block that was returned, and all
    /// blocks after it, are zero.
    pub(crate) fn is_rest_zero(&mut self) -> Result<bool, ArchiveError> {
        self.start -= BLOCK_BYTES;
        loop {
            if !self.buffer.get(self.start..self.end).is_none_or(is_zero) {
                return Ok(false);
            }
            self.refill()?;
            if self.end == 0 {
                return Ok(true);
            }
        }
    }

    /// Returns the number of bytes of data in the buffer, at least one.
    fn available(&mut self) -> Result<usize, ArchiveError> {
        if self.start == self.end {
            self.refill()?;
        }
        match self.end - self.start {
            0 => Err(ArchiveError::DataTruncated),
            available => Ok(available),
        }
    }

    fn refill(&mut self) -> Result<(), ArchiveError> {
        (self.start, self.end) = (0, 0);
        while let Some(free) = self.buffer.get_mut(self.end..).filter(|free| !free.is_empty()) {
            match self.gzip.read(free) {
                Ok(0) => return self.check_end(),
                Ok(read) => {
                    self.end += read;
                    self.unpacked_bytes += read as u64;
                }
                Err(error) => return Err(self.gzip_error(error)),
            }
            if self.unpacked_bytes > self.limit {
                return Err(ArchiveError::UnpackedSize { limit: self.limit });
            }
        }
        Ok(())
    }

    /// Checks what follows the gzip member. The decoder has verified its length and checksum.
    fn check_end(&mut self) -> Result<(), ArchiveError> {
        // Several gzip members, or other data: some readers stop after the first member, others
        // read all members.
        if !self.gzip.get_mut().fill_buf().map_err(ArchiveError::Read)?.is_empty() {
            return Err(ArchiveError::DataAfterGzip);
        }
        if !self.end.is_multiple_of(BLOCK_BYTES) {
            return Err(ArchiveError::BlockTruncated);
        }
        Ok(())
    }

    fn gzip_error(&self, error: io::Error) -> ArchiveError {
        match error.kind() {
            _ if self.gzip.get_ref().get_ref().1.failed => ArchiveError::Read(error),
            ErrorKind::UnexpectedEof => ArchiveError::GzipTruncated,
            _ => ArchiveError::GzipDamaged(error),
        }
    }
}

/// Reader that remembers its own failures: the decoder reports them as it reports damaged data.
struct Source<R> {
    reader: R,
    failed: bool,
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // The decoder does not retry an interrupted read of the gzip header.
        while let Err(error) = self.reader.fill_buf() {
            if error.kind() != ErrorKind::Interrupted {
                self.failed = true;
                return Err(error);
            }
        }
        self.reader.fill_buf()
    }

    fn consume(&mut self, read: usize) {
        self.reader.consume(read);
    }
}

/// Returns true if all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Without an early exit inside a block, the compiler compares many bytes at once.
    bytes.chunks(BLOCK_BYTES).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}
