//! Archives to upload. They are generated, and have the same bytes in each run.

use std::{
    fmt::{self, Display, Formatter},
    io,
};

use fastrand::Rng;
use flate2::{Compression, GzBuilder};

/// Content of the files of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Text with a compression ratio between 4 and 5, like scripts and configuration.
    Text,
    /// Random bytes, which do not compress, like keys and compressed files.
    Incompressible,
    /// Text with a compression ratio of 16, like logs.
    Repetitive,
}

/// Description of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Name of the archive in results.
    pub name: &'static str,
    content: Content,
    files: usize,
    file_bytes: usize,
}

impl Archive {
    /// About 4.4 MB of text, 20 MB unpacked.
    pub const LARGE: Self = Self::new("text, 4.4 MB (20 MB unpacked)", Content::Text, 400, 50_000);

    /// A small archive, like most uploads.
    pub const SMALL: Self = Self::new("text, 1 KB", Content::Text, 2, 1_000);

    /// A larger archive than most uploads.
    pub const MEDIUM: Self = Self::new("text, 256 KB", Content::Text, 24, 50_000);

    /// The archives of 256 KB and more.
    pub const FROM_256_KB: [Self; 6] = [
        Self::LARGE,
        Self::new("incompressible, 4.4 MB", Content::Incompressible, 20, 220_000),
        Self::new("repetitive, 4 MB (64 MB unpacked)", Content::Repetitive, 128, 500_000),
        Self::MEDIUM,
        Self::new("incompressible, 256 KB", Content::Incompressible, 8, 32_000),
        Self::new("repetitive, 256 KB (4 MB unpacked)", Content::Repetitive, 8, 500_000),
    ];

    /// Archives that only a direct upload can carry; the largest are near a limit.
    pub const DIRECT_UPLOADS: [Self; 4] = [
        Self::new("incompressible, 64 MB", Content::Incompressible, 290, 220_000),
        Self::new("incompressible, 268 MB", Content::Incompressible, 1_215, 220_000),
        Self::new("text, 64 MB (290 MB unpacked)", Content::Text, 1_450, 200_000),
        Self::new("text, 230 MB (1.05 GB unpacked)", Content::Text, 5_250, 200_000),
    ];

    /// About 4 KB of text, 16 KB unpacked.
    pub const TEXT_4_KB: Self = Self::new("text, 4 KB", Content::Text, 4, 3_000);

    const fn new(name: &'static str, content: Content, files: usize, file_bytes: usize) -> Self {
        Self { name, content, files, file_bytes }
    }

    /// Generates the tar.gz.
    ///
    /// # Errors
    ///
    /// The tar cannot be written; never for the archives of this module.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut random = Rng::with_seed(0);
        let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
        let mut tar = tar::Builder::new(gzip);
        for number in 0..self.files {
            let content = self.content.generate(&mut random, self.file_bytes);
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

/// Gives `archive` another digest with the same content: sets the modification time in the gzip
/// header (RFC 1952, section 2.3) to `number`.
pub fn make_unique(archive: &mut [u8], number: u32) {
    if let Some(modification_time) = archive.get_mut(4..8) {
        modification_time.copy_from_slice(&number.to_le_bytes());
    }
}

impl Content {
    fn generate(self, random: &mut Rng, length: usize) -> Vec<u8> {
        match self {
            Self::Text => text(random, length, 53),
            Self::Incompressible => std::iter::repeat_with(|| random.u8(..)).take(length).collect(),
            Self::Repetitive => text(random, length, 91),
        }
    }
}

/// Generates lines of words. `repeated_percent` of them repeat a recent line.
fn text(random: &mut Rng, length: usize, repeated_percent: u8) -> Vec<u8> {
    const RECENT_LINES: usize = 16;
    let mut text = Vec::with_capacity(length);
    let mut recent: Vec<Vec<u8>> = Vec::new();
    while text.len() < length {
        let repeat = random.u8(..100) < repeated_percent;
        let line = match recent.get(random.usize(..RECENT_LINES)) {
            Some(line) if repeat => line.clone(),
            _ => line(random),
        };
        text.extend_from_slice(&line);
        if recent.len() == RECENT_LINES {
            recent.remove(0);
        }
        recent.push(line);
    }
    text.truncate(length);
    text
}

/// Generates a line of words from a vocabulary, in which some words are far more frequent than
/// others.
fn line(random: &mut Rng) -> Vec<u8> {
    const VOCABULARY: f64 = 2_000.0;
    let mut line = Vec::new();
    for _ in 0..random.usize(4..14) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2,000")]
        let number = (VOCABULARY * random.f64().powi(3)) as u64;
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
    fn archives_have_the_sizes_in_their_names() {
        const KB: usize = 1_000;
        for (archive, packed, unpacked) in [
            (Archive::SMALL, 1..2 * KB, KB..6 * KB),
            (Archive::TEXT_4_KB, 3 * KB..5 * KB, 12 * KB..18 * KB),
            (Archive::FROM_256_KB[0], 4_200 * KB..4_500 * KB, 19_500 * KB..20_500 * KB),
            (Archive::FROM_256_KB[1], 4_400 * KB..4_500 * KB, 4_400 * KB..4_500 * KB),
            (Archive::FROM_256_KB[2], 3_800 * KB..4_200 * KB, 63_000 * KB..65_000 * KB),
            (Archive::FROM_256_KB[3], 240 * KB..280 * KB, 1_100 * KB..1_300 * KB),
            (Archive::FROM_256_KB[4], 250 * KB..270 * KB, 250 * KB..270 * KB),
            (Archive::FROM_256_KB[5], 235 * KB..280 * KB, 3_900 * KB..4_200 * KB),
        ] {
            let mut bytes = archive.bytes().unwrap();
            assert!(packed.contains(&bytes.len()), "{}: {}", archive.name, bytes.len());
            let mut tar = Vec::new();
            GzDecoder::new(bytes.as_slice()).read_to_end(&mut tar).unwrap();
            assert!(unpacked.contains(&tar.len()), "{}: {}", archive.name, tar.len());
            make_unique(&mut bytes, 7);
            check(&bytes[..], &ArchiveLimits::FORM, |_| ()).unwrap();
        }
    }
}
