//! Failures of the reader, which are no property of the archive.

use std::{
    error::Error,
    io::{self, BufReader, Read},
};

use archive::{ArchiveError, ArchiveLimits, Summary};
use archive_builder::Gzip;
use rstest::rstest;

use crate::{check, valid};

/// Yields bytes, then an error, then the rest of the bytes.
struct FailingReader<'a> {
    before: &'a [u8],
    error: Option<io::ErrorKind>,
    after: &'a [u8],
}

impl Read for FailingReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.before.is_empty() {
            return self.before.read(into);
        }
        match self.error.take() {
            Some(error) => Err(error.into()),
            None => self.after.read(into),
        }
    }
}

/// An archive of more than a block, of which the start is read before it is decompressed.
fn archive() -> Vec<u8> {
    Gzip::stored(&valid().tar(), u16::MAX).bytes()
}

fn check_with_error(at: usize, error: io::ErrorKind) -> Result<Summary, ArchiveError> {
    let archive = archive();
    let (before, after) = archive.split_at(at);
    let reader = BufReader::new(FailingReader { before, error: Some(error), after });
    archive::check(reader, &ArchiveLimits::FORM, |_| ())
}

#[rstest]
fn a_read_error_is_not_attributed_to_the_archive(
    #[values(0, 5, 40, 600)] at: usize,
    #[values(io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof)] kind: io::ErrorKind,
) {
    let error = check_with_error(at, kind).unwrap_err();
    assert_eq!((error.rule(), error.to_string().as_str()), ("read", "the archive cannot be read"));
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.map(io::Error::kind), Some(kind));
}

#[rstest]
fn an_interrupted_read_is_retried(#[values(0, 5, 40, 600)] at: usize) {
    let summary = check_with_error(at, io::ErrorKind::Interrupted).unwrap();
    assert_eq!(Ok(summary), check(&archive()[..], &ArchiveLimits::FORM));
}
