//! The operator's check of a deployed stack.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use cli::{
    error::{CommandError, ErrorChain},
    output::eprint_line,
    signals::interrupted,
};
use smoke_test::args::Args;

fn main() -> ExitCode {
    let matches = Args::command().version(version::version!()).get_matches();
    let arguments = match Args::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(CommandError::Start).and_then(|runtime| {
        runtime.block_on(async { smoke_test::run(arguments, interrupted()).await })
    });
    match result {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            eprint_line(&format!("error: {}", ErrorChain(&error)));
            // No check has run: the command cannot say anything about the service.
            ExitCode::from(2)
        }
    }
}
