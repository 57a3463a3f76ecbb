//! Results of the clients: latencies and errors of each operation.

use std::{collections::BTreeMap, time::Duration};

use measure::{
    Result,
    samples::Samples,
    table::{self, Table},
};

/// Number of error messages that are kept.
const MAX_ERROR_MESSAGES: usize = 5;

/// An operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// `POST …/customizations`
    Create,
    /// `GET …/customizations/{customization_id}`
    Get,
    /// `GET …/files/{digest}`
    GetFile,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::GetFile => "get download link",
        }
    }
}

/// Results of one operation.
#[derive(Debug, Default)]
struct OperationResults {
    latencies: Samples,
    errors: u64,
}

/// Results of all operations.
#[derive(Debug, Default)]
pub(super) struct Results {
    operations: BTreeMap<Operation, OperationResults>,
    /// The first error messages.
    error_messages: Vec<String>,
}

impl Results {
    pub(super) fn add_success(&mut self, operation: Operation, latency: Duration) {
        self.operations.entry(operation).or_default().latencies.push(latency);
    }

    pub(super) fn add_error(&mut self, operation: Operation, message: &str) {
        self.operations.entry(operation).or_default().errors += 1;
        if self.error_messages.len() < MAX_ERROR_MESSAGES {
            self.error_messages.push(format!("{}: {message}", operation.name()));
        }
    }

    /// Adds the results of another client.
    pub(super) fn merge(&mut self, other: Self) {
        for (operation, OperationResults { latencies, errors }) in other.operations {
            let results = self.operations.entry(operation).or_default();
            results.latencies.extend(latencies);
            results.errors += errors;
        }
        self.error_messages.extend(other.error_messages);
        self.error_messages.truncate(MAX_ERROR_MESSAGES);
    }

    /// Returns the table of all operations. `duration` is the duration of the run.
    pub(super) fn table(&self, duration: Duration) -> Table<8> {
        let mut table = Table::new([
            "operation",
            "responses",
            "errors",
            "responses / s",
            "p50",
            "p90",
            "p99",
            "max",
        ]);
        let mut all = OperationResults::default();
        for (operation, results) in &self.operations {
            table.add_row(row(operation.name(), results, duration));
            all.latencies.extend(results.latencies.clone());
            all.errors += results.errors;
        }
        table.add_row(row("all", &all, duration));
        table
    }

    /// Returns an error with the first error messages if there are any.
    pub(super) fn into_result(self) -> Result {
        if self.error_messages.is_empty() {
            Ok(())
        } else {
            Err(self.error_messages.join("\n").into())
        }
    }
}

fn row(name: &str, results: &OperationResults, duration: Duration) -> [String; 8] {
    let OperationResults { latencies, errors } = results;
    #[expect(clippy::cast_precision_loss, reason = "the number of requests is below 2^52")]
    let throughput = latencies.len() as f64 / duration.as_secs_f64();
    let percentile = |percent| table::duration(latencies.percentile(percent));
    [
        name.to_owned(),
        latencies.len().to_string(),
        errors.to_string(),
        format!("{throughput:.0}"),
        percentile(50),
        percentile(90),
        percentile(99),
        percentile(100),
    ]
}
