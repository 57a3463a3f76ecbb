//! The Lambda function `get-customization`.

use std::process::ExitCode;

use shared::config::Permissions;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shared::app::run(Permissions::Read, get_customization::handle).await
}
