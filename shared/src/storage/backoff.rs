//! Exponential backoff with jitter, for failures that the AWS SDK does not retry.

use std::time::{Duration, Instant};

/// The number of attempts at an operation that the store does not carry out.
const ATTEMPTS: u32 = 6;

/// The time limit of an operation that meets conflicts. It is longer than a request may take, so
/// that a request tries until its deadline; a command ends too.
const CONFLICT_TIME: Duration = Duration::from_secs(30);

/// The average wait before the second attempt; each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(25);

/// The maximum of the average wait.
const MAX_WAIT: Duration = Duration::from_millis(800);

/// The attempts at one operation. The first needs no wait.
#[derive(Debug)]
pub(super) struct Backoff {
    wait: Duration,
    limit: Limit,
}

#[derive(Debug)]
enum Limit {
    /// The number of attempts that are left.
    Attempts(u32),
    /// The time of the last attempt.
    Until(Instant),
}

impl Backoff {
    /// A few attempts: a store that carries out none of them is overloaded.
    pub(super) const fn new() -> Self {
        Self { wait: FIRST_WAIT, limit: Limit::Attempts(ATTEMPTS) }
    }

    /// Attempts until the deadline: after each conflict with another writer, that writer is done.
    pub(super) fn for_conflicts() -> Self {
        Self { wait: FIRST_WAIT, limit: Limit::Until(Instant::now() + CONFLICT_TIME) }
    }

    /// Waits before the next attempt. Returns false if no attempt is left. Jitter keeps competing
    /// writers from colliding again.
    pub(super) async fn next(&mut self) -> bool {
        match &mut self.limit {
            Limit::Attempts(1) => return false,
            Limit::Attempts(left) => *left -= 1,
            Limit::Until(last) if Instant::now() >= *last => return false,
            Limit::Until(_) => {}
        }
        tokio::time::sleep(self.wait.mul_f64(0.5 + fastrand::f64())).await;
        self.wait = self.wait.saturating_mul(2).min(MAX_WAIT);
        true
    }
}
