//! `GET /v1/catalogs/{catalog_id}/customizations/{customization_id}/versions`: lists the versions
//! of a customization.

use std::iter;

use ::http::StatusCode;
use serde::Serialize;
use shared::{
    app::{App, AuthorizedRequest},
    problem::Problem,
    response::{self, Response},
    view::VersionView,
};

use crate::conditional;

/// The maximum number of versions in a response. It limits the function's memory.
const MAX_VERSIONS: usize = 10_000;

#[derive(Serialize)]
struct Versions<'a> {
    items: Vec<VersionView<'a>>,
}

/// Reads the customization and its catalog in one request, to check ownership; then its earlier
/// versions.
pub(crate) async fn handle(
    app: &App,
    request: &AuthorizedRequest<'_>,
) -> Result<Response, Problem> {
    let customization = app.require_customization(request).await?.customization;
    let earlier = app.customizations.earlier_versions(&customization, MAX_VERSIONS).await?;
    if earlier.len() >= MAX_VERSIONS {
        return Err(Problem::ResponseTooLarge);
    }
    let current = customization.current_version();
    let versions = iter::once(&current).chain(&earlier);
    let items = versions.map(|version| VersionView::new(&request.catalog_id, version)).collect();
    let response = response::json(StatusCode::OK, &Versions { items })?;
    Ok(conditional::if_none_match(&request.request.headers, response)?)
}
