//! Limits of a Lambda function.

use std::time::Duration;

/// Limits of one function.
#[derive(Clone, Copy, Debug)]
pub struct FunctionLimits {
    /// Largest event and largest response of an invocation, in bytes.
    pub payload_bytes: usize,
    /// Longest time from the start of a process until it requests its first event.
    pub init_timeout: Duration,
    /// Longest time of one invocation. After it, the process is killed.
    pub invocation_timeout: Duration,
    /// Largest number of processes. Further invocations wait.
    pub concurrency: usize,
}

impl FunctionLimits {
    /// The limits in Lambda's documentation (6 MB payload, 10 s initialization) and the function
    /// timeout in template.yaml. The concurrency is lower, because all processes share one machine.
    pub const AWS: Self = Self {
        payload_bytes: 6_291_456,
        init_timeout: Duration::from_secs(10),
        invocation_timeout: Duration::from_secs(28),
        concurrency: 4,
    };
}
