//! Loading a [`CatalogFile`] into the table: checked whole, then written.
//!
//! What is referred to is written before what refers to it, so that an import that breaks off
//! leaves nothing dangling; running it again finishes it.

use std::collections::{HashMap, HashSet};

use shared::{
    catalog::Application,
    id::Id,
    store::{Record, References, StoreError, Table, Wanted, WriteError},
};

use crate::catalog_file::{CatalogEntry, CatalogFile, Fault};

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is at fault; nothing is written.
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
    /// The table could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

/// A file that may be written.
#[derive(Debug)]
pub struct Import {
    records: Vec<Record>,
}

impl Import {
    /// Checks `json` against the format and against what `table` holds.
    ///
    /// # Errors
    ///
    /// [`ImportError`]
    pub async fn check(json: &str, table: &Table) -> Result<Self, ImportError> {
        let file = CatalogFile::parse(json).map_err(ImportError::Faults)?;
        let mut faults = dangling(&file, &known_references(&file, table).await?);
        for (index, entry) in file.catalogs.iter().enumerate() {
            faults.extend(conflicts(&format!("catalogs[{index}]"), entry, table).await?);
        }
        if !faults.is_empty() {
            return Err(ImportError::Faults(faults));
        }
        Ok(Self { records: records(file) })
    }

    /// How many records it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Writes it; `written` is told how many more records are.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; what is written stays, and another import of the same file finishes it.
    pub async fn write(&self, table: &Table, written: impl Fn(usize)) -> Result<(), WriteError> {
        table.import(&self.records, written).await
    }
}

/// What the table holds of what the file's applications refer to.
async fn known_references(file: &CatalogFile, table: &Table) -> Result<References, StoreError> {
    let mut wanted = Wanted::default();
    let applications = file.catalogs.iter().flat_map(|entry| &entry.applications);
    applications.for_each(|application| wanted.add_application(application));
    table.references(&wanted).await
}

/// References to what is neither in the file nor in the table.
fn dangling(file: &CatalogFile, known: &References) -> Vec<Fault> {
    let base_images: HashSet<_> = file.base_images.iter().map(|image| &image.id).collect();
    let products: HashSet<_> = file.products.iter().map(|product| &product.key).collect();
    let registries: HashSet<_> = file.registries.iter().map(|registry| &registry.id).collect();
    let mut faults = Vec::new();
    for (catalog, entry) in file.catalogs.iter().enumerate() {
        for (index, application) in entry.applications.iter().enumerate() {
            let Application { base_image_id, product_key, registry_id, .. } = application;
            let place = |field: &str| format!("catalogs[{catalog}].applications[{index}].{field}");
            let mut check = |exists: bool, field: &str, id: &Id, what: &str| {
                if !exists {
                    let message = format!("there is no {what} {id}, in the file or in the table");
                    faults.push(Fault { place: place(field), message });
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
    faults
}

/// What the table holds that must not be overwritten, or would be there twice.
///
/// Of two imports at once neither sees what the other is about to write. That a catalog changes
/// hands so is refused when it is written; but where both bring a new application under one id,
/// each with another product, branch or base image, the table then holds both, and the next import
/// of either file tells. So one operator at a time imports into a catalog.
async fn conflicts(
    place: &str,
    entry: &CatalogEntry,
    table: &Table,
) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    if let Some(existing) = table.catalog(&entry.catalog.id).await?
        && existing.org_id != entry.catalog.org_id
    {
        let message =
            format!("the catalog belongs to {}; it cannot be given away", existing.org_id);
        faults.push(Fault { place: format!("{place}.org_id"), message });
    }
    let existing = table.applications(&entry.catalog.id, None, usize::MAX).await?;
    let existing: HashMap<_, _> = existing
        .iter()
        .map(|application| (&application.application_id, parts(application)))
        .collect();
    for (index, application) in entry.applications.iter().enumerate() {
        if existing
            .get(&application.application_id)
            .is_some_and(|known| *known != parts(application))
        {
            let place = format!("{place}.applications[{index}].application_id");
            let message = "the table holds it with another product, branch or base image; \
                           give the new one an id of its own";
            faults.push(Fault { place, message: message.to_owned() });
        }
    }
    Ok(faults)
}

/// What of an application never changes.
fn parts(application: &Application) -> [&Id; 3] {
    [&application.product_key, &application.branch, &application.base_image_id]
}

/// The records of a file, each after those that it refers to.
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
