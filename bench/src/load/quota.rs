//! Limit of a run: a number of requests and a duration, shared by all clients.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Requests and time that are left for all clients.
#[derive(Debug)]
pub(super) struct Quota {
    max_requests: u64,
    started: AtomicU64,
    finished: AtomicU64,
    start: Instant,
    max_duration: Duration,
}

impl Quota {
    /// Creates a quota. The duration begins now.
    pub(super) fn new(max_requests: u64, max_duration: Duration) -> Self {
        Self {
            max_requests,
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            start: Instant::now(),
            max_duration,
        }
    }

    /// Takes one request from the quota. Returns false if the quota is used up.
    pub(super) fn start_request(&self) -> bool {
        self.elapsed() < self.max_duration
            && self.started.fetch_add(1, Ordering::Relaxed) < self.max_requests
    }

    /// Counts a finished request.
    pub(super) fn finish_request(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of finished requests.
    pub(super) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Returns the progress from 0 to 10: tenths of the requests or of the duration, whichever is
    /// larger.
    pub(super) fn tenths(&self) -> u64 {
        let requests = self.finished().saturating_mul(10).checked_div(self.max_requests);
        let elapsed = self.elapsed().as_millis().saturating_mul(10);
        let time = elapsed.checked_div(self.max_duration.as_millis());
        let time = time.and_then(|tenths| u64::try_from(tenths).ok());
        requests.unwrap_or(10).max(time.unwrap_or(10)).min(10)
    }

    /// Returns the time since the start of the run.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
