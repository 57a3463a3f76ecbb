//! A customization with all that is known of it, under the reference's names and nesting.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use shared::{
    catalog::{Application, BaseImage, Product, Registry, Release},
    customization::{BuildResult, BuildStatus, Customization, Failure, Filter, Link, Links},
    id::Id,
    store::{References, StoreError},
};

/// The body of a 200.
#[derive(Serialize)]
pub(crate) struct Detailed {
    #[serde(flatten)]
    customization: Customization,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<DetailedFilter>,
    affected_releasables: Vec<Releasable>,
    global: bool,
    _links: DetailedLinks,
}

#[derive(Serialize)]
struct DetailedFilter {
    #[serde(flatten)]
    filter: Filter,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_image: Option<Arc<BaseImage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<Arc<Product>>,
}

/// An application that the customization is for, and what became of its build.
#[derive(Serialize)]
struct Releasable {
    application_id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_release: Option<Release>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_pipeline_id: Option<Id>,
    product: Arc<Product>,
    branch: Id,
    base_image: Arc<BaseImage>,
    registry: Arc<Registry>,
    status: BuildStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

#[derive(Serialize)]
struct DetailedLinks {
    #[serde(flatten)]
    links: Links,
    affected_releasables: Vec<Link>,
}

impl Detailed {
    /// `customization` with the `applications` that it is for, what they are made of, and what
    /// became of each.
    ///
    /// # Errors
    ///
    /// [`StoreError::Dangling`] if something that is referred to is not among the `references`.
    pub(crate) fn new(
        mut customization: Customization,
        applications: Vec<Application>,
        results: Vec<BuildResult>,
        references: &References,
    ) -> Result<Self, StoreError> {
        let links = Links::of(&customization);
        let pipelines = applications
            .iter()
            .filter_map(|application| application.latest_pipeline_id.as_ref())
            .map(|id| Link::to_pipeline(&customization.catalog_id, id))
            .collect();
        let filter = customization.filter.take();
        let filter = filter.map(|filter| DetailedFilter::new(filter, references)).transpose()?;
        let mut results: HashMap<_, _> =
            results.into_iter().map(|result| (result.application_id.clone(), result)).collect();
        let affected_releasables = applications
            .into_iter()
            .map(|application| {
                let result = results.remove(&application.application_id);
                Releasable::new(application, result, references)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            global: filter.is_none(),
            customization,
            filter,
            affected_releasables,
            _links: DetailedLinks { links, affected_releasables: pipelines },
        })
    }
}

impl DetailedFilter {
    fn new(filter: Filter, references: &References) -> Result<Self, StoreError> {
        Ok(Self {
            base_image: filter.base_image_id().map(|id| references.base_image(id)).transpose()?,
            product: filter.product_key().map(|key| references.product(key)).transpose()?,
            filter,
        })
    }
}

impl Releasable {
    fn new(
        application: Application,
        result: Option<BuildResult>,
        references: &References,
    ) -> Result<Self, StoreError> {
        let (status, failure) = match result {
            Some(result) => (result.status, result.failure),
            None => (BuildStatus::PENDING, None),
        };
        Ok(Self {
            product: references.product(&application.product_key)?,
            base_image: references.base_image(&application.base_image_id)?,
            registry: references.registry(&application.registry_id)?,
            application_id: application.application_id,
            latest_release: application.latest_release,
            latest_pipeline_id: application.latest_pipeline_id,
            branch: application.branch,
            status,
            failure,
        })
    }
}
