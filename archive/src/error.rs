//! Reasons for refusing an archive, with the texts that its sender reads.

use std::{
    fmt::{self, Display},
    io,
};

use crate::unicode::is_default_ignorable;

/// Reason for refusing an archive.
///
/// The text is for the sender: it names the entry and the rule, and says what to change. Bytes of
/// the archive appear in it only [escaped and cut](Escaped). Causes ([`std::error::Error::source`])
/// are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The reader failed. This is no property of the archive: a retry may succeed.
    #[error("the archive cannot be read")]
    Read(#[source] io::Error),
    /// No bytes.
    #[error("the archive is empty")]
    Empty,
    /// No gzip header, or reserved flags in it (RFC 1952, section 2.3.1).
    #[error("the archive is not in gzip format; send a tar.gz")]
    NotGzip,
    /// Extra field in the gzip header, which can hide data.
    #[error("the archive's gzip header has an extra field; compress it with `gzip`")]
    GzipExtra,
    /// Comment in the gzip header, which can hide data.
    #[error("the archive's gzip header has a comment; compress it with `gzip`")]
    GzipComment,
    /// File name in the gzip header that no file can have.
    #[error(
        "the archive's gzip header has a file name of more than {limit} bytes or with control characters; compress it with `gzip -n`"
    )]
    GzipName {
        /// Bytes.
        limit: usize,
    },
    /// The compressed file starts with what some reader takes for a tar header.
    #[error("the archive is an uncompressed tar as well; compress it again with `gzip -n`")]
    GzipPolyglot,
    /// The gzip member is incomplete.
    #[error("the archive is cut short: its gzip data does not end")]
    GzipTruncated,
    /// Invalid deflate data, or a wrong checksum or length.
    #[error("the archive's gzip data is damaged")]
    GzipDamaged(#[source] io::Error),
    /// Another gzip member, or other data, after the first member.
    #[error("the archive has data after the end of its gzip data; send one gzip member alone")]
    DataAfterGzip,
    /// More than [`crate::ArchiveLimits::unpacked_bytes`].
    #[error("the archive unpacks to more than {limit} bytes")]
    UnpackedSize {
        /// Bytes.
        limit: u64,
    },
    /// The tar is no whole number of blocks.
    #[error("the archive's tar does not end at a multiple of 512 bytes")]
    BlockTruncated,
    /// The tar ends inside an entry's data.
    #[error("the archive's tar ends inside an entry")]
    DataTruncated,
    /// Two zero blocks are missing at the end.
    #[error("the archive's tar does not end with two blocks of zeros")]
    NoEnd,
    /// Anything but zeros after the end.
    #[error("the archive's tar has data after its end")]
    DataAfterEnd,
    /// No entry, or directories only.
    #[error("the archive holds no file")]
    NoFile,
    /// More than [`crate::ArchiveLimits::entries`].
    #[error("the archive holds more than {limit} entries")]
    Entries {
        /// Files and directories.
        limit: usize,
    },
    /// One entry breaks a rule.
    #[error("entry {entry} {error}")]
    Entry {
        /// The entry.
        entry: EntryRef,
        /// The rule that it breaks.
        error: EntryError,
    },
}

impl ArchiveError {
    /// Returns the stable name of the broken rule, for metrics.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::Empty => "empty",
            Self::NotGzip => "not-gzip",
            Self::GzipExtra => "gzip-extra",
            Self::GzipComment => "gzip-comment",
            Self::GzipName { .. } => "gzip-name",
            Self::GzipPolyglot => "gzip-polyglot",
            Self::GzipTruncated => "gzip-truncated",
            Self::GzipDamaged(_) => "gzip-damaged",
            Self::DataAfterGzip => "data-after-gzip",
            Self::UnpackedSize { .. } => "unpacked-size",
            Self::BlockTruncated => "block-truncated",
            Self::DataTruncated => "data-truncated",
            Self::NoEnd => "no-end",
            Self::DataAfterEnd => "data-after-end",
            Self::NoFile => "no-file",
            Self::Entries { .. } => "entries",
            Self::Entry { error, .. } => error.rule(),
        }
    }
}

/// Reference to an entry in a message.
#[derive(Debug)]
pub enum EntryRef {
    /// The entry's path.
    Path(Escaped),
    /// The entry's position, from 1, if its path is not known.
    Number(usize),
}

impl Display for EntryRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "`{path}`"),
            Self::Number(number) => write!(formatter, "number {number}"),
        }
    }
}

/// Bytes of the archive, safe to show in a message, a log or a terminal.
///
/// Only spaces, visible letters, digits and printable ASCII are shown as they are; backquotes, backslashes
/// and all other characters are escaped. The text is cut after 100 characters.
#[derive(Debug)]
pub struct Escaped(String);

impl Escaped {
    /// Characters before the cut.
    const MAX_CHARACTERS: usize = 100;

    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut characters = bytes.utf8_chunks().flat_map(|chunk| {
            let invalid =
                chunk.invalid().iter().flat_map(|byte| byte.escape_ascii().map(char::from));
            chunk.valid().chars().flat_map(escape).chain(invalid)
        });
        let mut text: String = characters.by_ref().take(Self::MAX_CHARACTERS).collect();
        if characters.next().is_some() {
            text.push('…');
        }
        Self(text)
    }
}

impl Display for Escaped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Returns the character, or its escape sequence.
fn escape(character: char) -> impl Iterator<Item = char> {
    let is_plain = match character {
        '`' | '\\' => false,
        ' ' => true,
        // Hangul fillers are letters that nobody sees.
        _ if is_default_ignorable(character) => false,
        _ => character.is_ascii_graphic() || character.is_alphanumeric(),
    };
    let escape = (!is_plain).then(|| character.escape_unicode());
    is_plain.then_some(character).into_iter().chain(escape.into_iter().flatten())
}

/// Entry type that an archive must not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusedType {
    /// Hard link.
    HardLink,
    /// Symbolic link.
    SymbolicLink,
    /// Character device.
    CharacterDevice,
    /// Block device.
    BlockDevice,
    /// Fifo.
    Fifo,
    /// Contiguous file: POSIX reserves the type, and readers differ on it.
    ContiguousFile,
    /// List of a directory's files, of an incremental GNU tar archive.
    DumpDirectory,
    /// GNU tar's long name of a link's target.
    LongLink,
    /// Continuation of a file from another volume.
    MultiVolume,
    /// GNU tar's sparse file.
    SparseFile,
    /// Label of a GNU tar volume.
    VolumeLabel,
    /// Pax header of Solaris, before POSIX.
    SolarisHeader,
    /// Any other type.
    Unknown,
}

impl RefusedType {
    /// Returns the rule's name, and the words that follow "is" in the message.
    fn rule_and_words(self) -> (&'static str, &'static str) {
        match self {
            Self::HardLink => ("hard-link", "a hard link"),
            Self::SymbolicLink => ("symbolic-link", "a symbolic link"),
            Self::CharacterDevice => ("character-device", "a character device"),
            Self::BlockDevice => ("block-device", "a block device"),
            Self::Fifo => ("fifo", "a fifo"),
            Self::ContiguousFile => ("contiguous-file", "a contiguous file"),
            Self::DumpDirectory => ("dump-directory", "a GNU dump directory"),
            Self::LongLink => ("long-link", "a GNU long link name"),
            Self::MultiVolume => ("multi-volume", "a part of a multi-volume archive"),
            Self::SparseFile => ("sparse-file", "a sparse file"),
            Self::VolumeLabel => ("volume-label", "a volume label"),
            Self::SolarisHeader => ("solaris-header", "a Solaris extended header"),
            Self::Unknown => ("unknown-type", "of an unknown type"),
        }
    }
}

impl Display for RefusedType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.rule_and_words().1)
    }
}

/// Rule that one entry breaks. The text follows the entry's name.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Neither file nor directory.
    #[error("is {0}; only files and directories are allowed")]
    RefusedType(RefusedType),
    /// Neither POSIX's nor GNU tar's magic number.
    #[error("has a header that is not in ustar, pax or GNU format")]
    HeaderFormat,
    /// Header that bsdtar takes for bzip2 data.
    #[error("has a name that is the start of bzip2 data")]
    HeaderBzip2,
    /// The header's checksum is not the sum of its bytes.
    #[error("has a header with a wrong checksum")]
    HeaderChecksum,
    /// Sum of the header's bytes that a reader cannot compute.
    #[error("has a header whose checksum is too large for some readers; shorten its names")]
    HeaderSum,
    /// Bytes after the last field.
    #[error("has a header with data after its last field")]
    HeaderPadding,
    /// Path for readers that do not know metadata headers, which differs from the entry's path.
    #[error(
        "has another path, `{path}`, in its own header, where readers without pax headers look; pack it in GNU format, such as by `tar --format=gnu`"
    )]
    OwnPath {
        /// The path in the entry's own header.
        path: Escaped,
    },
    /// Name that a reader takes for metadata.
    #[error("has the name `pax_global_header`, under which some readers hide it; rename it")]
    PerlMetadataName,
    /// Tar header in the data of a file that a reader takes for a directory.
    #[error(
        "has data that readers without pax headers take for a tar header; pack it in GNU format, such as by `tar --format=gnu`"
    )]
    DataIsHeader,
    /// Number that readers parse differently.
    #[error("has a header with a malformed {0}")]
    HeaderNumber(&'static str),
    /// Text that readers parse differently.
    #[error("has a header with a malformed {0}")]
    HeaderText(&'static str),
    /// Fields of incremental, sparse or multi-volume archives.
    #[error(
        "has a header with fields of GNU tar's that only incremental, sparse or multi-volume archives need"
    )]
    HeaderGnuFields,
    /// Setuid, setgid or sticky bit.
    #[error("has its setuid, setgid or sticky bit set; clear it")]
    SpecialMode,
    /// File type in the mode that differs from the type flag.
    #[error("has another file type in its mode than in its type flag")]
    ModeType,
    /// Link name in the header of a file or directory.
    #[error("has a link name, though it is not a link")]
    LinkName,
    /// Data after a directory's header.
    #[error("is a directory with data")]
    DirectoryData,
    /// Path of a file that ends with `/` or `/.`.
    #[error("is a file whose path ends like a directory's")]
    FileSlash,
    /// Metadata header without an entry after it.
    #[error("has a pax header or long name that is not followed by its file or directory")]
    MetadataStray,
    /// More than [`crate::ArchiveLimits::metadata_bytes`].
    #[error("has a pax header or long name of more than {limit} bytes")]
    MetadataSize {
        /// Bytes.
        limit: usize,
    },
    /// Hidden data after a metadata header's data.
    #[error("has a pax header or long name whose padding is not zeros")]
    MetadataPadding,
    /// NUL inside a GNU long name.
    #[error("has a long name with a NUL in it")]
    LongName,
    /// Record that is not `"%d %s=%s\n"`.
    #[error("has a malformed pax header")]
    PaxMalformed,
    /// More than [`crate::ArchiveLimits::pax_records`].
    #[error("has a pax header of more than {limit} records")]
    PaxRecords {
        /// Records.
        limit: usize,
    },
    /// Two records with one key.
    #[error("has a pax header that sets `{key}` twice")]
    PaxDuplicate {
        /// The key.
        key: Escaped,
    },
    /// Key that changes what an entry is.
    #[error("has a pax header that sets `{key}`, which is not allowed")]
    PaxKey {
        /// The key.
        key: Escaped,
    },
    /// Key that gives an unpacked file powers.
    #[error(
        "has a pax header that sets `{key}`, which gives the unpacked file powers; pack it with {remedy}"
    )]
    PaxPower {
        /// The key.
        key: Escaped,
        /// Option of GNU tar or bsdtar that leaves it out.
        remedy: &'static str,
    },
    /// Value with a line that readers take for a record.
    #[error(
        "has a pax header with a newline in or before `{key}`, after which some readers find other records; pack it without"
    )]
    PaxNewline {
        /// The key.
        key: Escaped,
    },
    /// Value that readers parse differently.
    #[error("has a pax header with a malformed `{key}`")]
    PaxValue {
        /// The key.
        key: Escaped,
    },
    /// Path of digits only, which a reader takes for a number.
    #[error("has a pax header whose path is empty or a number; rename it")]
    PaxNumericPath,
    /// Text that a reader takes for a character set other than UTF-8.
    #[error("has a pax header that sets a character set; names must be UTF-8")]
    PaxCharset,
    /// Size other than the entry's own header gives.
    #[error("has a pax header whose size is not the size that the entry's own header gives")]
    PaxSize,
    /// Key other than a comment in a global pax header.
    #[error("has a global pax header that sets `{key}`; only a comment is allowed")]
    PaxGlobal {
        /// The key.
        key: Escaped,
    },
    /// More than [`crate::ArchiveLimits::path_bytes`].
    #[error("has a path of more than {limit} bytes")]
    PathLength {
        /// Bytes.
        limit: usize,
    },
    /// Empty path.
    #[error("has an empty path")]
    PathEmpty,
    /// Path in another encoding.
    #[error("has a path that is not UTF-8")]
    PathUtf8,
    /// Control or format characters.
    #[error("has control or invisible formatting characters in its path")]
    PathControl,
    /// Backslash.
    #[error("has a backslash in its path; separate directories by `/`")]
    PathBackslash,
    /// Path such as `/etc`.
    #[error("has an absolute path; paths must be relative")]
    PathAbsolute,
    /// Path such as `C:`.
    #[error("has a path that starts with a drive letter; paths must be relative")]
    PathDrive,
    /// Path traversal.
    #[error("has `..` in its path")]
    PathParent,
    /// Path traversal that Unicode normalization reveals.
    #[error(
        "has characters in its path that Unicode normalization turns into `/`, `\\`, dots or nothing"
    )]
    PathNormalized,
    /// Path of an earlier entry.
    #[error("is in the archive twice")]
    PathDuplicate,
    /// Path that some file systems take for that of an earlier entry.
    #[error("has a path that differs from another entry's path only in case or Unicode form")]
    PathCollision,
    /// Parent directory that some file systems take for another one.
    #[error(
        "has a parent directory that differs from another entry's only in case or Unicode form"
    )]
    ParentCollision,
    /// An earlier entry is a file and a parent of this entry.
    #[error("lies inside another entry that is a file")]
    InsideFile,
    /// A file that is a parent of an earlier entry.
    #[error("is a file, but other entries lie inside it")]
    FileIsParent,
    /// More than [`crate::ArchiveLimits::distinct_paths`].
    #[error("brings the archive to more than {limit} different paths, directories counted")]
    DistinctPaths {
        /// Paths.
        limit: usize,
    },
    /// More than [`crate::ArchiveLimits::normalized_bytes`].
    #[error(
        "brings the archive's non-ASCII names to more than {limit} bytes after Unicode normalization"
    )]
    NormalizedBytes {
        /// Bytes.
        limit: usize,
    },
}

impl EntryError {
    fn rule(&self) -> &'static str {
        match self {
            Self::RefusedType(refused) => refused.rule_and_words().0,
            Self::HeaderFormat => "header-format",
            Self::HeaderBzip2 => "header-bzip2",
            Self::HeaderChecksum => "header-checksum",
            Self::HeaderSum => "header-sum",
            Self::HeaderPadding => "header-padding",
            Self::OwnPath { .. } => "own-path",
            Self::PerlMetadataName => "metadata-name",
            Self::DataIsHeader => "data-is-header",
            Self::HeaderNumber(_) => "header-number",
            Self::HeaderText(_) => "header-text",
            Self::HeaderGnuFields => "header-gnu-fields",
            Self::SpecialMode => "special-mode",
            Self::ModeType => "mode-type",
            Self::LinkName => "link-name",
            Self::DirectoryData => "directory-data",
            Self::FileSlash => "file-slash",
            Self::MetadataStray => "metadata-stray",
            Self::MetadataSize { .. } => "metadata-size",
            Self::MetadataPadding => "metadata-padding",
            Self::LongName => "long-name",
            Self::PaxMalformed => "pax-malformed",
            Self::PaxRecords { .. } => "pax-records",
            Self::PaxDuplicate { .. } => "pax-doubled",
            Self::PaxKey { .. } => "pax-key",
            Self::PaxPower { .. } => "pax-power",
            Self::PaxNewline { .. } => "pax-newline",
            Self::PaxValue { .. } => "pax-value",
            Self::PaxNumericPath => "pax-numeric-path",
            Self::PaxCharset => "pax-charset",
            Self::PaxSize => "pax-size",
            Self::PaxGlobal { .. } => "pax-global",
            Self::PathLength { .. } => "path-length",
            Self::PathEmpty => "path-empty",
            Self::PathUtf8 => "path-utf8",
            Self::PathControl => "path-control",
            Self::PathBackslash => "path-backslash",
            Self::PathAbsolute => "path-absolute",
            Self::PathDrive => "path-drive",
            Self::PathParent => "path-parent",
            Self::PathNormalized => "path-unfolded",
            Self::PathDuplicate => "path-twice",
            Self::PathCollision | Self::ParentCollision => "path-folded",
            Self::InsideFile | Self::FileIsParent => "path-inside-file",
            Self::DistinctPaths { .. } => "paths",
            Self::NormalizedBytes { .. } => "paths-unfolded",
        }
    }
}
