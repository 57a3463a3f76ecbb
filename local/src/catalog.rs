//! Catalogs that are loaded into the table at startup, as `admin import` loads them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use admin::{
    catalog_file::{CatalogEntry, CatalogFile, FieldError},
    import::{Import, ImportError},
    records::WriteError,
};
use shared::storage::{StorageError, Table};

use crate::build::workspace;

/// Returns the path of the sample catalog file.
#[must_use]
pub fn sample() -> PathBuf {
    workspace().join("local").join("sample-catalog.json")
}

/// Identifier of the sample catalog, which is the first one in the sample file.
pub const SAMPLE_CATALOG: &str = "46ba3c35-fb85-44a1-8336-694b4d4f4b91";

/// Organization that owns the sample catalog.
pub const SAMPLE_ORGANIZATION: &str = "68c0f832-5169-4433-ab2f-40e939e3f1bc";

/// The content of a catalog file, checked against the format.
#[derive(Clone, Debug)]
pub struct Catalogs {
    path: PathBuf,
    json: String,
    entries: Vec<CatalogEntry>,
}

/// Failure to load catalogs.
#[derive(Debug, thiserror::Error)]
pub enum CatalogsError {
    /// The file cannot be read.
    #[error("{} cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file is invalid.
    #[error("{} is invalid: {}", .path.display(), join(.errors))]
    Invalid {
        /// Path of the file.
        path: PathBuf,
        /// All errors in the file.
        errors: Vec<FieldError>,
    },
    /// The table cannot be read.
    #[error("the catalogs cannot be loaded into the table")]
    Store(#[from] StorageError),
    /// The table cannot be written.
    #[error("the catalogs cannot be loaded into the table")]
    Write(#[from] WriteError),
}

fn join(errors: &[FieldError]) -> String {
    errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ")
}

impl Catalogs {
    /// Reads a catalog file.
    ///
    /// # Errors
    ///
    /// [`CatalogsError`]
    pub fn read(path: &Path) -> Result<Self, CatalogsError> {
        let path = path.to_owned();
        let json = match fs::read_to_string(&path) {
            Ok(json) => json,
            Err(error) => return Err(CatalogsError::Read(path, error)),
        };
        match CatalogFile::parse(&json) {
            Ok(CatalogFile { catalogs, .. }) => Ok(Self { path, json, entries: catalogs }),
            Err(errors) => Err(CatalogsError::Invalid { path, errors }),
        }
    }

    /// Returns the catalogs and their applications, in the file's order.
    #[must_use]
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.entries
    }

    /// Writes the catalogs into the table. Idempotent.
    pub(crate) async fn load(&self, table: &Table) -> Result<(), CatalogsError> {
        let import = Import::check(&self.json, table).await.map_err(|error| match error {
            ImportError::Storage(error) => error.into(),
            ImportError::File(errors) => CatalogsError::Invalid { path: self.path.clone(), errors },
        })?;
        Ok(import.write(table, |_| {}).await?)
    }
}
