//! A file that appears only once it is complete.

use std::{
    fs::{File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

use crate::error::CommandError;

/// A new file. Until it is published, it is a temporary file beside its target. Dropping it deletes
/// the temporary file, so an interrupted command leaves nothing.
#[derive(Debug)]
pub(super) struct NewFile {
    temporary: NamedTempFile,
    target: PathBuf,
    replace: bool,
}

impl NewFile {
    /// Creates the temporary file. Unless `replace` is true, `target` must not exist.
    pub(super) fn create(target: PathBuf, replace: bool) -> Result<Self, CommandError> {
        if !replace && target.symlink_metadata().is_ok() {
            return Err(exists(&target));
        }
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let temporary = Builder::new()
            .prefix(".customizations-")
            // The umask reduces them to the permissions of an ordinary new file.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(parent.unwrap_or(Path::new(".")))
            .map_err(CommandError::file("write", &target))?;
        Ok(Self { temporary, target, replace })
    }

    /// The paths of the temporary file and of its target.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        vec![self.temporary.path().to_owned(), self.target.clone()]
    }

    /// Opens the temporary file again, to write it.
    pub(super) fn open(&self) -> Result<File, CommandError> {
        self.temporary.reopen().map_err(CommandError::file("write", &self.target))
    }

    /// Gives the complete file its name, and returns it.
    pub(super) fn publish(self) -> Result<PathBuf, CommandError> {
        let Self { temporary, target, replace } = self;
        let persisted =
            if replace { temporary.persist(&target) } else { temporary.persist_noclobber(&target) };
        match persisted {
            Ok(_) => Ok(target),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(exists(&target))
            }
            Err(error) => Err(CommandError::file("write", &target)(error.error)),
        }
    }
}

fn exists(target: &Path) -> CommandError {
    CommandError::Usage(format!("{} exists; replace it with --force", target.display()))
}
