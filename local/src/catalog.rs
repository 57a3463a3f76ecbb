//! Catalogs that are loaded into the table at the start, as `admin import` loads them.

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

/// Returns the path of the sample file.
#[must_use]
pub fn sample() -> PathBuf {
    workspace().join("local").join("sample-catalog.json")
}

/// Identifier of the sample catalog, the first one in the sample file.
pub const SAMPLE_CATALOG: &str = "46ba3c35-fb85-44a1-8336-694b4d4f4b91";

/// Organization that owns the sample catalog.
pub const SAMPLE_ORGANIZATION: &str = "68c0f832-5169-4433-ab2f-40e939e3f1bc";

/// Catalogs, read from a file.
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
    #[error("{} has faults: {}", .path.display(), join(.faults))]
    Faults {
        /// Path of the file.
        path: PathBuf,
        /// All faults in the file.
        faults: Vec<FieldError>,
    },
    /// The table cannot be read.
    #[error("the catalogs cannot be loaded")]
    Store(#[from] StorageError),
    /// The table cannot be written.
    #[error("the catalogs cannot be loaded")]
    Write(#[from] WriteError),
}

fn join(faults: &[FieldError]) -> String {
    faults.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ")
}

impl Catalogs {
    /// Reads a file.
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
            Err(faults) => Err(CatalogsError::Faults { path, faults }),
        }
    }

    /// Returns the catalogs and their applications, in the file's order.
    #[must_use]
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.entries
    }

    /// Writes the catalogs into the table; idempotent.
    pub(crate) async fn load(&self, table: &Table) -> Result<(), CatalogsError> {
        let import = Import::check(&self.json, table).await.map_err(|error| match error {
            ImportError::Storage(error) => error.into(),
            ImportError::File(faults) => CatalogsError::Faults { path: self.path.clone(), faults },
        })?;
        Ok(import.write(table, |_| {}).await?)
    }
}
