//! `GET /v1/catalogs/{catalog_id}/files/{digest}`: gets a download link for a customization's file.

use ::http::StatusCode;
use serde::Serialize;
use shared::{
    app::{App, AuthorizedRequest},
    domain::{Digest, FileName},
    problem::Problem,
    request::Request,
    response::{self, Response},
    violation::Violation,
};

#[derive(Serialize)]
struct DownloadLink {
    url: String,
}

pub(crate) async fn handle(
    app: &App,
    request: &AuthorizedRequest<'_>,
) -> Result<Response, Problem> {
    app.require_catalog(request).await?;
    let file_name = file_name(request.request)?;
    let digest = request.request.path_parameter("digest");
    let digest: Digest = digest.and_then(|it| it.parse().ok()).ok_or(Problem::FileNotFound)?;
    if !app.artifacts.exists(&request.catalog_id, digest).await? {
        return Err(Problem::FileNotFound);
    }
    let url = app.artifacts.presign_get(&request.catalog_id, digest, &file_name).await?;
    Ok(response::json(StatusCode::OK, &DownloadLink { url })?)
}

/// Parses the query parameter `filename`.
fn file_name(request: &Request) -> Result<FileName, Problem> {
    let violation =
        |message: String| Problem::Validation(vec![Violation::new("filename", message)]);
    request
        .query_parameter("filename")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| violation("is missing; say what to call the download".to_owned()))?
        .parse()
        .map_err(|error| violation(format!("{error}")))
}
