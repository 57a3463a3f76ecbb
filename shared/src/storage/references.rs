//! Base images, products and registries. All requests need the same few, so they are cached.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    error::StorageError,
    item::{self, Item, Key},
};
use crate::domain::{Application, BaseImage, Filter, Id, Product, Registry};

/// The lifetime of a cached reference: an import is visible everywhere after this time.
const LIFETIME: Duration = Duration::from_mins(1);

/// The most references that are cached.
const CAPACITY: usize = 10_000;

/// The identifiers of references to read.
#[derive(Clone, Debug, Default)]
pub struct ReferenceIds {
    base_images: BTreeSet<Id>,
    products: BTreeSet<Id>,
    registries: BTreeSet<Id>,
}

impl ReferenceIds {
    /// The references of `filter`.
    #[must_use]
    pub fn of_filter(filter: Option<&Filter>) -> Self {
        let mut ids = Self::default();
        if let Some(filter) = filter {
            ids.base_images.extend(filter.base_image_id().cloned());
            ids.products.extend(filter.product_key().cloned());
        }
        ids
    }

    /// Adds the references of `application`.
    pub fn add_application(&mut self, application: &Application) {
        for (ids, id) in [
            (&mut self.base_images, &application.base_image_id),
            (&mut self.products, &application.product_key),
            (&mut self.registries, &application.registry_id),
        ] {
            // Most applications share their references, so check before copying.
            if !ids.contains(id) {
                ids.insert(id.clone());
            }
        }
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        (self.base_images.iter().map(Key::base_image))
            .chain(self.products.iter().map(Key::product))
            .chain(self.registries.iter().map(Key::registry))
    }
}

#[derive(Clone, Debug)]
enum Reference {
    BaseImage(Arc<BaseImage>),
    Product(Arc<Product>),
    Registry(Arc<Registry>),
}

impl Reference {
    fn from_item(key: &Key, item: Item) -> Result<Self, StorageError> {
        Ok(match key.sort() {
            item::BASE_IMAGE => Self::BaseImage(item::from_item(item)?),
            item::PRODUCT => Self::Product(item::from_item(item)?),
            _ => Self::Registry(item::from_item(item)?),
        })
    }
}

/// The references that exist among the requested [`ReferenceIds`].
#[derive(Clone, Debug, Default)]
pub struct ResolvedReferences(HashMap<Key, Reference>);

impl ResolvedReferences {
    /// The base image `id`.
    ///
    /// # Errors
    ///
    /// [`StorageError::Dangling`] if it does not exist.
    pub fn base_image(&self, id: &Id) -> Result<Arc<BaseImage>, StorageError> {
        let key = Key::base_image(id);
        match self.0.get(&key) {
            Some(Reference::BaseImage(image)) => Ok(Arc::clone(image)),
            _ => Err(dangling(&key)),
        }
    }

    /// The product `key`.
    ///
    /// # Errors
    ///
    /// [`StorageError::Dangling`] if it does not exist.
    pub fn product(&self, key: &Id) -> Result<Arc<Product>, StorageError> {
        let key = Key::product(key);
        match self.0.get(&key) {
            Some(Reference::Product(product)) => Ok(Arc::clone(product)),
            _ => Err(dangling(&key)),
        }
    }

    /// The registry `id`.
    ///
    /// # Errors
    ///
    /// [`StorageError::Dangling`] if it does not exist.
    pub fn registry(&self, id: &Id) -> Result<Arc<Registry>, StorageError> {
        let key = Key::registry(id);
        match self.0.get(&key) {
            Some(Reference::Registry(registry)) => Ok(Arc::clone(registry)),
            _ => Err(dangling(&key)),
        }
    }
}

fn dangling(key: &Key) -> StorageError {
    StorageError::Dangling { key: key.to_string() }
}

/// The references that this process has read lately.
#[derive(Debug, Default)]
pub(super) struct ReferenceCache(Mutex<HashMap<Key, (Instant, Reference)>>);

impl ReferenceCache {
    /// Returns the cached references, and the keys of the others.
    pub(super) fn look_up(&self, ids: &ReferenceIds) -> (ResolvedReferences, Vec<Key>) {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cached = ResolvedReferences::default();
        let mut missing = Vec::new();
        for key in ids.keys() {
            match cache.get(&key) {
                Some((read_at, reference)) if read_at.elapsed() < LIFETIME => {
                    cached.0.insert(key, reference.clone());
                }
                _ => missing.push(key),
            }
        }
        (cached, missing)
    }

    /// Adds the references in `items`, which were read for the keys `missing`, to `references` and
    /// to the cache.
    pub(super) fn resolve(
        &self,
        mut references: ResolvedReferences,
        missing: &[Key],
        mut items: HashMap<Key, Item>,
    ) -> Result<ResolvedReferences, StorageError> {
        let mut read = Vec::with_capacity(missing.len());
        for key in missing {
            if let Some(item) = items.remove(key) {
                read.push((key.clone(), Reference::from_item(key, item)?));
            }
        }
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() + read.len() > CAPACITY {
            cache.retain(|_, (read_at, _)| read_at.elapsed() < LIFETIME);
        }
        let now = Instant::now();
        let free = CAPACITY.saturating_sub(cache.len());
        cache.extend(read.iter().take(free).map(|(key, it)| (key.clone(), (now, it.clone()))));
        references.0.extend(read);
        Ok(references)
    }
}
