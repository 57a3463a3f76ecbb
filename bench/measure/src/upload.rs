//! The ways from an event's bytes to a validated upload: the service's, and what it is measured
//! against.

pub mod plain;
pub mod service;

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use serde::de::DeserializeOwned;
use shared::domain::Digest;

use crate::Outcome;

/// BASE, the least that must be done with an archive: inflated once, by the library that the
/// service takes, and hashed once. Nothing is parsed and nothing is checked but gzip's checksum.
#[derive(Debug)]
pub struct Base(Box<[u8]>);

impl Base {
    /// Bytes of the buffer that is inflated into, as the service has it.
    pub const BUFFER: usize = 256 * 1024;

    /// With a buffer of so many bytes.
    #[must_use]
    pub fn new(buffer: usize) -> Self {
        Self(vec![0; buffer].into_boxed_slice())
    }

    /// How many bytes are in the archive.
    ///
    /// # Errors
    ///
    /// It is no archive.
    pub fn inflate(&mut self, archive: &[u8]) -> io::Result<u64> {
        let mut gzip = GzDecoder::new(archive);
        let mut unpacked = 0;
        loop {
            match gzip.read(&mut self.0)? {
                0 => return Ok(unpacked),
                read => unpacked += read as u64,
            }
        }
    }

    /// How many bytes are in the archive, and its digest.
    ///
    /// # Errors
    ///
    /// It is no archive.
    pub fn run(&mut self, archive: &[u8]) -> io::Result<(u64, Digest)> {
        Ok((self.inflate(archive)?, Digest::of(archive)))
    }
}

/// An event, as `lambda_runtime` deserializes it.
fn deserialize<T: DeserializeOwned>(event: &[u8]) -> Outcome<T> {
    Ok(serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(event))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{archive::Archive, event::Caller};

    #[test]
    fn all_ways_lead_to_the_same_digest() {
        let caller = Caller { token: "token".to_owned(), catalog_id: "catalog".to_owned() };
        let archive = Archive::SMALL.bytes().unwrap();
        let event = caller.create(&archive, None).unwrap();
        let (_, digest) = Base::new(Base::BUFFER).run(&archive).unwrap();
        assert_eq!(service::validated(&event).unwrap(), digest);
        assert_eq!(plain::validated(&event).unwrap(), digest);
    }
}
