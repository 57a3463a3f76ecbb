//! `DELETE /v1/catalogs/{catalog_id}/customizations/{customization_id}`: removes a customization.

use shared::{
    app::{App, AuthorizedRequest},
    domain::{Customization, Removed, Timestamp},
    metrics,
    problem::Problem,
    response::{self, Response},
    storage::{UpdateConditions, UpdateError},
};

/// Marks the customization as removed. Its record and files stay.
pub(crate) async fn handle(
    app: &App,
    request: &AuthorizedRequest<'_>,
) -> Result<Response, Problem> {
    let stored = app.require_customization(request).await?;
    let caller = &request.caller;
    let conditions =
        UpdateConditions { owner: Some(&caller.organization), ..UpdateConditions::default() };
    let remove =
        |customization: &mut Customization| customization.remove(&caller.user, Timestamp::now());
    match app.customizations.update("remove customization", stored, conditions, remove).await {
        Ok(()) => metrics::removed(),
        // A second removal changes nothing.
        Err(UpdateError::Refused(Removed)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(response::no_content())
}
