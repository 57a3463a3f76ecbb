//! The command: measures the real functions, and puts load on the whole stack.

mod answer;
mod catalogs;
mod functions;
mod load;
mod progress;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use measure::Outcome;
use shared::error::ErrorChain;

/// Measures how fast the functions are, and what the whole stack bears.
///
/// Everything runs on this machine, against embedded stores. Each command ends with a table in
/// Markdown; what it is doing meanwhile goes to the standard error. Linux alone tells what a process
/// uses of processor and memory.
#[derive(Debug, Parser)]
#[command(name = "bench", version = admin::version!())]
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
    let outcome = tokio::select! {
        outcome = run(command) => outcome,
        // What was started ends with what started it.
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {}", ErrorChain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Outcome {
    match command {
        Command::Functions(options) => Box::pin(functions::measure(options)).await,
        Command::Load(options) => Box::pin(load::run(options)).await,
    }
}
