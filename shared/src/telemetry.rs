//! Logs: one JSON object a line on standard output, where Lambda collects it.

use std::{error::Error, fmt};

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
        .with_target(false);
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
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
