//! `completions` and `man`.

use std::{io, path::Path};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Cli, error::CommandError};

pub(super) fn completions(shell: Shell) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "customizations", &mut script);
    // Not directly to the standard output: clap panics if its reader has gone.
    io::Write::write_all(&mut io::stdout(), &script).map_err(CommandError::Output)
}

/// Writes a page for the command, and one for each of its commands.
pub(super) fn pages(directory: &Path) -> Result<(), CommandError> {
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(CommandError::file("write to", directory))
}
