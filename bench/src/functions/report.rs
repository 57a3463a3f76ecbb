//! Table of the results of all measurements, with their baselines and targets.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use measure::{
    samples::Samples,
    table::{self, Table},
};

/// Results of all measurements.
#[derive(Debug)]
pub(super) struct Report {
    table: Table<6>,
    /// With one round, results are not compared with targets.
    once: bool,
}

/// Samples to compare a measurement with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Baseline<'a> {
    pub(super) name: &'a str,
    pub(super) samples: &'a Samples,
    /// Target: largest ratio of the measurement to the baseline.
    pub(super) max_ratio: Option<f64>,
}

/// A target, and whether the measurement meets it.
struct Target {
    limit: String,
    met: bool,
}

impl Report {
    pub(super) fn new(once: bool) -> Self {
        let header = ["measurement", "result", "baseline", "ratio", "target", "met"];
        Self { table: Table::new(header), once }
    }

    /// Compares durations with those of the baseline in the same rounds.
    pub(super) fn ratio(&mut self, name: &str, samples: &Samples, baseline: Baseline<'_>) {
        let ratio = samples.median_ratio(baseline.samples);
        let target = baseline
            .max_ratio
            .map(|max_ratio| Target { limit: table::ratio(max_ratio), met: ratio <= max_ratio });
        self.add_comparison(name, samples, baseline, ratio, target);
    }

    /// Compares the median of durations with two targets, of which one must be met: `max_duration`,
    /// and the ratio to the median of a baseline of other rounds.
    pub(super) fn duration_or_ratio(
        &mut self,
        name: &str,
        samples: &Samples,
        max_duration: Duration,
        baseline: Baseline<'_>,
    ) {
        let median = samples.median();
        let ratio = median.div_duration_f64(baseline.samples.median());
        let max_ratio = baseline.max_ratio.unwrap_or_default();
        let limit = format!("{} or {}", table::duration(max_duration), table::ratio(max_ratio));
        let met = median <= max_duration || ratio <= max_ratio;
        self.add_comparison(name, samples, baseline, ratio, Some(Target { limit, met }));
    }

    /// Compares a number of bytes with the target `max_bytes`.
    pub(super) fn bytes(&mut self, name: &str, bytes: u64, max_bytes: u64) {
        let result = table::megabytes(bytes);
        let target = Target { limit: table::megabytes(max_bytes), met: bytes <= max_bytes };
        let (target, met) = self.target_cells(&target);
        self.table.add_row([name.to_owned(), result, String::new(), String::new(), target, met]);
    }

    /// Adds the 50th and the 99th percentile of durations.
    pub(super) fn latency(&mut self, name: &str, samples: &Samples) {
        let (p50, p99) = (samples.median(), samples.percentile(99));
        self.value(
            &format!("{name}, p50 / p99"),
            &format!("{} / {}", table::duration(p50), table::duration(p99)),
        );
    }

    /// Adds a result without baseline and target.
    pub(super) fn value(&mut self, name: &str, result: &str) {
        let empty = String::new;
        let row = [name.to_owned(), result.to_owned(), empty(), empty(), empty(), empty()];
        self.table.add_row(row);
    }

    fn add_comparison(
        &mut self,
        name: &str,
        samples: &Samples,
        baseline: Baseline<'_>,
        ratio: f64,
        target: Option<Target>,
    ) {
        let (target, met) = target.map(|target| self.target_cells(&target)).unwrap_or_default();
        self.table.add_row([
            name.to_owned(),
            table::duration(samples.median()),
            format!("{} ({})", table::duration(baseline.samples.median()), baseline.name),
            table::ratio(ratio),
            target,
            met,
        ]);
    }

    fn target_cells(&self, target: &Target) -> (String, String) {
        let met = if self.once { String::new() } else { table::target_met(target.met) };
        (format!("≤ {}", target.limit), met)
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.table.fmt(formatter)
    }
}
