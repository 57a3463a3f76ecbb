//! The directory that everything is kept in between runs, for one `local` at a time.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A data directory that is ours until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked; the system unlocks it when the process ends, however it ends.
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// There is a file of that name.
    #[error("the data directory {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// Another process has it.
    #[error("the data directory {} is in use by another `local`", .0.display())]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error("the data directory {} cannot be used", .path.display())]
    Unusable {
        /// What cannot be used.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DataDir {
    /// Takes the directory `path`, making it if need be.
    ///
    /// # Errors
    ///
    /// [`DataDirError`]
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        if path.exists() && !path.is_dir() {
            return Err(DataDirError::NotADirectory(path.to_owned()));
        }
        let unusable = |source| DataDirError::Unusable { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path)),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        for directory in ["s3", "logs"] {
            fs::create_dir_all(path.join(directory)).map_err(unusable)?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that holds the table.
    pub(crate) fn dynamodb(&self) -> PathBuf {
        self.path.join("dynamodb.sqlite")
    }

    /// The directory that holds the buckets.
    pub(crate) fn s3(&self) -> PathBuf {
        self.path.join("s3")
    }

    /// The file that a function's output goes to.
    pub(crate) fn log(&self, function: &str) -> PathBuf {
        self.path.join("logs").join(format!("{function}.log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_had_by_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse(_))));
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::open(file.path()).unwrap_err();
        assert!(matches!(error, DataDirError::NotADirectory(_)));
        let error = DataDir::open(&file.path().join("below")).unwrap_err();
        assert!(matches!(error, DataDirError::Unusable { .. }));
    }
}
