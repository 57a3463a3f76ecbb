//! Implementations of the validation of an upload, from the bytes of an event to the digest of the
//! file: the service's, and two baselines to compare it with.

pub mod plain;
pub mod service;

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use serde::de::DeserializeOwned;
use shared::domain::Digest;

use crate::Result;

/// The lower bound of a validation: inflates the archive once, with the service's library, and
/// hashes it once. It parses nothing, and checks only gzip's checksum.
#[derive(Debug)]
pub struct LowerBound {
    buffer: Box<[u8]>,
}

impl LowerBound {
    /// Size of the service's buffer for inflated data, in bytes.
    pub const BUFFER_BYTES: usize = 256 * 1024;

    /// Creates a lower bound with a buffer of `buffer_bytes` for inflated data.
    #[must_use]
    pub fn new(buffer_bytes: usize) -> Self {
        Self { buffer: vec![0; buffer_bytes].into_boxed_slice() }
    }

    /// Inflates the archive and returns its unpacked size in bytes.
    ///
    /// # Errors
    ///
    /// The archive is not valid gzip.
    pub fn inflate(&mut self, archive: &[u8]) -> io::Result<u64> {
        let mut gzip = GzDecoder::new(archive);
        let mut unpacked = 0;
        loop {
            match gzip.read(&mut self.buffer)? {
                0 => return Ok(unpacked),
                read => unpacked += read as u64,
            }
        }
    }

    /// Inflates and hashes the archive. Returns its unpacked size in bytes, and its digest.
    ///
    /// # Errors
    ///
    /// The archive is not valid gzip.
    pub fn run(&mut self, archive: &[u8]) -> io::Result<(u64, Digest)> {
        Ok((self.inflate(archive)?, Digest::of(archive)))
    }
}

/// Deserializes an event as `lambda_runtime` does.
fn deserialize<T: DeserializeOwned>(event: &[u8]) -> Result<T> {
    Ok(serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(event))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{archive::Archive, event::EventBuilder};

    #[test]
    fn all_implementations_return_the_same_digest() {
        let events = EventBuilder { token: "token".to_owned(), catalog_id: "catalog".to_owned() };
        let archive = Archive::SMALL.bytes().unwrap();
        let event = events.create(&archive, None).unwrap();
        let (_, digest) = LowerBound::new(LowerBound::BUFFER_BYTES).run(&archive).unwrap();
        assert_eq!(service::validate(&event).unwrap(), digest);
        assert_eq!(plain::validate(&event).unwrap(), digest);
    }
}
