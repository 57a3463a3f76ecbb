//! Generated archives: every reader lists the same entries in each archive that is accepted.
//!
//! `ARCHIVE_CASES` sets the number of archives, or `ARCHIVE_SECONDS` the time to spend, and
//! `ARCHIVE_SEED` the seed of the generator. Each archive has a number, which is a seed of its own:
//! `ARCHIVE_CASE=7` generates only archive 7, and writes it to a file.

mod gzips;
mod random;
mod records;
mod tars;

use std::{
    env, fs,
    time::{Duration, Instant},
};

use crate::readers::{NamedArchive, assert_readers_agree, list};
use random::Random;

/// Archives that are listed at once.
const BATCH: u64 = 500;

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn readers_agree_on_generated_archives() {
    let seed = setting("ARCHIVE_SEED").unwrap_or(0x5eed);
    let time = setting("ARCHIVE_SECONDS").map(Duration::from_secs);
    let cases = setting("ARCHIVE_CASES").unwrap_or(if time.is_some() { u64::MAX } else { 2_000 });
    println!("ARCHIVE_SEED={seed}");
    if let Some(case) = setting("ARCHIVE_CASE") {
        return check_one(seed, case);
    }
    let start = Instant::now();
    let (mut generated, mut accepted) = (0, 0);
    while generated < cases && time.is_none_or(|time| start.elapsed() < time) {
        let batch = generated..cases.min(generated + BATCH);
        generated = batch.end;
        let archives = batch.map(|case| (format!("archive {case}"), generate(seed, case)));
        let archives: Vec<_> = archives.filter(|(_, archive)| list(archive).is_ok()).collect();
        accepted += archives.len();
        assert_readers_agree(&archives);
    }
    println!("{accepted} of {generated} archives accepted, in {:?}", start.elapsed());
    // Else the generator shows nothing.
    assert!(accepted as u64 >= generated / 5, "{accepted} of {generated} archives accepted");
}

fn check_one(seed: u64, case: u64) {
    let archive = generate(seed, case);
    let file = env::temp_dir().join(format!("archive-{seed}-{case}.tgz"));
    fs::write(&file, &archive).unwrap();
    println!("{}: {:?}", file.display(), list(&archive));
    if list(&archive).is_ok() {
        let archive: NamedArchive = (format!("archive {case}"), archive);
        assert_readers_agree(&[archive]);
    }
}

/// Generates an archive: ordinary, or with one or a few oddities.
fn generate(seed: u64, case: u64) -> Vec<u8> {
    let mut random = Random::new(seed, case);
    let oddities = random.pick(&[0, 1, 1, 1, 1, 2, 2, 3]);
    let tar = tars::tar(&mut random, oddities);
    gzips::gzip(&mut random, &tar)
}

#[test]
fn ordinary_generated_archives_are_accepted() {
    for case in 0..500 {
        let mut random = Random::new(0x5eed, case);
        let tar = tars::tar(&mut random, 0);
        let result = list(&archive_builder::Gzip::new(&tar).bytes());
        assert!(result.is_ok(), "archive {case}: {result:?}");
    }
}
