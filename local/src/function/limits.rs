//! Limits of a Lambda function.

use std::time::Duration;

/// Limits of one function.
#[derive(Clone, Copy, Debug)]
pub struct FunctionLimits {
    /// Largest event and largest response of an invocation, in bytes.
    pub payload_bytes: usize,
    /// Longest time from a process's start until it asks for its first event.
    pub init_timeout: Duration,
    /// Longest time for one invocation; the process is killed afterwards.
    pub invocation_timeout: Duration,
    /// Largest number of processes; further invocations wait.
    pub concurrency: usize,
}

impl FunctionLimits {
    /// Limits of Lambda's documentation and of the template, except for the concurrency: one
    /// machine runs fewer processes.
    pub const AWS: Self = Self {
        payload_bytes: 6_291_456,
        init_timeout: Duration::from_secs(10),
        invocation_timeout: Duration::from_secs(28),
        concurrency: 4,
    };
}
