//! The user's command, `customizations`.

use std::{future::pending, io, process::ExitCode};

use clap::{CommandFactory, FromArgMatches};
use cli::{
    args::Cli,
    commands,
    error::{CommandError, ErrorChain},
    output::eprint_line,
};
use git_version::git_version;
use tokio::signal::unix::{Signal, SignalKind, signal};

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
        // Before the command starts, so that no signal ends the process without its clean-up.
        let interrupted = interrupted();
        tokio::select! {
            result = commands::run(arguments) => match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => report(&error),
            },
            // Dropping the command deletes its temporary files.
            number = interrupted => {
                eprint_line("interrupted");
                ExitCode::from(128 + number)
            }
        }
    });
    // Work on another thread, such as packing, must not delay the end.
    runtime.shutdown_background();
    exit_code
}

/// Handles the signals that end a command. Returns the number of the signal.
fn interrupted() -> impl Future<Output = u8> {
    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    let (interrupts, terminations) = (signal(interrupt), signal(terminate));
    // Without a handler, the signal ends the process by itself.
    let wait = async |handler: io::Result<Signal>| match handler {
        Ok(mut signal) => signal.recv().await,
        Err(_) => pending().await,
    };
    async move {
        tokio::select! {
            _ = wait(interrupts) => 2,
            _ = wait(terminations) => 15,
        }
    }
}

fn report(error: &CommandError) -> ExitCode {
    if !error.is_silent() {
        eprint_line(&format!("error: {}", ErrorChain(error)));
    }
    error.exit_code()
}
