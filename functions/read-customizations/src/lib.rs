//! The Lambda function `read-customizations`: the operations that read customizations.

mod conditional;
mod details;
mod get_customization;
mod get_file;

use shared::{app::App, problem::Problem, request::Request, response::Response, routes::Operation};

/// The IAM actions that the function's role must allow, and nothing else.
pub const ACTIONS: [&str; 4] = [
    // Reads the catalog, to check its owner; the customization; base images, products, registries.
    "dynamodb:BatchGetItem",
    // Reads the affected applications and their build results.
    "dynamodb:Query",
    // Checks that a file exists; and a download link has the permissions of the function that
    // signed it.
    "s3:GetObject",
    // Without it S3 answers 403, not 404, for a file that does not exist.
    "s3:ListBucket",
];

/// Handles a request.
///
/// # Errors
///
/// The first [`Problem`] in the contract's order of checks.
pub async fn handle(app: &App, request: &Request) -> Result<Response, Problem> {
    let request = app.authorize(request).await?;
    match request.operation {
        Operation::GetCustomization => get_customization::handle(app, &request).await,
        Operation::GetFile => get_file::handle(app, &request).await,
        Operation::CreateCustomization => Err(Problem::NotFound),
    }
}
