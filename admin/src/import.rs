//! Imports a [`CatalogFile`] into the table: checks all of it, then writes it.
//!
//! A record is written after the records that it refers to, so that an interrupted import leaves no
//! dangling references. Importing the file again completes the import.

use std::collections::{HashMap, HashSet};

use shared::{
    domain::{Application, Id},
    storage::{Catalogs, ReferenceIds, ResolvedReferences, StorageError, Table},
};

use crate::{
    catalog_file::{CatalogEntry, CatalogFile, FieldError},
    records::{self, Record, WriteError},
};

/// A file cannot be imported. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file has errors.
    #[error("{}", one_per_line(.0))]
    File(Vec<FieldError>),
    /// The table cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn one_per_line(errors: &[FieldError]) -> String {
    errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("\n")
}

/// The checked records of a file.
#[derive(Debug)]
pub struct Import {
    records: Vec<Record>,
}

impl Import {
    /// Checks `json` against the format and against the content of `table`.
    ///
    /// # Errors
    ///
    /// [`ImportError`]
    pub async fn check(json: &str, table: &Table) -> Result<Self, ImportError> {
        let file = CatalogFile::parse(json).map_err(ImportError::File)?;
        let catalogs = Catalogs::new(table.clone());
        let mut errors = dangling_references(&file, &known_references(&file, &catalogs).await?);
        for (index, entry) in file.catalogs.iter().enumerate() {
            errors.extend(conflicts(&format!("catalogs[{index}]"), entry, &catalogs).await?);
        }
        if !errors.is_empty() {
            return Err(ImportError::File(errors));
        }
        Ok(Self { records: records(file) })
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns true if there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Writes the records. Calls `progress` with the number of records that were written since the
    /// last call.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; records that were already written stay in the table. Importing the same file
    /// again completes the import.
    pub async fn write(&self, table: &Table, progress: impl Fn(usize)) -> Result<(), WriteError> {
        records::write(table, &self.records, progress).await
    }
}

/// Reads those references of the file's applications that are in the table.
async fn known_references(
    file: &CatalogFile,
    catalogs: &Catalogs,
) -> Result<ResolvedReferences, StorageError> {
    let mut ids = ReferenceIds::default();
    let applications = file.catalogs.iter().flat_map(|entry| &entry.applications);
    applications.for_each(|application| ids.add_application(application));
    catalogs.references(&ids).await
}

/// Errors for references that neither the file nor the table resolves.
fn dangling_references(file: &CatalogFile, known: &ResolvedReferences) -> Vec<FieldError> {
    let base_images: HashSet<_> = file.base_images.iter().map(|image| &image.id).collect();
    let products: HashSet<_> = file.products.iter().map(|product| &product.key).collect();
    let registries: HashSet<_> = file.registries.iter().map(|registry| &registry.id).collect();
    let mut errors = Vec::new();
    for (catalog, entry) in file.catalogs.iter().enumerate() {
        for (index, application) in entry.applications.iter().enumerate() {
            let Application { base_image_id, product_key, registry_id, .. } = application;
            let path = |field: &str| format!("catalogs[{catalog}].applications[{index}].{field}");
            let mut check = |exists: bool, field: &str, id: &Id, kind: &str| {
                if !exists {
                    let message = format!("there is no {kind} {id}, in the file or in the table");
                    errors.push(FieldError { path: path(field), message });
                }
            };
            let exists =
                base_images.contains(base_image_id) || known.base_image(base_image_id).is_ok();
            check(exists, "base_image_id", base_image_id, "base image");
            let exists = products.contains(product_key) || known.product(product_key).is_ok();
            check(exists, "product_key", product_key, "product");
            let exists = registries.contains(registry_id) || known.registry(registry_id).is_ok();
            check(exists, "registry_id", registry_id, "registry");
        }
    }
    errors
}

/// Errors for records that would change a catalog's owner or duplicate an application of the table.
///
/// Two concurrent imports do not see each other's records. A change of a catalog's owner is still
/// refused when the catalog is written. But two files can add an application with the same id and
/// different products, branches or base images. Then the table holds both applications, and the
/// next import of either file reports the conflict. So only one operator at a time should import
/// into a catalog.
async fn conflicts(
    path: &str,
    entry: &CatalogEntry,
    catalogs: &Catalogs,
) -> Result<Vec<FieldError>, StorageError> {
    let mut errors = Vec::new();
    if let Some(existing) = catalogs.find(&entry.catalog.id).await?
        && existing.org_id != entry.catalog.org_id
    {
        let message =
            format!("the catalog belongs to {}; its owner cannot change", existing.org_id);
        errors.push(FieldError { path: format!("{path}.org_id"), message });
    }
    let existing = catalogs.applications(&entry.catalog.id, None, None).await?;
    let existing: HashMap<_, _> = existing
        .iter()
        .map(|application| (&application.application_id, key_fields(application)))
        .collect();
    for (index, application) in entry.applications.iter().enumerate() {
        if existing
            .get(&application.application_id)
            .is_some_and(|known| *known != key_fields(application))
        {
            let path = format!("{path}.applications[{index}].application_id");
            let message = "the table has this id with another product, branch or base image; \
                           use another id";
            errors.push(FieldError { path, message: message.to_owned() });
        }
    }
    Ok(errors)
}

/// The fields of an application's key, besides its id. They cannot change: with other values, the
/// import would add a second application.
fn key_fields(application: &Application) -> [&Id; 3] {
    [&application.product_key, &application.branch, &application.base_image_id]
}

/// The records of a file, each after the records that it refers to.
fn records(file: CatalogFile) -> Vec<Record> {
    let mut records = Vec::new();
    records.extend(file.base_images.into_iter().map(Record::BaseImage));
    records.extend(file.products.into_iter().map(Record::Product));
    records.extend(file.registries.into_iter().map(Record::Registry));
    for CatalogEntry { catalog, applications } in file.catalogs {
        let catalog_id = catalog.id.clone();
        records.push(Record::Catalog(catalog));
        records.extend(applications.into_iter().map(|application| Record::Application {
            catalog_id: catalog_id.clone(),
            application,
        }));
    }
    records
}
