//! References: base images, products and registries. Most requests need the same small set of these
//! records, so the records are cached.

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

/// The limits of the cache.
#[derive(Clone, Copy, Debug)]
struct CacheLimits {
    /// The lifetime of a cached reference. Every process sees an import within this time.
    lifetime: Duration,
    /// The maximum number of cached references.
    capacity: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { lifetime: Duration::from_mins(1), capacity: 10_000 }
    }
}

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
            // Many applications have the same references, so most need no clone.
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

/// A cache of the references that this process has read.
#[derive(Debug, Default)]
pub(super) struct ReferenceCache {
    limits: CacheLimits,
    cached: Mutex<HashMap<Key, (Instant, Reference)>>,
}

impl ReferenceCache {
    /// Returns the cached references, and the keys of those that are not cached.
    pub(super) fn look_up(&self, ids: &ReferenceIds) -> (ResolvedReferences, Vec<Key>) {
        let cache = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cached = ResolvedReferences::default();
        let mut missing = Vec::new();
        for key in ids.keys() {
            match cache.get(&key) {
                Some((read_at, reference)) if read_at.elapsed() < self.limits.lifetime => {
                    cached.0.insert(key, reference.clone());
                }
                _ => missing.push(key),
            }
        }
        (cached, missing)
    }

    /// Adds the references in `items` to `references` and to the cache. The items were read for the
    /// keys in `missing`.
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
        let CacheLimits { lifetime, capacity } = self.limits;
        let mut cache = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() + read.len() > capacity {
            cache.retain(|_, (read_at, _)| read_at.elapsed() < lifetime);
        }
        let now = Instant::now();
        let free = capacity.saturating_sub(cache.len());
        cache.extend(read.iter().take(free).map(|(key, it)| (key.clone(), (now, it.clone()))));
        references.0.extend(read);
        Ok(references)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cache(lifetime: Duration, capacity: usize) -> ReferenceCache {
        let limits = CacheLimits { lifetime, capacity };
        ReferenceCache { limits, cached: Mutex::default() }
    }

    fn products(keys: &[&str]) -> ReferenceIds {
        let products = keys.iter().map(|key| key.parse().unwrap()).collect();
        ReferenceIds { products, ..ReferenceIds::default() }
    }

    /// Reads products as a request does, and returns how many of them are not cached and come from
    /// the table.
    fn read(cache: &ReferenceCache, keys: &[&str]) -> usize {
        let (cached, missing) = cache.look_up(&products(keys));
        let item = |key: &Key| {
            let product = json!({"key": key.to_string().replace('#', "-"), "name": "x"});
            let product: Product = serde_json::from_value(product).unwrap();
            item::to_item(key, &product).unwrap()
        };
        let items = missing.iter().map(|key| (key.clone(), item(key))).collect();
        let resolved = cache.resolve(cached, &missing, items).unwrap();
        assert_eq!(resolved.0.len(), keys.len());
        missing.len()
    }

    #[test]
    fn a_reference_is_cached_for_its_lifetime() {
        let cache_for = |lifetime| cache(lifetime, 10);
        let (long, none) = (cache_for(Duration::from_hours(1)), cache_for(Duration::ZERO));
        assert_eq!([read(&long, &["a", "b"]), read(&long, &["a", "b"])], [2, 0]);
        assert_eq!([read(&none, &["a", "b"]), read(&none, &["a", "b"])], [2, 2]);
    }

    #[test]
    fn references_past_the_capacity_are_not_cached() {
        let full = cache(Duration::from_hours(1), 2);
        assert_eq!(read(&full, &["a", "b", "c"]), 3);
        assert_eq!(read(&full, &["a", "b", "c"]), 1, "two are cached");
        let expired = cache(Duration::ZERO, 2);
        read(&expired, &["a", "b"]);
        read(&expired, &["c", "d"]);
        let cached = expired.cached.lock().unwrap();
        assert_eq!(cached.len(), 2, "expired references make room");
        assert!(cached.contains_key(&Key::product(&"c".parse().unwrap())));
    }
}
