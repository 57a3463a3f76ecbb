//! The memory of the functions' processes, over the time of the load.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use local::{build::Binaries, function::FunctionName};
use measure::{
    Outcome,
    table::{self, Table},
};

use super::quota::Quota;
use crate::usage;

/// How often it is looked whether it is time for the next row.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// Looks at the memory whenever another tenth is done.
#[derive(Debug)]
pub(super) struct Watch {
    /// What the processes run; none where they are not this program's own.
    binaries: Option<Binaries>,
    /// The tenth that comes next.
    next: u64,
    table: Table<6>,
}

impl Watch {
    /// Looks at the processes that run these.
    pub(super) fn of(binaries: Binaries) -> Self {
        Self { binaries: Some(binaries), ..Self::none() }
    }

    /// Looks at nothing.
    pub(super) fn none() -> Self {
        let header = [
            "requests",
            "seconds",
            "create: processes",
            "create: largest / all",
            "get: processes",
            "get: largest / all",
        ];
        Self { binaries: None, next: 1, table: Table::new(header) }
    }

    /// Adds a row, if it is time.
    pub(super) fn look(&mut self, quota: &Quota) -> Outcome {
        let Some(binaries) = self.binaries.as_ref().filter(|_| quota.tenths() >= self.next) else {
            return Ok(());
        };
        self.next = quota.tenths() + 1;
        let (done, seconds) = (quota.done().to_string(), quota.elapsed().as_secs().to_string());
        let [creates, create] = memory(binaries, FunctionName::WriteCustomizations)?;
        let [gets, get] = memory(binaries, FunctionName::ReadCustomizations)?;
        self.table.row([done, seconds, creates, create, gets, get]);
        Ok(())
    }
}

impl Display for Watch {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.table.is_empty() { Ok(()) } else { self.table.fmt(formatter) }
    }
}

/// How many processes a function has, and the memory of the largest and of all of them.
fn memory(binaries: &Binaries, function: FunctionName) -> Outcome<[String; 2]> {
    let binary = binaries.of(function).canonicalize()?;
    let children = usage::children()?;
    let of_function = children.iter().filter(|(_, running)| *running == binary);
    // One that has ended in between has none.
    let all: Vec<u64> = of_function
        .filter_map(|(process, _)| Some(usage::memory(*process).ok()?.resident))
        .collect();
    let largest = table::megabytes(all.iter().copied().max().unwrap_or_default());
    let sum = table::megabytes(all.iter().sum());
    Ok([all.len().to_string(), format!("{largest} / {sum}")])
}
