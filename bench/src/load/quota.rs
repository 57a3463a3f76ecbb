//! How much is still to be done: so many requests, and no longer than so long.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// What all clients share.
#[derive(Debug)]
pub(super) struct Quota {
    requests: u64,
    taken: AtomicU64,
    done: AtomicU64,
    started: Instant,
    time: Duration,
}

impl Quota {
    pub(super) fn new(requests: u64, time: Duration) -> Self {
        let started = Instant::now();
        Self { requests, taken: AtomicU64::new(0), done: AtomicU64::new(0), started, time }
    }

    /// Whether one more request may be sent.
    pub(super) fn take(&self) -> bool {
        self.elapsed() < self.time && self.taken.fetch_add(1, Ordering::Relaxed) < self.requests
    }

    /// One more is answered.
    pub(super) fn finish_one(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// How many are answered.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many tenths of the requests are answered, or of the time are past, whichever are more.
    pub(super) fn tenths(&self) -> u64 {
        let requests = self.done().saturating_mul(10).checked_div(self.requests);
        let time = self.elapsed().as_millis().saturating_mul(10).checked_div(self.time.as_millis());
        let time = time.and_then(|tenths| u64::try_from(tenths).ok());
        requests.unwrap_or(10).max(time.unwrap_or(10)).min(10)
    }

    /// The time that is past.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
