//! The wall clock, for the dates in answers. Durations are measured with tokio's clock, which tests can pause.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the date.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl WallClock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Arc::new(system_unix_seconds))
    }

    /// A clock that stands still, for tests.
    pub fn fixed(unix_seconds: u64) -> Self {
        Self(Arc::new(move || unix_seconds))
    }

    /// Seconds since 1970.
    pub fn unix_seconds(&self) -> u64 {
        (self.0)()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one home of the wall clock; everybody else is handed a WallClock")]
fn system_unix_seconds() -> u64 {
    // A machine whose clock stands before 1970 gets a wrong date, not a panic.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::WallClock;

    #[test]
    fn a_fixed_clock_stands_still() {
        let clock = WallClock::fixed(7);
        assert_eq!((clock.unix_seconds(), clock.clone().unix_seconds()), (7, 7));
    }
}
