//! The Lambda function `write-customizations`: the operations that change customizations.

mod archive_check;
mod artifact;
mod create_customization;
mod idempotency;
mod remove_customization;
mod start_upload;
mod update_customization;

use shared::{app::App, problem::Problem, request::Request, response::Response, routes::Operation};

/// The function's role must allow exactly these IAM actions.
pub const ACTIONS: [&str; 8] = [
    // Reads the catalog, to check its owner, with the customization to change, or with the base
    // image and product of a filter.
    "dynamodb:BatchGetItem",
    // Checks, in the transaction that writes a customization, that the catalog's owner is
    // unchanged.
    "dynamodb:ConditionCheckItem",
    // Reads the idempotency record; reads the customization again after a concurrent write.
    "dynamodb:GetItem",
    // Writes the customization, the version that it replaces and the idempotency record, in one
    // transaction.
    "dynamodb:PutItem",
    // Looks for a released application that the filter selects.
    "dynamodb:Query",
    // Reads a file that was uploaded directly; checks that a file exists.
    "s3:GetObject",
    // Without this action, S3 responds with 403 instead of 404 if a file does not exist.
    "s3:ListBucket",
    // Stores the file of a form; copies a file that was uploaded directly. A presigned upload needs
    // it too, because it has the permissions of the function that signed it.
    "s3:PutObject",
];

/// Handles a request.
///
/// # Errors
///
/// Returns the first [`Problem`] found. The contract defines the order of the checks.
pub async fn handle(app: &App, request: &Request) -> Result<Response, Problem> {
    let request = app.authorize(request).await?;
    match request.operation {
        Operation::CreateCustomization => create_customization::handle(app, &request).await,
        Operation::UpdateCustomization => update_customization::handle(app, &request).await,
        Operation::RemoveCustomization => remove_customization::handle(app, &request).await,
        Operation::StartUpload => start_upload::handle(app, &request).await,
        Operation::ListCustomizations
        | Operation::GetCustomization
        | Operation::ListVersions
        | Operation::GetFile => Err(Problem::NotFound),
    }
}
