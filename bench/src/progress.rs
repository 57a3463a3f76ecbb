//! What a command is doing, on the standard error.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `steps` steps of `what`; where nobody watches, a line in its place.
pub(crate) fn bar(what: &'static str, steps: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        eprintln!("{what}");
    }
    let style = ProgressStyle::with_template("{msg:44} {bar:30} {pos}/{len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps).with_style(style).with_message(what)
}
