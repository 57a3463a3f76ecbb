//! Many measurements of one thing, and what is told of them.

use std::time::{Duration, Instant};

/// How long something took, each time.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Does `work`, and adds how long it took.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.push(started.elapsed());
        result
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many times as long as the one of `baseline` of the same round, in the middle; not a
    /// number if there are none. What slows the machine for a while slows both of a round.
    #[must_use]
    pub fn ratio(&self, baseline: &Self) -> f64 {
        let rounds = self.0.iter().zip(&baseline.0);
        let mut ratios: Vec<_> =
            rounds.map(|(sample, baseline)| sample.div_duration_f64(*baseline)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// What half of them do not exceed.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// What this many percent of them do not exceed; zero if there are none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

impl IntoIterator for Samples {
    type Item = Duration;
    type IntoIter = std::vec::IntoIter<Duration>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<Duration> for Samples {
    fn extend<I: IntoIterator<Item = Duration>>(&mut self, samples: I) {
        self.0.extend(samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), Duration::ZERO);
        samples.extend((1..=200).rev().map(Duration::from_millis));
        for (percent, expected) in [(0, 1), (50, 100), (90, 180), (99, 198), (100, 200)] {
            assert_eq!(samples.percentile(percent), Duration::from_millis(expected), "{percent}");
        }
        assert!(samples.ratio(&Samples::default()).is_nan());
        samples.push(Duration::from_millis(201));
        assert_eq!(samples.median(), Duration::from_millis(101));
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let samples = |millis: [u64; 3]| Samples(millis.map(Duration::from_millis).to_vec());
        assert!((samples([20, 200, 33]).ratio(&samples([10, 100, 11])) - 2.0).abs() < f64::EPSILON);
    }
}
