//! Limits of an archive.

/// Upper limits of one archive. Each limit is inclusive.
///
/// The sender of an archive chooses all of these quantities. Each one costs time or memory here, or
/// time and disk space where the archive is unpacked, so each one has a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ArchiveLimits {
    /// Bytes of the unpacked tar: headers, data, padding and the end of the archive.
    ///
    /// Stops gzip bombs (CVE-2022-36114): deflate shrinks zeros to about a thousandth of their size.
    pub unpacked_bytes: u64,
    /// Files and directories.
    ///
    /// Stops archives of empty entries, which exhaust the inodes of the unpacking machine: an empty
    /// entry costs its sender a few compressed bytes.
    pub entries: usize,
    /// Bytes of one entry's path, as the archive spells it.
    ///
    /// Longer paths cannot be unpacked everywhere: `PATH_MAX` is 1,024 on macOS and 4,096 on Linux.
    pub path_bytes: usize,
    /// Bytes of one pax header or one GNU long name.
    ///
    /// A metadata header is held in memory as a whole.
    pub metadata_bytes: usize,
    /// Records of one pax header.
    ///
    /// The keys of one header are held in memory, to find duplicates. Ordinary tools write about a
    /// dozen records, and two for each extended attribute.
    pub pax_records: usize,
    /// Distinct paths, including the parent directories that have no entry of their own.
    ///
    /// Each distinct path takes memory until the end of the archive. Without this limit, 10,000
    /// paths of 500 components each would take the memory of five million.
    pub distinct_paths: usize,
    /// Bytes of all path components that are not ASCII, after Unicode normalization.
    ///
    /// Normalization is the most expensive step per byte of input: one character can become
    /// eighteen.
    pub normalized_bytes: usize,
}

impl ArchiveLimits {
    /// Limits for an archive that is uploaded in a form.
    pub const FORM: Self = Self {
        unpacked_bytes: 256 * 1024 * 1024,
        entries: 10_000,
        path_bytes: 1_024,
        metadata_bytes: 64 * 1024,
        pax_records: 128,
        distinct_paths: 65_536,
        normalized_bytes: 4 * 1024 * 1024,
    };

    /// Limits for an archive that is uploaded directly to S3.
    pub const DIRECT_UPLOAD: Self = Self { unpacked_bytes: 1024 * 1024 * 1024, ..Self::FORM };
}
