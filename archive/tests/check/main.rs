//! Archives: which are refused and in which words, where each limit lies, that ordinary tools'
//! pass, and that every reader lists what passes as we do.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic here is a failed test"
)]

mod boundaries;
mod hostile;
mod odd;
mod one_view;
mod ordinary;
mod readers;

use std::io::{self, BufRead, Read};

use archive::Limits;
use archive_builder::{BLOCK, Tarball};
use boundaries::Boundary;
use hostile::Hostile;

/// Small enough to reach every limit with a few bytes.
const TINY: Limits = Limits {
    unpacked: 16 * BLOCK as u64,
    entries: 3,
    path: 12,
    metadata: 40,
    records: 2,
    names: 5,
    unfolded: 20,
};

/// A file that nothing is wrong with.
fn sound() -> Tarball {
    Tarball::new().file("bin/run", b"#!/bin/sh\n")
}

/// What the service says of an archive: nothing, or the rule and the message.
fn verdict(archive: &[u8], limits: &Limits) -> Result<(), (&'static str, String)> {
    archive::check(archive, limits).map_err(|fault| (fault.rule(), fault.to_string()))
}

#[test]
fn every_hostile_archive_is_refused_by_its_rule() {
    let wrong: Vec<_> = hostile::archives()
        .into_iter()
        .filter_map(|Hostile { what, archive, rule, message }| {
            let verdict = verdict(&archive, &Limits::PRODUCTION);
            (verdict != Err((rule, message.clone())))
                .then(|| format!("{what}: {verdict:?}, not {rule} {message:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_limit_lies_where_it_is_said_to_lie() {
    for Boundary { what, limits, passes, fails, message } in
        [TINY, Limits::PRODUCTION].into_iter().flat_map(boundaries::of)
    {
        assert_eq!(verdict(&passes, &limits), Ok(()), "the last that passes: {what}");
        assert_eq!(
            verdict(&fails, &limits).map_err(|(_, message)| message),
            Err(message),
            "the first that fails: {what}"
        );
    }
}

/// A reader that gives no more than so many bytes at a time.
struct Chunks<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Read for Chunks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Chunks<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.rest[..self.size.min(self.rest.len())])
    }

    fn consume(&mut self, read: usize) {
        self.rest = &self.rest[read..];
    }
}

#[test]
fn the_verdict_does_not_depend_on_how_the_archive_is_chunked() {
    let hostile =
        hostile::archives().into_iter().map(|hostile| (hostile.archive, Limits::PRODUCTION));
    let bounded = boundaries::of(TINY).into_iter().flat_map(|boundary| {
        [(boundary.passes, boundary.limits), (boundary.fails, boundary.limits)]
    });
    for (archive, limits) in hostile.chain(bounded) {
        let whole = verdict(&archive, &limits);
        for size in [1, 7, BLOCK, 64 * 1024] {
            let chunked = archive::walk(Chunks { rest: &archive, size }, &limits, |_| ());
            assert_eq!(
                chunked.map_err(|fault| (fault.rule(), fault.to_string())),
                whole,
                "in chunks of {size}"
            );
        }
    }
}

#[test]
fn odd_but_sound_archives_pass_and_every_reader_lists_them_as_we_do() {
    let sound = odd::archives();
    for (what, archive) in &sound {
        assert_eq!(verdict(archive, &Limits::PRODUCTION), Ok(()), "{what}");
    }
    assert_eq!(readers::Readers::find().disagreements(&sound), Vec::<String>::new());
}
