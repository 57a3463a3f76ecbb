//! Panics: one panic, one line. That of a request tells of its own; any other has one to itself.

use std::{
    panic::PanicHookInfo,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What a process is at.
enum Work {
    /// It starts, or waits.
    Idle,
    /// A request.
    Request {
        /// Where it has panicked, if it has.
        panicked_at: Option<String>,
    },
}

/// Lambda gives a process one request at a time, and a panic may be on another thread than the
/// request is.
static WORK: Mutex<Work> = Mutex::new(Work::Idle);

fn work() -> MutexGuard<'static, Work> {
    WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While this lives a request is at work, and its line will tell of panics.
#[derive(Debug)]
pub struct Panics(());

impl Panics {
    /// From now on, panics are noted for the request's line.
    #[must_use]
    pub fn note() -> Self {
        *work() = Work::Request { panicked_at: None };
        Self(())
    }

    /// Notes or logs a panic. The default hook writes plain text, of several lines.
    pub(crate) fn hook(panic: &PanicHookInfo<'_>) {
        let location = panic.location().map(ToString::to_string);
        match &mut *work() {
            Work::Request { panicked_at } => *panicked_at = location,
            Work::Idle => tracing::error!(location, cause = panic.payload_as_str(), "panicked"),
        }
    }

    /// Where the request has panicked, if it has: a file, a line and a column.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        match &*work() {
            Work::Request { panicked_at } => panicked_at.clone(),
            Work::Idle => None,
        }
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        *work() = Work::Idle;
    }
}
