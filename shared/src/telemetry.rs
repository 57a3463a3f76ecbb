//! Logs: one JSON object a line on standard output, where Lambda collects it.

use std::{
    error::Error,
    fmt::{self, Write as _},
    io, panic,
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Where Lambda's advanced logging controls put the level to log at.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Begins to log; further calls do nothing.
///
/// The configured level is for this product's own lines. Of the libraries' only warnings are
/// logged: at finer levels they print requests, and with them what must not be in a log.
pub fn init() {
    let level = std::env::var(LEVEL).ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::INFO);
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target("shared", level)
        .with_target("create_customization", level)
        .with_target("get_customization", level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(|| AsciiOutput);
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
    // The default hook writes plain text, of several lines.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, cause = panic.payload_as_str(), "panicked");
    }));
}

/// Standard output for JSON. Whatever is not printable ASCII is escaped: JSON itself lets pass C1
/// controls, which some terminals obey, and marks of writing direction, which make a line read
/// other than it is.
struct AsciiOutput;

impl io::Write for AsciiOutput {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        io::stdout().write_all(ascii(&String::from_utf8_lossy(json)).as_bytes())?;
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// `json` with escapes in place of all but printable ASCII and line ends.
fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~' | '\n') {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // A string takes all that is written to it.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// An error with all its causes, on one line.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_printable_ascii_is_escaped() {
        let json = "{\"cause\":\"a\u{9b}2J\u{202e}\u{7f}é😀\"}\n";
        let escaped = "{\"cause\":\"a\\u009b2J\\u202e\\u007f\\u00e9\\ud83d\\ude00\"}\n";
        assert_eq!(ascii(json), escaped);
        let read = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(escaped), read(json));
    }
}
