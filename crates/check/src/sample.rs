//! Times of one run beside each other: medians, and whether they are apart.

use std::time::Duration;

/// Several measurements of one thing, in seconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn push(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let at = self.0.partition_point(|other| *other < seconds);
        self.0.insert(at, seconds);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// 0 where nothing was measured.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }

    /// How wide the middle half is.
    pub(crate) fn spread(&self) -> f64 {
        self.quantile(0.75) - self.quantile(0.25)
    }

    fn quantile(&self, share: f64) -> f64 {
        let Some(last) = self.0.len().checked_sub(1) else { return 0.0 };
        self.0[(share * last as f64).round() as usize]
    }

    /// Whether `self` is so much longer than `other` that noise does not explain it: twice as long, and apart by more
    /// than four times what either varies by.
    pub(crate) fn is_clearly_longer_than(&self, other: &Self) -> bool {
        let apart = self.median() - other.median();
        apart > 4.0 * self.spread().max(other.spread()) && self.median() >= 2.0 * other.median() && apart > 0.0
    }
}

/// Seconds as people read them: `7.3 ms`, `2.10 s`.
pub(crate) fn readable(seconds: f64) -> String {
    if seconds < 0.000_5 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 0.1 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(millis: &[u64]) -> Sample {
        let mut sample = Sample::default();
        millis.iter().for_each(|millis| sample.push(Duration::from_millis(*millis)));
        sample
    }

    #[test]
    fn the_median_does_not_mind_one_that_is_far_out() {
        assert_eq!(sample(&[7, 9000, 5, 6, 8]).median(), 0.007);
        assert_eq!(Sample::default().median(), 0.0);
    }

    #[test]
    fn longer_is_what_noise_does_not_explain() {
        let alone = sample(&[10, 11, 12]);
        assert!(sample(&[100, 101, 103]).is_clearly_longer_than(&alone));
        assert!(!sample(&[15, 16, 17]).is_clearly_longer_than(&alone), "not twice as long");
        assert!(!sample(&[20, 60, 100]).is_clearly_longer_than(&alone), "it varies as much");
        assert!(!alone.is_clearly_longer_than(&alone));
    }

    #[test]
    fn seconds_are_short_to_read() {
        assert_eq!([0.000_2, 0.007_34, 0.734, 2.1].map(readable), ["200 µs", "7.3 ms", "734 ms", "2.1 s"]);
    }
}
