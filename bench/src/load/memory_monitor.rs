//! Resident set sizes of the functions' processes during the run.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use local::{build::Binaries, function::FunctionName};
use measure::{
    Result,
    table::{self, Table},
};

use super::quota::Quota;
use crate::resource_usage;

/// Interval between two calls of [`MemoryMonitor::poll`].
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// Measures the memory of the functions' processes after each tenth of the run.
#[derive(Debug)]
pub(super) struct MemoryMonitor {
    /// Binaries of the processes to measure. None for a stack that this command did not start.
    binaries: Option<Binaries>,
    next_tenth: u64,
    table: Table<6>,
}

impl MemoryMonitor {
    /// Measures the child processes that run `binaries`.
    pub(super) fn new(binaries: Binaries) -> Self {
        Self { binaries: Some(binaries), ..Self::disabled() }
    }

    /// Measures nothing.
    pub(super) fn disabled() -> Self {
        let header = [
            "requests",
            "seconds",
            "create: processes",
            "create: RSS, largest / total",
            "get: processes",
            "get: RSS, largest / total",
        ];
        Self { binaries: None, next_tenth: 1, table: Table::new(header) }
    }

    /// Adds a row if another tenth of the run is finished.
    pub(super) fn poll(&mut self, quota: &Quota) -> Result {
        let is_due = quota.tenths() >= self.next_tenth;
        let Some(binaries) = self.binaries.as_ref().filter(|_| is_due) else {
            return Ok(());
        };
        self.next_tenth = quota.tenths() + 1;
        let requests = quota.finished().to_string();
        let seconds = quota.elapsed().as_secs().to_string();
        let [create_processes, create_rss] = memory(binaries, FunctionName::WriteCustomizations)?;
        let [get_processes, get_rss] = memory(binaries, FunctionName::ReadCustomizations)?;
        self.table.add_row([
            requests,
            seconds,
            create_processes,
            create_rss,
            get_processes,
            get_rss,
        ]);
        Ok(())
    }
}

impl Display for MemoryMonitor {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.table.is_empty() { Ok(()) } else { self.table.fmt(formatter) }
    }
}

/// Returns the number of a function's processes, and their largest and total resident set size.
fn memory(binaries: &Binaries, function: FunctionName) -> Result<[String; 2]> {
    let binary = binaries.of(function).canonicalize()?;
    let children = resource_usage::children()?;
    let processes = children.iter().filter(|(_, running)| *running == binary);
    // A process may exit after the children were listed. It is not counted.
    let rss: Vec<u64> = processes
        .filter_map(|(process, _)| Some(resource_usage::memory(*process).ok()?.rss))
        .collect();
    let largest = table::megabytes(rss.iter().copied().max().unwrap_or_default());
    let total = table::megabytes(rss.iter().sum());
    Ok([rss.len().to_string(), format!("{largest} / {total}")])
}
