//! The report: a line per check, and the totals.

use std::cell::Cell;

use cli::output::Output;

use crate::expect::Failure;

/// The lines and totals of a run.
#[derive(Debug)]
pub struct Report {
    output: Output,
    passed: Cell<usize>,
    failed: Cell<usize>,
    skipped: Cell<usize>,
}

impl Report {
    /// A report without checks, printed to `output`.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self { output, passed: Cell::new(0), failed: Cell::new(0), skipped: Cell::new(0) }
    }

    /// Runs a check, and prints its line. Returns its result if it passed.
    pub async fn check<T>(
        &self,
        name: &str,
        check: impl Future<Output = Result<T, Failure>>,
    ) -> Option<T> {
        match check.await {
            Ok(value) => {
                self.passed.update(|number| number + 1);
                self.line(&format!("ok    {name}"));
                Some(value)
            }
            Err(failure) => {
                self.failed.update(|number| number + 1);
                self.line(&format!("FAIL  {name}: {failure}"));
                None
            }
        }
    }

    /// Prints the line of a check that cannot run.
    pub fn skip(&self, name: &str, reason: &str) {
        self.skipped.update(|number| number + 1);
        self.line(&format!("skip  {name}: {reason}"));
    }

    /// Prints the totals. Returns true if no check failed.
    pub fn close(&self) -> bool {
        let (passed, failed, skipped) = (self.passed.get(), self.failed.get(), self.skipped.get());
        let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
        self.line(&format!("{passed} of {} checks passed{skipped}", passed + failed));
        failed == 0
    }

    fn line(&self, text: &str) {
        // Continues if the output is closed: the run still has to remove its customizations.
        let _ = self.output.line(text);
    }
}
