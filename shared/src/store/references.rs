//! Base images, products and registries: the same few for every request, so they are remembered.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    StoreError,
    item::{self, Item, Key},
};
use crate::{
    catalog::{Application, BaseImage, Product, Registry},
    customization::Filter,
    id::Id,
};

/// How long one is remembered: after this time an import is seen everywhere.
const LIFETIME: Duration = Duration::from_mins(1);

/// How many are remembered at most.
const CAPACITY: usize = 10_000;

/// What is to be looked up.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    base_images: BTreeSet<Id>,
    products: BTreeSet<Id>,
    registries: BTreeSet<Id>,
}

impl Wanted {
    /// Also what `filter` names.
    pub fn add_filter(&mut self, filter: &Filter) {
        self.base_images.extend(filter.base_image_id().cloned());
        self.products.extend(filter.product_key().cloned());
    }

    /// Also what `application` is made of.
    pub fn add_application(&mut self, application: &Application) {
        for (ids, id) in [
            (&mut self.base_images, &application.base_image_id),
            (&mut self.products, &application.product_key),
            (&mut self.registries, &application.registry_id),
        ] {
            // Most applications share theirs: look before copying.
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
    fn read(key: &Key, item: Item) -> Result<Self, StoreError> {
        Ok(match key.sk.as_str() {
            "BASE_IMAGE" => Self::BaseImage(item::read(item)?),
            "PRODUCT" => Self::Product(item::read(item)?),
            _ => Self::Registry(item::read(item)?),
        })
    }
}

/// What was found of what was [`Wanted`].
#[derive(Clone, Debug, Default)]
pub struct References(HashMap<Key, Reference>);

impl References {
    /// The base image `id`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Dangling`] if there is none.
    pub fn base_image(&self, id: &Id) -> Result<Arc<BaseImage>, StoreError> {
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
    /// [`StoreError::Dangling`] if there is none.
    pub fn product(&self, key: &Id) -> Result<Arc<Product>, StoreError> {
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
    /// [`StoreError::Dangling`] if there is none.
    pub fn registry(&self, id: &Id) -> Result<Arc<Registry>, StoreError> {
        let key = Key::registry(id);
        match self.0.get(&key) {
            Some(Reference::Registry(registry)) => Ok(Arc::clone(registry)),
            _ => Err(dangling(&key)),
        }
    }

    /// Adds what was read from the table.
    pub(super) fn read(&mut self, items: HashMap<Key, Item>) -> Result<(), StoreError> {
        for (key, item) in items {
            let reference = Reference::read(&key, item)?;
            self.0.insert(key, reference);
        }
        Ok(())
    }
}

fn dangling(key: &Key) -> StoreError {
    StoreError::Dangling { key: key.to_string() }
}

/// What this process remembers.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<Key, (Instant, Reference)>>);

impl Cache {
    /// What is remembered of `wanted`, and the keys of what is not.
    pub(super) fn look_up(&self, wanted: &Wanted) -> (References, Vec<Key>) {
        let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = References::default();
        let mut missing = Vec::new();
        for key in wanted.keys() {
            match cache.get(&key) {
                Some((read_at, reference)) if read_at.elapsed() < LIFETIME => {
                    found.0.insert(key, reference.clone());
                }
                _ => missing.push(key),
            }
        }
        (found, missing)
    }

    /// Remembers those of `references` whose keys are `keys`.
    pub(super) fn remember(&self, keys: &[Key], references: &References) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() + keys.len() > CAPACITY {
            cache.retain(|_, (read_at, _)| read_at.elapsed() < LIFETIME);
        }
        let now = Instant::now();
        for key in keys.iter().take(CAPACITY.saturating_sub(cache.len())) {
            if let Some(reference) = references.0.get(key) {
                cache.insert(key.clone(), (now, reference.clone()));
            }
        }
    }
}
