//! The Lambda function `read-customizations`.

use std::process::ExitCode;

use shared::config::Permissions;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shared::app::run(env!("CARGO_PKG_NAME"), Permissions::Read, read_customizations::handle).await
}
