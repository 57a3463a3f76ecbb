//! Errors of functions and their processes.

use std::{io, process::ExitStatus, time::Duration};

use super::name::FunctionName;

/// Failure of an invocation.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// No process can be started for the event.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The event is larger than Lambda's limit.
    #[error("the event is larger than {0} bytes")]
    RequestTooLarge(usize),
    /// The function reported an error.
    #[error("the function failed: {0}")]
    FunctionError(String),
    /// The process exited before it responded.
    #[error("the function's process exited before it responded ({0})")]
    Exited(ExitStatus),
    /// The process did not respond in time and was killed.
    #[error("the function did not respond within {0:?}")]
    TimedOut(Duration),
    /// The response is larger than Lambda's limit.
    #[error("the function's response is larger than {0} bytes")]
    ResponseTooLarge(usize),
    /// The stack is shutting down.
    #[error("the function is shutting down")]
    ShuttingDown,
}

/// Failure to start a function's process.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process, its port or its log file cannot be created.
    #[error("{0} cannot be started")]
    Spawn(FunctionName, #[source] io::Error),
    /// The process exited during initialization; the text is the last line of its output.
    #[error("{0} exited during initialization ({1}): {2}")]
    Exited(FunctionName, ExitStatus, String),
    /// The process reported an initialization error.
    #[error("{0} failed to initialize: {1}")]
    InitError(FunctionName, String),
    /// The process did not ask for an event in time.
    #[error("{0} did not initialize within {1:?}")]
    TimedOut(FunctionName, Duration),
}
