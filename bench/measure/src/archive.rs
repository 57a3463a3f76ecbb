//! The archives that are uploaded: made anew each time, and always the same.

use std::{
    fmt::{self, Display, Formatter},
    io,
};

use fastrand::Rng;
use flate2::{Compression, GzBuilder};

/// What the files of an archive hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Text that shrinks to between a quarter and a fifth, as scripts and settings do.
    Text,
    /// What does not shrink at all, as keys and what is packed already.
    Incompressible,
    /// Text that shrinks to a sixteenth, as logs do.
    Repetitive,
}

/// An archive to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archive {
    /// What it is called in results.
    pub name: &'static str,
    content: Content,
    files: usize,
    /// Bytes of each file.
    file: usize,
}

impl Archive {
    /// About 4.4 MB of text, 20 MB unpacked.
    pub const LARGE: Self = Self::new("text, 4.4 MB (20 MB unpacked)", Content::Text, 400, 50_000);

    /// What nearly every upload is like: a few kilobytes of text.
    pub const SMALL: Self = Self::new("text, 1 KB", Content::Text, 2, 1_000);

    /// A larger one than most.
    pub const MEDIUM: Self = Self::new("text, 256 KB", Content::Text, 24, 50_000);

    /// Those of 256 KB and more.
    pub const LARGE_ONES: [Self; 6] = [
        Self::LARGE,
        Self::new("incompressible, 4.4 MB", Content::Incompressible, 20, 220_000),
        Self::new("repetitive, 4 MB (64 MB unpacked)", Content::Repetitive, 128, 500_000),
        Self::MEDIUM,
        Self::new("incompressible, 256 KB", Content::Incompressible, 8, 32_000),
        Self::new("repetitive, 256 KB (4 MB unpacked)", Content::Repetitive, 8, 500_000),
    ];

    /// Those of a few kilobytes.
    pub const SMALL_ONES: [Self; 1] = [Self::new("text, 4 KB", Content::Text, 4, 3_000)];

    const fn new(name: &'static str, content: Content, files: usize, file: usize) -> Self {
        Self { name, content, files, file }
    }

    /// The gzipped tar.
    ///
    /// # Errors
    ///
    /// Never, unless the archive is larger than memory.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut random = Rng::with_seed(0);
        let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
        let mut tar = tar::Builder::new(gzip);
        for number in 0..self.files {
            let content = self.content.bytes(&mut random, self.file);
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            let path = format!("customization/part-{:02}/file-{number:04}", number % 16);
            tar.append_data(&mut header, path, content.as_slice())?;
        }
        tar.into_inner()?.finish()
    }
}

impl Display for Archive {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// Makes `archive` another one of the same content: its time of making (RFC 1952, section 2.3) is
/// `number`.
pub fn renew(archive: &mut [u8], number: u32) {
    if let Some(time) = archive.get_mut(4..8) {
        time.copy_from_slice(&number.to_le_bytes());
    }
}

impl Content {
    fn bytes(self, random: &mut Rng, length: usize) -> Vec<u8> {
        match self {
            Self::Text => text(random, length, 53),
            Self::Incompressible => std::iter::repeat_with(|| random.u8(..)).take(length).collect(),
            Self::Repetitive => text(random, length, 91),
        }
    }
}

/// Lines of words, of which `repeated` in a hundred are one of the last few again.
fn text(random: &mut Rng, length: usize, repeated: u8) -> Vec<u8> {
    const RECENT: usize = 16;
    let mut text = Vec::with_capacity(length);
    let mut recent: Vec<Vec<u8>> = Vec::new();
    while text.len() < length {
        let again = random.u8(..100) < repeated;
        let line = match recent.get(random.usize(..RECENT)) {
            Some(line) if again => line.clone(),
            _ => line(random),
        };
        text.extend_from_slice(&line);
        if recent.len() == RECENT {
            recent.remove(0);
        }
        recent.push(line);
    }
    text.truncate(length);
    text
}

/// A line of words, the first of two thousand far more often than the last.
fn line(random: &mut Rng) -> Vec<u8> {
    const WORDS: f64 = 2_000.0;
    let mut line = Vec::new();
    for _ in 0..random.usize(4..14) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2,000")]
        let number = (WORDS * random.f64().powi(3)) as u64;
        let mut word = Rng::with_seed(number);
        for _ in 0..word.usize(2..9) {
            line.push(word.lowercase() as u8);
        }
        line.push(b' ');
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use archive::{ArchiveLimits, check};
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn archives_are_of_the_sizes_that_they_are_called_by() {
        const KB: usize = 1_000;
        for (archive, packed, unpacked) in [
            (Archive::SMALL, 1..2 * KB, KB..6 * KB),
            (Archive::SMALL_ONES[0], 3 * KB..5 * KB, 12 * KB..18 * KB),
            (Archive::LARGE_ONES[0], 4_200 * KB..4_500 * KB, 19_500 * KB..20_500 * KB),
            (Archive::LARGE_ONES[1], 4_400 * KB..4_500 * KB, 4_400 * KB..4_500 * KB),
            (Archive::LARGE_ONES[2], 3_800 * KB..4_200 * KB, 63_000 * KB..65_000 * KB),
            (Archive::LARGE_ONES[3], 240 * KB..280 * KB, 1_100 * KB..1_300 * KB),
            (Archive::LARGE_ONES[4], 250 * KB..270 * KB, 250 * KB..270 * KB),
            (Archive::LARGE_ONES[5], 235 * KB..280 * KB, 3_900 * KB..4_200 * KB),
        ] {
            let mut bytes = archive.bytes().unwrap();
            assert!(packed.contains(&bytes.len()), "{}: {}", archive.name, bytes.len());
            let mut tar = Vec::new();
            GzDecoder::new(bytes.as_slice()).read_to_end(&mut tar).unwrap();
            assert!(unpacked.contains(&tar.len()), "{}: {}", archive.name, tar.len());
            renew(&mut bytes, 7);
            check(&bytes[..], &ArchiveLimits::FORM, |_| ()).unwrap();
        }
    }
}
