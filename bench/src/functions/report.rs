//! Table of the results of all measurements, with their baselines and targets.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use measure::{
    samples::Samples,
    table::{self, Table},
};

use super::transports::Transports;

/// Results of all measurements.
#[derive(Debug)]
pub(super) struct Report {
    table: Table<8>,
    /// With one round, results are not compared with targets.
    once: bool,
}

/// One measurement. Each method adds what it names.
#[derive(Debug)]
pub(super) struct Row {
    name: String,
    results: Transports<String>,
    tls_ratio: Option<f64>,
    baseline: String,
    ratios: Option<Transports<f64>>,
    targets: Vec<Target>,
}

/// A target, and whether the measurement meets it.
#[derive(Debug)]
struct Target {
    limit: String,
    met: bool,
}

impl Report {
    pub(super) fn new(once: bool) -> Self {
        let header = [
            "measurement",
            "plain HTTP",
            "TLS",
            "TLS / plain",
            "baseline",
            "result / baseline: plain, TLS",
            "targets",
            "met",
        ];
        Self { table: Table::new(header), once }
    }

    pub(super) fn add(&mut self, row: Row) {
        let Row { name, results, tls_ratio, baseline, ratios, targets } = row;
        let ratios = ratios.map(|Transports { plain, tls }| {
            format!("{}, {}", table::ratio(plain), table::ratio(tls))
        });
        let join =
            |text: fn(&Target) -> String| targets.iter().map(text).collect::<Vec<_>>().join(", ");
        self.table.add_row([
            name,
            results.plain,
            results.tls,
            tls_ratio.map(table::ratio).unwrap_or_default(),
            baseline,
            ratios.unwrap_or_default(),
            join(|target| target.limit.clone()),
            if self.once { String::new() } else { join(|target| table::target_met(target.met)) },
        ]);
    }
}

impl Row {
    fn new(name: &str, results: Transports<String>) -> Self {
        Self {
            name: name.to_owned(),
            results,
            tls_ratio: None,
            baseline: String::new(),
            ratios: None,
            targets: Vec::new(),
        }
    }

    /// The medians of durations that were measured over both transports in the same rounds.
    pub(super) fn durations(name: &str, samples: Transports<&Samples>) -> Self {
        let results = samples.map(|samples| table::duration(samples.median()));
        let tls_ratio = Some(samples.tls.median_ratio(samples.plain));
        Self { tls_ratio, ..Self::new(name, results) }
    }

    /// The 50th and the 99th percentile of durations.
    pub(super) fn latency(name: &str, samples: Transports<&Samples>) -> Self {
        let results = samples.map(|samples| {
            let percentiles = [samples.median(), samples.percentile(99)];
            percentiles.map(table::duration).join(" / ")
        });
        let tls_ratio = Some(samples.tls.median_ratio(samples.plain));
        Self { tls_ratio, ..Self::new(&format!("{name}, p50 / p99"), results) }
    }

    /// Numbers of instructions, compared with those of the bare function. `max_tls` is the target
    /// over TLS.
    pub(super) fn instructions(
        name: &str,
        counts: Transports<u64>,
        bare: u64,
        max_tls: u64,
    ) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "the counts are far below 2⁵²")]
        let ratio = |count: u64, baseline: u64| count as f64 / baseline as f64;
        let tls_ratio = Some(ratio(counts.tls, counts.plain));
        let ratios = Some(counts.map(|count| ratio(count, bare)));
        let baseline = format!("{} (bare function)", table::millions(bare));
        let mut row = Self {
            tls_ratio,
            baseline,
            ratios,
            ..Self::new(&format!("{name}: instructions"), counts.map(table::millions))
        };
        row.target(format!("TLS ≤ {}", table::millions(max_tls)), counts.tls <= max_tls);
        row
    }

    /// Numbers of bytes.
    pub(super) fn bytes(name: &str, bytes: Transports<u64>) -> Self {
        Self::new(name, bytes.map(table::megabytes))
    }

    /// Adds a target for both numbers of bytes.
    pub(super) fn max_bytes(mut self, bytes: Transports<u64>, max: u64) -> Self {
        let met = bytes.into_iter().all(|bytes| bytes <= max);
        self.target(format!("≤ {}", table::megabytes(max)), met);
        self
    }

    /// Adds a baseline. Durations are compared with those of the baseline in the same round.
    pub(super) fn baseline(
        mut self,
        name: &str,
        samples: Transports<&Samples>,
        baseline: Transports<&Samples>,
    ) -> Self {
        let medians = baseline.map(|baseline| table::duration(baseline.median()));
        self.baseline = if medians.plain == medians.tls {
            format!("{} ({name})", medians.plain)
        } else {
            format!("{}, {} ({name})", medians.plain, medians.tls)
        };
        let ratio = |(samples, baseline): (&Samples, &Samples)| samples.median_ratio(baseline);
        self.ratios = Some(samples.zip(baseline).map(ratio));
        self
    }

    /// Adds a target for the ratios to the baseline.
    pub(super) fn max_ratios(mut self, max: Transports<f64>) -> Self {
        if let Some(ratios) = self.ratios {
            let limit = if max.plain.total_cmp(&max.tls).is_eq() {
                format!("≤ {}", table::ratio(max.plain))
            } else {
                format!("plain ≤ {}, TLS ≤ {}", table::ratio(max.plain), table::ratio(max.tls))
            };
            self.target(limit, ratios.zip(max).into_iter().all(|(ratio, max)| ratio <= max));
        }
        self
    }

    /// Adds a target for the ratio to the baseline over plain HTTP.
    pub(super) fn max_plain_ratio(mut self, max: f64) -> Self {
        if let Some(Transports { plain, .. }) = self.ratios {
            self.target(format!("plain ≤ {}", table::ratio(max)), plain <= max);
        }
        self
    }

    /// Adds a target for the ratio of TLS to plain HTTP.
    pub(super) fn max_tls_ratio(mut self, max: f64) -> Self {
        if let Some(ratio) = self.tls_ratio {
            self.target(format!("TLS / plain ≤ {}", table::ratio(max)), ratio <= max);
        }
        self
    }

    /// Adds two targets, of which both transports must meet one: `max_duration`, and the ratio of
    /// the medians to that of `baseline`, which was measured in other rounds.
    pub(super) fn max_duration_or_ratio(
        mut self,
        samples: Transports<&Samples>,
        max_duration: Duration,
        baseline: Transports<&Samples>,
        max_ratio: f64,
    ) -> Self {
        let ratios = samples
            .zip(baseline)
            .map(|(samples, baseline)| samples.median().div_duration_f64(baseline.median()));
        let met = samples
            .zip(ratios)
            .into_iter()
            .all(|(samples, ratio)| samples.median() <= max_duration || ratio <= max_ratio);
        self.ratios = Some(ratios);
        self.target(
            format!("≤ {} or {}", table::duration(max_duration), table::ratio(max_ratio)),
            met,
        );
        self
    }

    fn target(&mut self, limit: String, met: bool) {
        self.targets.push(Target { limit, met });
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.table.fmt(formatter)
    }
}
