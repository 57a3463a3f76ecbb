//! Messages, results, tables and progress bars.
//!
//! Results go to the standard output; messages and progress go to the standard error, so that a
//! program can read the results.

use std::{
    env,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{args::OutputArgs, error::CommandError};

/// The output of a command.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    args: OutputArgs,
    colour: bool,
}

impl Output {
    /// An output as the flags and the environment want it.
    #[must_use]
    pub fn new(args: OutputArgs) -> Self {
        // See https://no-color.org.
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { args, colour: io::stdout().is_terminal() && !no_colour }
    }

    /// Returns true if results are printed as JSON.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.args.json
    }

    /// Returns true if nothing but results and errors is printed.
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.args.quiet
    }

    /// Prints a line of the result. Control characters do not reach the terminal.
    ///
    /// # Errors
    ///
    /// [`CommandError::Output`]
    pub fn line(self, text: &str) -> Result<(), CommandError> {
        print_line(&printable(text))
    }

    /// Prints a value as JSON on one line.
    ///
    /// # Errors
    ///
    /// [`CommandError::Output`]
    pub fn json(self, value: &impl Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string(value).map_err(io::Error::other);
        print_line(&text.map_err(CommandError::Output)?)
    }

    /// Prints a message, unless `--quiet` is given.
    pub fn note(self, text: &str) {
        if !self.args.quiet {
            eprint_line(text);
        }
    }

    /// A progress bar over bytes. It is visible only if the standard error is a terminal.
    #[must_use]
    pub fn byte_bar(self, message: &str) -> ProgressBar {
        let template = "{msg} {bar:30} {bytes}/{total_bytes}, {binary_bytes_per_sec}, {eta} left";
        self.bar(0, message, template)
    }

    /// A progress bar over builds.
    #[must_use]
    pub fn build_bar(self) -> ProgressBar {
        let bar =
            self.bar(0, "waiting for builds", "{spinner} {msg} {bar:30} {pos}/{len}, {elapsed}");
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn bar(self, length: u64, message: &str, template: &str) -> ProgressBar {
        let target = if self.args.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(length), target)
            .with_style(style)
            .with_message(printable(message))
    }

    /// Prints a table with a row of headings.
    ///
    /// # Errors
    ///
    /// [`CommandError::Output`]
    pub fn table<const N: usize>(
        self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [Text; N]>,
    ) -> Result<(), CommandError> {
        let mut table = plain_table();
        table.set_header(headings.map(|heading| {
            let cell = Cell::new(heading);
            if self.colour { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        table.add_rows(rows.into_iter().map(|row| row.map(|text| self.cell(text))));
        print_table(&table)
    }

    /// Prints names with their values.
    ///
    /// # Errors
    ///
    /// [`CommandError::Output`]
    pub fn fields<'a>(
        self,
        fields: impl IntoIterator<Item = (&'a str, Text)>,
    ) -> Result<(), CommandError> {
        let mut table = plain_table();
        table.add_rows(fields.into_iter().map(|(name, value)| [Cell::new(name), self.cell(value)]));
        print_table(&table)
    }

    fn cell(self, text: Text) -> Cell {
        let Text { text, tone } = text;
        let cell = Cell::new(printable(&text));
        match tone {
            Tone::Good if self.colour => cell.fg(Color::Green),
            Tone::Bad if self.colour => cell.fg(Color::Red),
            Tone::Pending if self.colour => cell.fg(Color::Yellow),
            Tone::Good | Tone::Bad | Tone::Pending | Tone::Plain => cell,
        }
    }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.style_text_only();
    // A pipe gets one line per row, so that `grep` finds whole rows.
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

fn print_table(table: &Table) -> Result<(), CommandError> {
    table.lines().try_for_each(|line| {
        // The preset pads each cell with a space.
        print_line(line.strip_prefix(' ').unwrap_or(&line).trim_end())
    })
}

/// Prints a line to the standard output.
fn print_line(text: &str) -> Result<(), CommandError> {
    writeln!(io::stdout(), "{text}").map_err(CommandError::Output)
}

/// A text of a table.
#[derive(Clone, Debug)]
pub struct Text {
    text: String,
    tone: Tone,
}

#[derive(Clone, Copy, Debug)]
enum Tone {
    Plain,
    Good,
    Bad,
    Pending,
}

impl Text {
    /// A status, in the colour of its meaning.
    #[must_use]
    pub fn status(status: &str) -> Self {
        let tone = if status.ends_with("FAILED") {
            Tone::Bad
        } else if status.ends_with("SUCCEEDED") {
            Tone::Good
        } else if status == "PENDING" || status.ends_with("STARTED") {
            Tone::Pending
        } else {
            Tone::Plain
        };
        Self { text: status.to_owned(), tone }
    }
}

impl<T: Into<String>> From<T> for Text {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

/// Prints a line to the standard error. Failures are ignored: there is nowhere to report them.
pub fn eprint_line(text: &str) {
    let lines: Vec<String> = text.lines().map(printable).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// Escapes control characters and characters that change the writing direction. Texts of other
/// users could otherwise move the cursor of a terminal, or disguise names.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_directional(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Returns true for Unicode's `Bidi_Control` characters.
fn is_directional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A number of bytes for people: `1.5 MiB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    indicatif::BinaryBytes(number).to_string()
}

/// A number of entries: `1 entry`, `2 entries`.
#[must_use]
pub fn entries(number: usize) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

/// A number with its noun: `1 file`, `2 files`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_controls_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n"), "a\\u{1b}[2Jb\\u{d}\\u{a}");
        assert_eq!(printable("\u{202e}zgt"), "\\u{202e}zgt");
        assert_eq!(printable("übung 日本"), "übung 日本");
    }
}
