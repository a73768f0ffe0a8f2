//! The only clock of xtask: how long a step took, for people to read.

use std::time::{Duration, Instant};

/// Runs `work` and says how long it took.
#[expect(clippy::disallowed_methods, reason = "real time is what the tables show; nothing is decided by it")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

/// `7.3 s`, or `2 min 05 s` from two minutes on.
pub(crate) fn readable(duration: Duration) -> String {
    if duration.as_secs() < 120 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_to_read() {
        assert_eq!(readable(Duration::from_millis(7_340)), "7.3 s");
        assert_eq!(readable(Duration::from_secs(125)), "2 min 05 s");
    }
}
