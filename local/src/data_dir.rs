//! The data directory. It is kept between runs. A lock file lets only one process use it at a time.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A locked data directory. The lock is released when this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The operating system releases the lock, even if the process is killed.
    _lock: File,
}

/// Failure to open a data directory.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The path is a file.
    #[error("the data directory {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// Another process holds the lock.
    #[error("the data directory {} is in use by another `local`", .0.display())]
    InUse(PathBuf),
    /// The directory cannot be created, read or written.
    #[error("the data directory {} cannot be used", .path.display())]
    Unusable {
        /// Path of the directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

impl DataDir {
    /// Opens and locks the directory `path`. Creates it if it does not exist.
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

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of DynamoDB's database.
    pub(crate) fn dynamodb(&self) -> PathBuf {
        self.path.join("dynamodb.sqlite")
    }

    /// Returns the directory that holds the buckets.
    pub(crate) fn s3(&self) -> PathBuf {
        self.path.join("s3")
    }

    /// Returns the path of a function's log.
    pub(crate) fn log(&self, function: &str) -> PathBuf {
        self.path.join("logs").join(format!("{function}.log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_directory_is_not_opened_a_second_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse(_))));
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::open(file.path()).unwrap_err();
        assert!(matches!(error, DataDirError::NotADirectory(_)));
        let error = DataDir::open(&file.path().join("below")).unwrap_err();
        assert!(matches!(error, DataDirError::Unusable { .. }));
    }
}
