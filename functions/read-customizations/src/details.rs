//! The view of a customization with its affected releasables, under the published names.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use shared::{
    domain::{
        Application, BaseImage, BuildResult, BuildStatus, Customization, Failure, Filter, Id,
        Product, Registry, Release,
    },
    storage::{ResolvedReferences, StorageError},
    view::{CustomizationFields, Link, Links},
};

/// A customization with the applications that it affects.
#[derive(Serialize)]
pub(crate) struct CustomizationDetails<'a> {
    #[serde(flatten)]
    fields: CustomizationFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<FilterDetails<'a>>,
    affected_releasables: Vec<Releasable>,
    _links: DetailsLinks,
}

#[derive(Serialize)]
struct FilterDetails<'a> {
    #[serde(flatten)]
    filter: &'a Filter,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_image: Option<Arc<BaseImage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<Arc<Product>>,
}

/// An application that the customization affects, and the state of its build.
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
struct DetailsLinks {
    #[serde(flatten)]
    links: Links,
    affected_releasables: Vec<Link>,
}

impl<'a> CustomizationDetails<'a> {
    /// Joins `customization` with the `applications` that it affects, their build results and their
    /// references.
    ///
    /// # Errors
    ///
    /// [`StorageError::Dangling`] if a reference does not exist.
    pub(crate) fn new(
        customization: &'a Customization,
        applications: Vec<Application>,
        build_results: Vec<BuildResult>,
        references: &ResolvedReferences,
    ) -> Result<Self, StorageError> {
        let pipelines = applications
            .iter()
            .filter_map(|application| application.latest_pipeline_id.as_ref())
            .map(|id| Link::to_pipeline(&customization.catalog_id, id))
            .collect();
        let filter = customization.filter.as_ref();
        let filter = filter.map(|filter| FilterDetails::new(filter, references)).transpose()?;
        // The result of an earlier version says nothing about the current one.
        let mut build_results: HashMap<_, _> = build_results
            .into_iter()
            .filter(|result| result.version == customization.version)
            .map(|result| (result.application_id.clone(), result))
            .collect();
        let affected_releasables = applications
            .into_iter()
            .map(|application| {
                let result = build_results.remove(&application.application_id);
                Releasable::new(application, result, references)
            })
            .collect::<Result<_, _>>()?;
        let links = customization.into();
        Ok(Self {
            fields: customization.into(),
            filter,
            affected_releasables,
            _links: DetailsLinks { links, affected_releasables: pipelines },
        })
    }
}

impl<'a> FilterDetails<'a> {
    fn new(filter: &'a Filter, references: &ResolvedReferences) -> Result<Self, StorageError> {
        Ok(Self {
            filter,
            base_image: filter.base_image_id().map(|id| references.base_image(id)).transpose()?,
            product: filter.product_key().map(|key| references.product(key)).transpose()?,
        })
    }
}

impl Releasable {
    fn new(
        application: Application,
        build_result: Option<BuildResult>,
        references: &ResolvedReferences,
    ) -> Result<Self, StorageError> {
        let (status, failure) = match build_result {
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
