//! The closing table: what was measured, beside its baseline and its target.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use measure::{
    samples::Samples,
    table::{self, Table},
};

/// The results so far.
#[derive(Debug)]
pub(super) struct Report {
    table: Table<6>,
    /// One round tells nothing about a target.
    once: bool,
}

/// What something is measured against, in the same rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Baseline<'a> {
    pub(super) name: &'a str,
    pub(super) samples: &'a Samples,
    /// How many times as much it may be.
    pub(super) target: Option<f64>,
}

impl Report {
    pub(super) fn new(once: bool) -> Self {
        let header = ["what", "measured", "baseline", "ratio", "target", "met"];
        Self { table: Table::new(header), once }
    }

    /// A time against another.
    pub(super) fn ratio(&mut self, what: &str, samples: &Samples, baseline: Baseline<'_>) {
        let ratio = samples.ratio(baseline.samples);
        let target = baseline.target.map(|most| (table::ratio(most), ratio <= most));
        self.compared(what, samples, baseline, ratio, target);
    }

    /// A time that may not exceed `target`, or so many times another, of other rounds.
    pub(super) fn time_or_ratio(
        &mut self,
        what: &str,
        samples: &Samples,
        target: Duration,
        baseline: Baseline<'_>,
    ) {
        let median = samples.median();
        let ratio = median.div_duration_f64(baseline.samples.median());
        let most = baseline.target.unwrap_or_default();
        let either = format!("{} or {}", table::time(target), table::ratio(most));
        let met = median <= target || ratio <= most;
        self.compared(what, samples, baseline, ratio, Some((either, met)));
    }

    /// Bytes that may not exceed `target`.
    pub(super) fn bytes(&mut self, what: &str, bytes: u64, target: u64) {
        let verdict = self.verdict(bytes <= target);
        let measured = table::megabytes(bytes);
        let target = format!("≤ {}", table::megabytes(target));
        self.row([what.to_owned(), measured, String::new(), String::new(), target, verdict]);
    }

    /// The median of times, and what all but one in a hundred stay below.
    pub(super) fn latency(&mut self, what: &str, samples: &Samples) {
        let (p50, p99) = (samples.median(), samples.percentile(99));
        self.note(
            &format!("{what}, p50 / p99"),
            &format!("{} / {}", table::time(p50), table::time(p99)),
        );
    }

    /// What has no target.
    pub(super) fn note(&mut self, what: &str, measured: &str) {
        let empty = String::new;
        self.row([what.to_owned(), measured.to_owned(), empty(), empty(), empty(), empty()]);
    }

    /// The row of a comparison, with its target, if it has one, and whether that is met.
    fn compared(
        &mut self,
        what: &str,
        samples: &Samples,
        baseline: Baseline<'_>,
        ratio: f64,
        target: Option<(String, bool)>,
    ) {
        let (target, verdict) = target
            .map(|(target, met)| (format!("≤ {target}"), self.verdict(met)))
            .unwrap_or_default();
        self.row([
            what.to_owned(),
            table::time(samples.median()),
            format!("{} ({})", table::time(baseline.samples.median()), baseline.name),
            table::ratio(ratio),
            target,
            verdict,
        ]);
    }

    fn verdict(&self, met: bool) -> String {
        if self.once { String::new() } else { table::verdict(met) }
    }

    fn row(&mut self, row: [String; 6]) {
        self.table.row(row);
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.table.fmt(formatter)
    }
}
