//! Error types that several modules use.

use std::{error::Error, fmt};

/// Any error, as the source of another one.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Displays an error and all its sources, separated by colons.
pub struct ErrorChain<'a>(pub &'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// A handler ended without a response.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The invocation's time is up.
    #[error("the request exceeded its time limit")]
    DeadlineExceeded,
    /// The handler panicked with this message.
    #[error("panic: {0}")]
    Panic(String),
}
