//! `GET /v1/catalogs/{catalog_id}/customizations/{customization_id}`: gets a customization and the
//! builds of the applications that it affects.

use ::http::StatusCode;
use shared::{
    app::{App, AuthorizedRequest},
    domain::{Application, Filter, Id},
    problem::Problem,
    response::{self, Response},
    storage::{Catalogs, ReferenceIds},
};

use crate::{conditional, details::CustomizationDetails};

/// The maximum number of applications in a response. It limits the function's memory: with 10,000
/// applications, the process needs 32 MB (docs/performance.md).
const MAX_APPLICATIONS: usize = 50_000;

/// Reads the customization and its catalog in one request, to check ownership; then the affected
/// applications and their build results; then their base images, products and registries.
pub(crate) async fn handle(
    app: &App,
    request: &AuthorizedRequest<'_>,
) -> Result<Response, Problem> {
    let customization = app.require_customization(request).await?.customization;

    let filter = customization.filter.as_ref();
    // One after the other: two queries at once need a second connection, and its TLS handshake
    // takes longer than a query.
    let applications =
        affected_applications(&app.catalogs, &request.catalog_id, filter, MAX_APPLICATIONS).await?;
    let build_results = app.builds.results(customization.id).await?;
    let mut ids = ReferenceIds::of_filter(filter);
    for application in &applications {
        ids.add_application(application);
    }
    let references = app.catalogs.references(&ids).await?;

    let body = CustomizationDetails::new(&customization, applications, build_results, &references)?;
    let response = response::json(StatusCode::OK, &body)?;
    Ok(conditional::if_none_match(&request.request.headers, response)?)
}

/// Reads the applications of a catalog that `filter` selects.
///
/// # Errors
///
/// [`Problem::ResponseTooLarge`] if there are more than `max`, or the problem of a storage error.
pub async fn affected_applications(
    catalogs: &Catalogs,
    catalog_id: &Id,
    filter: Option<&Filter>,
    max: usize,
) -> Result<Vec<Application>, Problem> {
    let applications = catalogs.applications(catalog_id, filter, Some(max + 1)).await?;
    if applications.len() > max { Err(Problem::ResponseTooLarge) } else { Ok(applications) }
}
