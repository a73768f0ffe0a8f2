//! Numbers of rounds, and what is shown of them.

use std::time::Duration;

/// The share `q` of the values is at most this. Panics without values.
pub(crate) fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index of a table that fits on a screen"
    )]
    let index = ((values.len() - 1) as f64 * q).round() as usize;
    values[index]
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 0.5)
}

/// The greatest: on a machine that others use, the round that they disturbed least.
pub(crate) fn best(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 1.0)
}

/// How many of something happen in a second.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens are small")]
pub(crate) fn per_second(n: usize, time: Duration) -> f64 {
    n as f64 / time.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::{best, median, quantile};

    #[test]
    fn the_median_and_the_ends() {
        let mut values = [5.0, 1.0, 3.0];
        assert_eq!((median(&values), best(&values)), (3.0, 5.0));
        assert_eq!((quantile(&mut values, 0.0), quantile(&mut values, 1.0)), (1.0, 5.0));
    }
}
