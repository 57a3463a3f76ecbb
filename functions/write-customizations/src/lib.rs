//! The Lambda function `write-customizations`: the operations that change customizations.

mod archive_check;
mod create_customization;
mod idempotency;

use shared::{app::App, problem::Problem, request::Request, response::Response, routes::Operation};

/// The IAM actions that the function's role must allow, and nothing else.
pub const ACTIONS: [&str; 6] = [
    // Reads the catalog, to check its owner, with the base image and product of a filter.
    "dynamodb:BatchGetItem",
    // Checks in the transaction of a create that the catalog's owner is unchanged.
    "dynamodb:ConditionCheckItem",
    // Reads the idempotency record.
    "dynamodb:GetItem",
    // Writes the customization and the idempotency record, in one transaction.
    "dynamodb:PutItem",
    // Looks for a released application that the filter selects.
    "dynamodb:Query",
    // Stores the uploaded file.
    "s3:PutObject",
];

/// Handles a request.
///
/// # Errors
///
/// The first [`Problem`] in the contract's order of checks.
pub async fn handle(app: &App, request: &Request) -> Result<Response, Problem> {
    let request = app.authorize(request).await?;
    match request.operation {
        Operation::CreateCustomization => create_customization::handle(app, &request).await,
        Operation::GetCustomization | Operation::GetFile => Err(Problem::NotFound),
    }
}
