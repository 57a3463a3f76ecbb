//! `POST /v1/catalogs/{catalog_id}/customizations`: takes an upload.

mod idempotency;
mod upload;

use ::http::{StatusCode, header};
use serde::Serialize;
use shared::{
    app::App,
    csp::Caller,
    customization::{Artifact, Customization, CustomizationStatus, Links},
    http::{self, Request, Response},
    id::{CustomizationId, Digest, Id},
    metrics,
    problem::Problem,
    store::{CreateError, Receipt},
    telemetry,
    timestamp::Timestamp,
};

use self::upload::Upload;

/// The IAM actions that the function's role allows: what its requests to the stores need. For a
/// transaction that is what each action in it needs.
pub const ACTIONS: [&str; 6] = [
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "s3:PutObject",
];

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
        app.require_catalog(&caller, &catalog_id),
        Upload::check(app, &catalog_id, request),
    );
    owned?;
    let upload = upload?;
    let fingerprint = idempotency::fingerprint(&upload)?;
    if let Some(receipt) = &upload.receipt {
        return replay(receipt, fingerprint);
    }
    if !upload.anything_to_rebuild(app, &catalog_id).await? {
        return Err(Problem::ApplicationNotReleased);
    }

    app.bucket.put(&catalog_id, upload.digest, upload.file.content.clone()).await?;

    let key = upload.idempotency_key;
    let bytes = upload.file.content.len();
    let customization = customization(catalog_id, upload, &caller);
    let receipt = key.map(|key| (key, Receipt::new(fingerprint, customization.clone())));
    let receipt = receipt.as_ref().map(|(key, receipt)| (*key, receipt));
    match app.table.create(&caller.organization, &customization, receipt).await {
        Ok(()) => {
            metrics::created(bytes);
            created(&customization)
        }
        Err(CreateError::CatalogGone) => Err(Problem::CatalogNotFound),
        Err(CreateError::KeyUsed(receipt)) => replay(&receipt, fingerprint),
        Err(CreateError::Store(error)) => Err(error.into()),
    }
}

/// The customization that an upload makes.
fn customization(catalog_id: Id, upload: Upload, caller: &Caller) -> Customization {
    Customization {
        id: CustomizationId::generate(),
        version: "v1".to_owned(),
        artifact: Artifact::new(&catalog_id, upload.digest, upload.file.name),
        name: upload.name,
        description: upload.description,
        catalog_id,
        status: CustomizationStatus::CREATED,
        filter: upload.filter,
        created_by: caller.user.clone(),
        created_at: Timestamp::now(),
        updated_by: None,
        updated_at: None,
        removed_by: None,
        removed_at: None,
    }
}

/// Answers what was answered before, if it was the same that was asked for.
fn replay(receipt: &Receipt, fingerprint: Digest) -> Result<Response, Problem> {
    if receipt.request == fingerprint {
        created(&receipt.customization)
    } else {
        Err(Problem::IdempotencyKeyReused)
    }
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
    telemetry::note_customization(&customization.id);
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
