//! Reproducible archives of folders: the same files always give the same bytes.

use std::{
    fmt,
    fs::{self, File, FileType, Metadata},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder};
use ignore::WalkBuilder;
use indicatif::ProgressBar;
use tar::{Builder, EntryType, Header};

use crate::error::CommandError;

/// The file with patterns of files that are left out.
pub const IGNORE_FILE: &str = ".customizationignore";

/// A folder's content, ready to be packed.
#[derive(Debug)]
pub struct Folder {
    entries: Vec<Entry>,
    /// Files and mode bits that are not packed.
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug)]
struct Entry {
    /// Path relative to the folder.
    path: PathBuf,
    source: PathBuf,
    kind: EntryKind,
}

#[derive(Clone, Copy, Debug)]
enum EntryKind {
    Directory,
    File { size: u64, is_executable: bool },
}

/// A file, or a mode bit of a file, that is not packed.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    path: PathBuf,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    SymbolicLink,
    Device,
    Fifo,
    Socket,
    VersionControl,
    SpecialBits,
    Unknown,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let kind = match self.reason {
            Reason::SymbolicLink => "a symbolic link",
            Reason::Device => "a device",
            Reason::Fifo => "a fifo",
            Reason::Socket => "a socket",
            Reason::Unknown => "neither a file nor a folder",
            Reason::VersionControl => {
                return write!(f, "left out {path}: the data of version control");
            }
            Reason::SpecialBits => {
                return write!(
                    f,
                    "left out the setuid, setgid or sticky bit of {path}: the service refuses it"
                );
            }
        };
        write!(f, "left out {path}: it is {kind}, and the service accepts only files and folders")
    }
}

impl Reason {
    /// The reason to leave a file of this type out, if it is neither a file nor a directory.
    fn of(file_type: FileType) -> Self {
        if file_type.is_symlink() {
            Self::SymbolicLink
        } else if file_type.is_block_device() || file_type.is_char_device() {
            Self::Device
        } else if file_type.is_fifo() {
            Self::Fifo
        } else if file_type.is_socket() {
            Self::Socket
        } else {
            Self::Unknown
        }
    }
}

impl Folder {
    /// Reads the names in `directory` and below it, but no files. `outputs`, which may be in the
    /// folder, are not packed.
    ///
    /// # Errors
    ///
    /// [`CommandError::File`]
    pub fn read(directory: &Path, outputs: &[PathBuf]) -> Result<Self, CommandError> {
        let unreadable = |path: &Path| CommandError::file("read", path);
        let root = fs::canonicalize(directory).map_err(unreadable(directory))?;
        if !root.is_dir() {
            return Err(unreadable(directory)(io::Error::other("it is not a folder")));
        }
        let outputs: Vec<_> =
            outputs.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
        let mut folder = Self { entries: Vec::new(), left_out: Vec::new() };
        let walk = WalkBuilder::new(&root)
            .standard_filters(false)
            .parents(false)
            .add_custom_ignore_filename(IGNORE_FILE)
            // The order of a folder's names depends on the file system.
            .sort_by_file_name(Ord::cmp)
            .filter_entry(|entry| entry.depth() == 0 || !is_inside_git(entry.path()))
            .build();
        for entry in walk {
            let entry = entry.map_err(|error| {
                let path = path_of(&error).unwrap_or(directory).to_owned();
                CommandError::file("read", &path)(io::Error::other(error))
            })?;
            let source = entry.path();
            let is_packed = entry.depth() > 0
                && entry.file_name() != IGNORE_FILE
                && !outputs.iter().any(|output| output == source);
            if is_packed {
                let path = source.strip_prefix(&root).unwrap_or(source);
                let metadata = fs::symlink_metadata(source).map_err(unreadable(source))?;
                folder.add(path, source, &metadata);
            }
        }
        Ok(folder)
    }

    fn add(&mut self, path: &Path, source: &Path, metadata: &Metadata) {
        let mut leave_out = |reason| self.left_out.push(LeftOut { path: path.to_owned(), reason });
        if path.file_name().is_some_and(|name| name == ".git") {
            return leave_out(Reason::VersionControl);
        }
        let mode = metadata.permissions().mode();
        let kind = if metadata.is_dir() {
            EntryKind::Directory
        } else if metadata.is_file() {
            EntryKind::File { size: metadata.size(), is_executable: mode & 0o111 != 0 }
        } else {
            return leave_out(Reason::of(metadata.file_type()));
        };
        if metadata.is_file() && mode & 0o7000 != 0 {
            leave_out(Reason::SpecialBits);
        }
        self.entries.push(Entry { path: path.to_owned(), source: source.to_owned(), kind });
    }

    /// The number of files, and their size in bytes.
    #[must_use]
    pub fn files(&self) -> (usize, u64) {
        let sizes = self.entries.iter().filter_map(|entry| match entry.kind {
            EntryKind::File { size, .. } => Some(size),
            EntryKind::Directory => None,
        });
        sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
    }

    /// Writes the archive. `modified_at` is the time of all entries, in seconds since 1970. `bar`
    /// shows the progress in bytes of the files.
    ///
    /// # Errors
    ///
    /// [`CommandError::File`] if a file cannot be read or changes meanwhile, or `archive` fails.
    pub fn write(
        &self,
        archive: impl Write,
        modified_at: u64,
        bar: &ProgressBar,
    ) -> Result<(), CommandError> {
        // The gzip header has no name and no time.
        let gzip = GzBuilder::new().write(archive, Compression::default());
        let mut builder = Builder::new(gzip);
        for Entry { path, source, kind } in &self.entries {
            let unreadable = || CommandError::file("pack", source);
            match *kind {
                EntryKind::Directory => {
                    let mut header = header(EntryType::Directory, 0o755, 0, modified_at);
                    // With a slash at the end, as tar writes it.
                    set_path(&mut builder, &mut header, &path.join("")).map_err(unreadable())?;
                    builder.append(&header, io::empty()).map_err(unreadable())?;
                }
                EntryKind::File { size, is_executable } => {
                    let mode = if is_executable { 0o755 } else { 0o644 };
                    let mut header = header(EntryType::Regular, mode, size, modified_at);
                    set_path(&mut builder, &mut header, path).map_err(unreadable())?;
                    let file = File::open(source).map_err(unreadable())?;
                    let reader = bar.wrap_read(ExactReader { file, remaining: size });
                    builder.append(&header, reader).map_err(unreadable())?;
                }
            }
        }
        let finished = builder.into_inner().and_then(|gzip| gzip.finish()?.flush());
        finished.map_err(CommandError::file("write", Path::new("the archive")))
    }
}

fn header(kind: EntryType, mode: u32, size: u64, modified_at: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(modified_at);
    header
}

/// Sets the path of an entry. For a path that does not fit into `header`, writes a GNU long name
/// before it.
///
/// The crate `tar` can do this too, but it cuts the path in `header` at any byte. If that byte is a
/// slash, some readers take a file for a directory, and the service refuses it.
fn set_path(builder: &mut Builder<impl Write>, header: &mut Header, path: &Path) -> io::Result<()> {
    let path = path.as_os_str().as_bytes();
    let Some(gnu) = header.as_gnu_mut() else { return Ok(()) };
    let mut cut = path;
    if path.len() > gnu.name.len() {
        let length = path.len() as u64 + 1;
        let mut long_name = self::header(EntryType::GNULongName, 0o644, length, 0);
        long_name.set_path("././@LongLink")?;
        long_name.set_cksum();
        builder.append(&long_name, path.chain(&b"\0"[..]))?;
        cut = path.get(..gnu.name.len()).unwrap_or_default();
        while let [start @ .., b'/'] = cut {
            cut = start;
        }
    }
    gnu.name.iter_mut().zip(cut).for_each(|(to, from)| *to = *from);
    header.set_cksum();
    Ok(())
}

/// Returns true for the content of a folder `.git`. The walk visits the folder itself, so that it
/// can be reported.
fn is_inside_git(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|name| name == ".git")
}

/// The path that an error of the walk names.
fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        _ => None,
    }
}

/// Reads a file that must have exactly the size in its header: a file that another process changes
/// would make the archive invalid.
struct ExactReader {
    file: File,
    remaining: u64,
}

impl Read for ExactReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        let remaining = self.remaining.checked_sub(length as u64);
        let is_complete = length > 0 || buffer.is_empty() || self.remaining == 0;
        match remaining {
            Some(remaining) if is_complete => {
                self.remaining = remaining;
                Ok(length)
            }
            _ => Err(io::Error::other("the file changed while it was read; try again")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_its_size_is_an_error() {
        for (remaining, is_ok) in [(4, false), (5, true), (6, false)] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            fs::write(&path, "bytes").unwrap();
            let mut reader = ExactReader { file: File::open(path).unwrap(), remaining };
            assert_eq!(reader.read_to_end(&mut Vec::new()).is_ok(), is_ok, "{remaining}");
        }
    }
}
