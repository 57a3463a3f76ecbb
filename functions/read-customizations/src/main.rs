//! The Lambda function `read-customizations`.

use std::process::ExitCode;

use shared::{app, routes::Permission};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    app::run(Permission::Read, read_customizations::handle).await
}
