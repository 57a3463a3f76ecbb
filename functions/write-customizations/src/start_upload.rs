//! `POST /v1/catalogs/{catalog_id}/uploads`: starts the upload of a large file directly to S3.

use std::collections::BTreeMap;

use ::http::StatusCode;
use serde::Serialize;
use shared::{
    app::{App, AuthorizedRequest},
    domain::{Digest, Timestamp},
    form::UploadDescription,
    problem::Problem,
    response::{self, Response},
    storage::PresignedUpload,
};

/// The maximum size of a file in bytes: a create of this size ends before its deadline
/// (docs/operations.md).
pub(crate) const MAX_UPLOAD_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Serialize)]
struct StartedUpload {
    sha256: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<UploadRequest>,
}

/// The request that the client must send to S3.
#[derive(Serialize)]
struct UploadRequest {
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    expires_at: Timestamp,
}

impl From<PresignedUpload> for UploadRequest {
    fn from(upload: PresignedUpload) -> Self {
        let PresignedUpload { method, url, headers, expires_at } = upload;
        Self { method, url, headers, expires_at }
    }
}

/// Returns a presigned request, unless the catalog has the file already. Stores nothing.
pub(crate) async fn handle(
    app: &App,
    request: &AuthorizedRequest<'_>,
) -> Result<Response, Problem> {
    app.require_catalog(request).await?;
    let description = UploadDescription::read(&request.request.headers, &request.request.body)?;
    let UploadDescription { sha256, size } = description.map_err(Problem::Validation)?;
    if size > MAX_UPLOAD_BYTES {
        return Err(Problem::UploadTooLarge);
    }
    let (status, upload) = if app.artifacts.exists(&request.catalog_id, sha256).await? {
        (StatusCode::OK, None)
    } else {
        let upload = app.artifacts.presign_put(&request.catalog_id, sha256, size).await?;
        (StatusCode::CREATED, Some(upload.into()))
    };
    Ok(response::json(status, &StartedUpload { sha256, size, upload })?)
}
