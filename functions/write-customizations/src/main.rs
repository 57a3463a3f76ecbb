//! The Lambda function `write-customizations`.

use std::process::ExitCode;

use shared::{app, routes::Permission};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    app::run(Permission::Write, write_customizations::handle).await
}
