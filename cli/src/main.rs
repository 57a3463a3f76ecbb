//! The user's command, `customizations`.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use cli::{
    args::Cli,
    commands,
    error::{CommandError, ErrorChain},
    output::eprint_line,
};
use git_version::git_version;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    // The version, with the commit that the command was built from.
    let version = git_version!(
        args = ["--always", "--exclude=*", "--dirty=-modified"],
        prefix = concat!(env!("CARGO_PKG_VERSION"), " ("),
        suffix = ")",
        fallback = env!("CARGO_PKG_VERSION")
    );
    let matches = Cli::command().version(version).get_matches();
    let arguments = match Cli::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report(&CommandError::Output(error)),
    };
    let exit_code = runtime.block_on(async {
        tokio::select! {
            result = commands::run(arguments) => match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => report(&error),
            },
            // Dropping the command deletes its temporary files.
            number = interrupted() => {
                eprint_line("interrupted");
                ExitCode::from(128 + number)
            }
        }
    });
    // Work on another thread, such as packing, must not delay the end.
    runtime.shutdown_background();
    exit_code
}

/// Returns the number of the signal that ends the command.
async fn interrupted() -> u8 {
    let wait = async |kind: SignalKind| match signal(kind) {
        Ok(mut signal) => signal.recv().await,
        // Without a handler, the signal ends the process anyway.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        _ = wait(SignalKind::interrupt()) => 2,
        _ = wait(SignalKind::terminate()) => 15,
    }
}

fn report(error: &CommandError) -> ExitCode {
    if !error.is_silent() {
        eprint_line(&format!("error: {}", ErrorChain(error)));
    }
    error.exit_code()
}
