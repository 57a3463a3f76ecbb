//! Why an archive was refused, in the words that its sender reads.

use std::fmt::{self, Display};
use std::io;

/// Characters of a name that a message shows.
const SHOWN: usize = 100;

/// Why an archive was refused. Its text is for the client: it names the entry and the rule, and
/// holds nothing of the sender's that is not escaped and cut.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No bytes at all.
    #[error("the archive is empty")]
    Empty,
    /// No gzip header, or one with reserved flags (RFC 1952, section 2.3.1).
    #[error("the archive is not in gzip format; send a tar.gz")]
    NotGzip(#[source] io::Error),
    /// Cut short.
    #[error("the archive is cut short: its gzip data does not end")]
    GzipTruncated,
    /// Damaged: data, checksum or length.
    #[error("the archive's gzip data is damaged")]
    Gzip(#[source] io::Error),
    /// More members, or anything else.
    #[error("the archive has data after the end of its gzip data; send one gzip member alone")]
    DataAfterGzip,
    /// [`crate::Limits::unpacked`].
    #[error("the archive unpacks to more than {limit} bytes")]
    Unpacked {
        /// Bytes.
        limit: u64,
    },
    /// Not whole blocks.
    #[error("the archive's tar does not end at a multiple of 512 bytes")]
    BlockTruncated,
    /// Ends inside an entry's data.
    #[error("the archive's tar ends inside an entry")]
    DataTruncated,
    /// Without two blocks of zeros.
    #[error("the archive's tar does not end with two blocks of zeros")]
    NoEnd,
    /// Not only zeros after the first block of zeros.
    #[error("the archive's tar has data after its end")]
    DataAfterEnd,
    /// Directories alone, or nothing.
    #[error("the archive holds no file")]
    NoFile,
    /// [`crate::Limits::entries`].
    #[error("the archive holds more than {limit} entries")]
    Entries {
        /// Files and directories.
        limit: usize,
    },
    /// One entry breaks a rule.
    #[error("entry {entry} {rule}")]
    Entry {
        /// The entry.
        entry: Label,
        /// The rule.
        rule: Rule,
    },
}

impl Fault {
    pub(crate) fn of(path: &[u8], rule: Rule) -> Self {
        Self::Entry { entry: Label::Path(Shown::new(path)), rule }
    }

    /// The short and stable name of the rule that the archive breaks, for metrics.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotGzip(_) => "not-gzip",
            Self::GzipTruncated => "gzip-truncated",
            Self::Gzip(_) => "gzip-damaged",
            Self::DataAfterGzip => "data-after-gzip",
            Self::Unpacked { .. } => "unpacked-size",
            Self::BlockTruncated => "block-truncated",
            Self::DataTruncated => "data-truncated",
            Self::NoEnd => "no-end",
            Self::DataAfterEnd => "data-after-end",
            Self::NoFile => "no-file",
            Self::Entries { .. } => "entries",
            Self::Entry { rule, .. } => rule.name(),
        }
    }
}

/// What a message calls an entry.
#[derive(Debug)]
pub enum Label {
    /// By its path.
    Path(Shown),
    /// By its place, from 1, while its path is not known.
    Number(usize),
}

impl Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "`{path}`"),
            Self::Number(number) => write!(formatter, "number {number}"),
        }
    }
}

/// Bytes of the sender's, made safe to show: characters that are not printable ASCII or letters
/// escaped, long text cut.
#[derive(Debug)]
pub struct Shown(String);

impl Shown {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut characters = bytes.utf8_chunks().flat_map(|chunk| {
            let invalid =
                chunk.invalid().iter().flat_map(|byte| byte.escape_ascii().map(char::from));
            chunk.valid().chars().flat_map(escaped).chain(invalid)
        });
        let mut shown: String = characters.by_ref().take(SHOWN).collect();
        if characters.next().is_some() {
            shown.push('…');
        }
        Self(shown)
    }
}

impl Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The character, or its escape where it could pass for something else in a message, a log or a
/// terminal.
fn escaped(character: char) -> impl Iterator<Item = char> {
    let plain = match character {
        '`' | '\\' => false,
        _ => character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric(),
    };
    let escape = (!plain).then(|| character.escape_unicode());
    plain.then_some(character).into_iter().chain(escape.into_iter().flatten())
}

/// A type of entry that is neither file nor directory.
#[derive(Clone, Copy, Debug)]
pub struct Forbidden {
    name: &'static str,
    article: &'static str,
}

impl From<u8> for Forbidden {
    /// Takes a header's type flag.
    fn from(flag: u8) -> Self {
        let (name, article) = match flag {
            b'1' => ("hard-link", "a hard link"),
            b'2' => ("symbolic-link", "a symbolic link"),
            b'3' => ("character-device", "a character device"),
            b'4' => ("block-device", "a block device"),
            b'6' => ("fifo", "a fifo"),
            b'7' => ("contiguous-file", "a contiguous file"),
            b'D' => ("dump-directory", "a GNU dump directory"),
            b'K' => ("long-link", "a GNU long link name"),
            b'M' => ("multi-volume", "a part of a multi-volume archive"),
            b'S' => ("sparse-file", "a sparse file"),
            b'V' => ("volume-label", "a volume label"),
            b'X' => ("solaris-header", "a Solaris extended header"),
            _ => ("unknown-type", "of an unknown type"),
        };
        Self { name, article }
    }
}

impl Display for Forbidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.article)
    }
}

/// A rule that an entry can break. Its text goes on after the entry's name.
#[derive(Debug, thiserror::Error)]
pub enum Rule {
    /// A link, a device, …
    #[error("is {0}; only files and directories are allowed")]
    Forbidden(Forbidden),
    /// Neither POSIX's nor GNU tar's magic.
    #[error("has a header that is not in ustar, pax or GNU format")]
    Magic,
    /// A header that bsdtar takes for bzip2 data.
    #[error("has a name that is the start of bzip2 data")]
    Bzip2,
    /// The header's checksum is not the sum of its bytes.
    #[error("has a header with a wrong checksum")]
    Checksum,
    /// A number that readers take differently.
    #[error("has a header with a malformed {0}")]
    Number(&'static str),
    /// A text that readers take differently.
    #[error("has a header with a malformed {0}")]
    Text(&'static str),
    /// Fields for incremental, sparse or multi-volume archives.
    #[error(
        "has a header with fields of GNU tar's that only incremental, sparse or multi-volume archives need"
    )]
    GnuFields,
    /// Setuid, setgid or sticky.
    #[error("has its setuid, setgid or sticky bit set; clear it")]
    SpecialMode,
    /// A link name on what is no link.
    #[error("has a link name, though it is not a link")]
    LinkName,
    /// Data after a directory's header.
    #[error("is a directory with data")]
    DirectoryData,
    /// A file named as a directory would be.
    #[error("is a file whose path ends like a directory's")]
    FileSlash,
    /// A metadata header where no entry follows.
    #[error("has a pax header or long name that is not followed by its file or directory")]
    MetadataStray,
    /// [`crate::Limits::metadata`].
    #[error("has a pax header or long name of more than {limit} bytes")]
    MetadataSize {
        /// Bytes.
        limit: usize,
    },
    /// Something hides after a metadata header's data.
    #[error("has a pax header or long name whose padding is not zeros")]
    MetadataPadding,
    /// A NUL inside a long name.
    #[error("has a long name with a NUL in it")]
    LongName,
    /// Not `"%d %s=%s\n"`.
    #[error("has a malformed pax header")]
    PaxMalformed,
    /// [`crate::Limits::records`].
    #[error("has a pax header of more than {limit} records")]
    PaxRecords {
        /// Records.
        limit: usize,
    },
    /// One key twice.
    #[error("has a pax header that sets `{key}` twice")]
    PaxDoubled {
        /// The key.
        key: Shown,
    },
    /// A key that changes what an entry is.
    #[error("has a pax header that sets `{key}`, which is not allowed")]
    PaxKey {
        /// The key.
        key: Shown,
    },
    /// A value that readers take differently.
    #[error("has a pax header with a malformed `{key}`")]
    PaxValue {
        /// The key.
        key: Shown,
    },
    /// A character set other than UTF-8, or what could be taken for one.
    #[error("has a pax header that sets a character set; names must be UTF-8")]
    PaxCharset,
    /// A size other than the header's.
    #[error("has a pax header whose size is not the size that the entry's own header gives")]
    PaxSize,
    /// A global key other than a comment.
    #[error("has a global pax header that sets `{key}`; only a comment is allowed")]
    GlobalKey {
        /// The key.
        key: Shown,
    },
    /// [`crate::Limits::path`].
    #[error("has a path of more than {limit} bytes")]
    PathLength {
        /// Bytes.
        limit: usize,
    },
    /// No path.
    #[error("has an empty path")]
    PathEmpty,
    /// Not UTF-8.
    #[error("has a path that is not UTF-8")]
    PathUtf8,
    /// Control or format characters.
    #[error("has control or invisible formatting characters in its path")]
    PathControl,
    /// A backslash.
    #[error("has a backslash in its path; separate directories by `/`")]
    PathBackslash,
    /// `/etc`.
    #[error("has an absolute path; paths must be relative")]
    PathAbsolute,
    /// `C:`.
    #[error("has a path that starts with a drive letter; paths must be relative")]
    PathDrive,
    /// `..`.
    #[error("has `..` in its path")]
    PathParent,
    /// Dots, slashes or nothing at all in another Unicode form.
    #[error("has a path that another Unicode form turns into a different one")]
    PathUnfolded,
    /// The very same path.
    #[error("is in the archive twice")]
    Twice,
    /// The same path but for case or Unicode form.
    #[error("has the same path as another entry, but for case or Unicode form")]
    SameFolded,
    /// The same directory but for case or Unicode form.
    #[error(
        "lies in the same directory as another entry, but for the case or Unicode form of the directory's path"
    )]
    ParentFolded,
    /// A file above.
    #[error("lies inside another entry that is a file")]
    InsideFile,
    /// A file, and below it others.
    #[error("is a file, but other entries lie inside it")]
    FileAbove,
    /// [`crate::Limits::names`].
    #[error("brings the archive to more than {limit} different paths, directories counted")]
    Names {
        /// Paths.
        limit: usize,
    },
    /// [`crate::Limits::unfolded`].
    #[error("brings the archive's paths to more than {limit} bytes outside ASCII")]
    Unfolded {
        /// Bytes.
        limit: usize,
    },
}

impl Rule {
    fn name(&self) -> &'static str {
        match self {
            Self::Forbidden(forbidden) => forbidden.name,
            Self::Magic => "header-format",
            Self::Bzip2 => "header-bzip2",
            Self::Checksum => "header-checksum",
            Self::Number(_) => "header-number",
            Self::Text(_) => "header-text",
            Self::GnuFields => "header-gnu-fields",
            Self::SpecialMode => "special-mode",
            Self::LinkName => "link-name",
            Self::DirectoryData => "directory-data",
            Self::FileSlash => "file-slash",
            Self::MetadataStray => "metadata-stray",
            Self::MetadataSize { .. } => "metadata-size",
            Self::MetadataPadding => "metadata-padding",
            Self::LongName => "long-name",
            Self::PaxMalformed => "pax-malformed",
            Self::PaxRecords { .. } => "pax-records",
            Self::PaxDoubled { .. } => "pax-doubled",
            Self::PaxKey { .. } => "pax-key",
            Self::PaxValue { .. } => "pax-value",
            Self::PaxCharset => "pax-charset",
            Self::PaxSize => "pax-size",
            Self::GlobalKey { .. } => "pax-global",
            Self::PathLength { .. } => "path-length",
            Self::PathEmpty => "path-empty",
            Self::PathUtf8 => "path-utf8",
            Self::PathControl => "path-control",
            Self::PathBackslash => "path-backslash",
            Self::PathAbsolute => "path-absolute",
            Self::PathDrive => "path-drive",
            Self::PathParent => "path-parent",
            Self::PathUnfolded => "path-unfolded",
            Self::Twice => "path-twice",
            Self::SameFolded | Self::ParentFolded => "path-folded",
            Self::InsideFile | Self::FileAbove => "path-inside-file",
            Self::Names { .. } => "paths",
            Self::Unfolded { .. } => "paths-unfolded",
        }
    }
}
