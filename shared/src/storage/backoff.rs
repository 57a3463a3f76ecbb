//! Exponential backoff with jitter, for failures that the AWS SDK does not retry.

use std::time::Duration;

/// The number of attempts.
const ATTEMPTS: u32 = 6;

/// The average wait before the second attempt; each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// The attempts at one operation. The first needs no wait.
#[derive(Debug)]
pub(super) struct Backoff {
    attempt: u32,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { attempt: 1 }
    }

    /// Waits before the next attempt. Returns false if no attempt is left. Jitter keeps competing
    /// writers from colliding again.
    pub(super) async fn next(&mut self) -> bool {
        if self.attempt >= ATTEMPTS {
            return false;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << (self.attempt - 1));
        self.attempt += 1;
        tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
        true
    }
}
