//! The waits before what the SDK does not try again by itself is tried again.

use std::time::Duration;

/// How often such a thing is tried.
const ATTEMPTS: u32 = 6;

/// The wait before the second attempt, on average; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// One thing's attempts. The first of them needs no wait.
#[derive(Debug)]
pub(super) struct Backoff {
    attempt: u32,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { attempt: 1 }
    }

    /// Waits for the next attempt's turn; false if there have been enough. Those who got into each
    /// other's way wait for different times, lest they meet again.
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
