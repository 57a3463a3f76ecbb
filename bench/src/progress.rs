//! Progress of a command, on the standard error.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// Starts a progress bar with `steps` steps. If the standard error is no terminal, prints one line
/// instead.
pub(crate) fn bar(message: &'static str, steps: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        eprintln!("{message}");
    }
    let style = ProgressStyle::with_template("{msg:44} {bar:30} {pos}/{len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps).with_style(style).with_message(message)
}
