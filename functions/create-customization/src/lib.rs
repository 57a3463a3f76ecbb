//! `POST /v1/catalogs/{catalog_id}/customizations`: takes an upload.

mod upload;

use ::http::{StatusCode, header};
use serde::Serialize;
use shared::{
    app::App,
    customization::{Artifact, Customization, CustomizationStatus, Links},
    http::{self, Request, Response},
    id::{CustomizationId, Id},
    problem::Problem,
    store::CreateError,
    timestamp::Timestamp,
};

use self::upload::Upload;

/// Checks an upload, keeps its bytes, then its record.
///
/// # Errors
///
/// The [`Problem`] that the client is answered: of several, the first in the contract's order.
pub async fn handle(app: &App, request: &Request) -> Result<Response, Problem> {
    let caller = app.csp.authenticate(request.headers()).await?;
    let catalog_id: Id = http::path_parameter(request, "catalog_id")
        .and_then(|id| id.parse().ok())
        .ok_or(Problem::CatalogNotFound)?;

    // All is asked at once, and answered in order.
    let (owned, upload) = tokio::join!(
        app.table.owns_catalog(&caller.organization, &catalog_id),
        Upload::check(app, &catalog_id, request),
    );
    if !owned? {
        return Err(Problem::CatalogNotFound);
    }
    let Upload { file, digest, name, description, filter } = upload?;

    app.bucket.put(&catalog_id, digest, file.content).await?;

    let customization = Customization {
        id: CustomizationId::generate(),
        version: "v1".to_owned(),
        artifact: Artifact::new(&catalog_id, digest, file.name),
        name,
        description,
        catalog_id,
        status: CustomizationStatus::CREATED,
        filter,
        created_by: caller.user,
        created_at: Timestamp::now(),
        updated_by: None,
        updated_at: None,
        removed_by: None,
        removed_at: None,
    };
    app.table.create(&caller.organization, &customization).await.map_err(|error| match error {
        CreateError::CatalogGone => Problem::CatalogNotFound,
        CreateError::Store(error) => error.into(),
    })?;
    created(&customization)
}

/// What the client is told: what is in hand, without further look-ups.
#[derive(Serialize)]
struct Created<'a> {
    #[serde(flatten)]
    customization: &'a Customization,
    global: bool,
    _links: Links,
}

fn created(customization: &Customization) -> Result<Response, Problem> {
    let body = Created {
        customization,
        global: customization.filter.is_none(),
        _links: Links::of(customization),
    };
    let mut response = http::json(StatusCode::CREATED, &body)?;
    let location = http::header_value(customization.path())?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
