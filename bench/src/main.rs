//! The command `bench`: measures the real functions, and loads the whole stack.

mod catalogs;
mod functions;
mod load;
mod progress;
mod resource_usage;
mod response;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use measure::Result;
use shared::error::ErrorChain;

/// Measures the functions, and the whole stack under load.
///
/// Everything runs on this machine, with embedded stores. Each command prints a table in Markdown
/// at the end. Its progress goes to the standard error. CPU time and memory are measured only on
/// Linux.
#[derive(Debug, Parser)]
#[command(name = "bench", version = version::version!())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Functions(functions::Options),
    Load(load::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    let result = tokio::select! {
        result = run(command) => result,
        // Dropping `run` stops the processes that it started.
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {}", ErrorChain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result {
    match command {
        Command::Functions(options) => Box::pin(functions::measure(options)).await,
        Command::Load(options) => Box::pin(load::run(options)).await,
    }
}
