//! `GET /v1/catalogs/{catalog_id}/customizations/{customization_id}`: what became of an upload;
//! `GET /v1/catalogs/{catalog_id}/files/{digest}`: where to download it.

mod answer;
mod conditional;

use ::http::StatusCode;
use serde::Serialize;
use shared::{
    app::App,
    csp::Caller,
    file_name::FileName,
    http::{self, Request, Response},
    id::{CustomizationId, Digest, Id},
    problem::{Problem, Violation},
    store::Wanted,
    telemetry,
};

use self::answer::Detailed;

/// The IAM actions that the function's role allows: what its requests to the stores need, and the
/// links that it signs. Without leave to list the bucket, S3 does not tell that a file is missing.
pub const ACTIONS: [&str; 5] = [
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "s3:GetObject",
    "s3:ListBucket",
];

/// Answers either route.
///
/// # Errors
///
/// The [`Problem`] that the client is answered: of several, the first in the contract's order.
pub async fn handle(app: &App, request: &Request) -> Result<Response, Problem> {
    let caller = app.csp.authenticate(request.headers()).await?;
    let catalog_id: Id = http::path_parameter(request, "catalog_id")
        .and_then(|id| id.parse().ok())
        .ok_or(Problem::CatalogNotFound)?;

    let customization_id = http::path_parameter(request, "customization_id");
    let digest = http::path_parameter(request, "digest");
    match (customization_id, digest) {
        (Some(id), _) => customization(app, request, &caller, &catalog_id, &id).await,
        (None, Some(digest)) => file(app, request, &caller, &catalog_id, &digest).await,
        (None, None) => Err(Problem::NotFound),
    }
}

/// How many applications an answer may list, so that it stays well within the function's memory:
/// 10,000 take 32 MB in all (docs/performance.md).
const MOST_APPLICATIONS: usize = 50_000;

/// Answers a customization in full. It and what tells whose it is are asked first, at once; then the
/// applications that its filter matches and what became of them; then what those are made of.
async fn customization(
    app: &App,
    request: &Request,
    caller: &Caller,
    catalog_id: &Id,
    id: &str,
) -> Result<Response, Problem> {
    // What cannot be an identifier is asked for like one that is nobody's.
    let id: CustomizationId = id
        .parse()
        .inspect(telemetry::note_customization)
        .unwrap_or_else(|_| CustomizationId::generate());
    let customization = app.customization(caller, catalog_id, id).await?;

    let filter = customization.filter.as_ref();
    let (applications, results) = tokio::try_join!(
        app.table.applications(catalog_id, filter, MOST_APPLICATIONS + 1),
        app.table.build_results(id),
    )?;
    if applications.len() > MOST_APPLICATIONS {
        return Err(Problem::ResponseTooLarge);
    }
    let mut wanted = Wanted::default();
    if let Some(filter) = filter {
        wanted.add_filter(filter);
    }
    for application in &applications {
        wanted.add_application(application);
    }
    let references = app.table.references(&wanted).await?;

    let body = Detailed::new(customization, applications, results, &references)?;
    conditional::unless_known(request.headers(), http::json(StatusCode::OK, &body)?)
}

/// Where a file can be downloaded.
#[derive(Serialize)]
struct Location {
    url: String,
}

async fn file(
    app: &App,
    request: &Request,
    caller: &Caller,
    catalog_id: &Id,
    digest: &str,
) -> Result<Response, Problem> {
    // What cannot be a digest is asked for like one of bytes that nobody uploaded.
    let digest: Digest = digest.parse().unwrap_or_else(|_| Digest::of(b""));
    let (owned, held) = tokio::join!(
        app.require_catalog(caller, catalog_id),
        app.bucket.holds(catalog_id, digest),
    );
    owned?;
    let violation =
        |message: String| Problem::Validation(vec![Violation::new("filename", message)]);
    let file_name: FileName = http::query_parameter(request, "filename")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| violation("is missing; say what to call the download".to_owned()))?
        .parse()
        .map_err(|error| violation(format!("{error}")))?;
    if !held? {
        return Err(Problem::FileNotFound);
    }
    let url = app.bucket.link(catalog_id, digest, &file_name).await?;
    http::json(StatusCode::OK, &Location { url })
}
