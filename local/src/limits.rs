//! What the services that this crate stands in for allow.

use std::time::Duration;

/// Figures that bound requests and functions.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body of a request that the gateway takes, in bytes.
    pub body_bytes: usize,
    /// The largest event that a function is sent, and the largest answer it may give, in bytes.
    pub payload_bytes: usize,
    /// How long the gateway waits for an answer.
    pub integration: Duration,
    /// How long a function may work on one event before its process is ended.
    pub invocation: Duration,
    /// How long a function's process may take to ask for its first event.
    pub init: Duration,
    /// How many processes a function has at most: requests beyond these wait.
    pub concurrency: usize,
}

impl Limits {
    /// As in API Gateway's and Lambda's documentation, except that one machine runs fewer processes.
    pub const AWS: Self = Self {
        body_bytes: 10 * 1024 * 1024,
        payload_bytes: 6_291_456,
        integration: Duration::from_secs(29),
        invocation: Duration::from_secs(28),
        init: Duration::from_secs(10),
        concurrency: 4,
    };
}
