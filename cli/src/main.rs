//! The user's command, `customizations`.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use cli::{
    args::Cli,
    commands,
    error::{CommandError, ErrorChain},
    output::eprint_line,
    signals::interrupted,
};

fn main() -> ExitCode {
    let matches = Cli::command().version(version::version!()).get_matches();
    let arguments = match Cli::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report(&CommandError::Start(error)),
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

fn report(error: &CommandError) -> ExitCode {
    if !error.is_silent() {
        eprint_line(&format!("error: {}", ErrorChain(error)));
    }
    error.exit_code()
}
