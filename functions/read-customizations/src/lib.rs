//! The Lambda function `read-customizations`: the operations that read customizations.

mod conditional;
mod details;
mod get_customization;
mod get_file;
mod list_customizations;
mod list_versions;

pub use get_customization::affected_applications;
use shared::{app::App, problem::Problem, request::Request, response::Response, routes::Operation};

/// The function's role must allow exactly these IAM actions.
pub const ACTIONS: [&str; 4] = [
    // Reads the catalog (to check its owner), the customization, base images, products and
    // registries.
    "dynamodb:BatchGetItem",
    // Lists customizations and their versions; reads the affected applications and their build
    // results.
    "dynamodb:Query",
    // Checks that a file exists. Download links also need it, because a link has the permissions of
    // the function that signed it.
    "s3:GetObject",
    // Without this action, S3 responds with 403 instead of 404 if a file does not exist.
    "s3:ListBucket",
];

/// Handles a request.
///
/// # Errors
///
/// Returns the first [`Problem`] found. The contract defines the order of the checks.
pub async fn handle(app: &App, request: &Request) -> Result<Response, Problem> {
    let request = app.authorize(request).await?;
    match request.operation {
        Operation::ListCustomizations => list_customizations::handle(app, &request).await,
        Operation::GetCustomization => get_customization::handle(app, &request).await,
        Operation::ListVersions => list_versions::handle(app, &request).await,
        Operation::GetFile => get_file::handle(app, &request).await,
        Operation::CreateCustomization
        | Operation::StartUpload
        | Operation::UpdateCustomization
        | Operation::RemoveCustomization => Err(Problem::NotFound),
    }
}
