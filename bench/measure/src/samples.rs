//! Measured durations, and their statistics.

use std::time::{Duration, Instant};

/// Durations of repeated runs of the same work.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds a duration.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Runs `work`, and adds its duration.
    pub fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.push(started.elapsed());
        result
    }

    /// Returns the number of durations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are no durations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the median of the ratios to the sample of `baseline` in the same round, or NaN if
    /// there are no samples. Both samples of a round are measured at nearly the same time, so a
    /// temporary slowdown of the machine affects both.
    #[must_use]
    pub fn median_ratio(&self, baseline: &Self) -> f64 {
        let rounds = self.0.iter().zip(&baseline.0);
        let mut ratios: Vec<_> =
            rounds.map(|(sample, baseline)| sample.div_duration_f64(*baseline)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Returns the 50th percentile.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// Returns the percentile `percent` by the nearest-rank method, or zero if there are no
    /// durations.
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
    fn percentiles_follow_the_nearest_rank_method() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), Duration::ZERO);
        samples.extend((1..=200).rev().map(Duration::from_millis));
        for (percent, expected) in [(0, 1), (50, 100), (90, 180), (99, 198), (100, 200)] {
            assert_eq!(samples.percentile(percent), Duration::from_millis(expected), "{percent}");
        }
        assert!(samples.median_ratio(&Samples::default()).is_nan());
        samples.push(Duration::from_millis(201));
        assert_eq!(samples.median(), Duration::from_millis(101));
    }

    #[test]
    fn the_median_ratio_compares_the_samples_of_each_round() {
        let samples = |millis: [u64; 3]| Samples(millis.map(Duration::from_millis).to_vec());
        let ratio = samples([20, 200, 33]).median_ratio(&samples([10, 100, 11]));
        assert!((ratio - 2.0).abs() < f64::EPSILON);
    }
}
