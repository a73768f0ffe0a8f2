//! A model that was there and cannot be loaded again: its file is being replaced, or the memory is taken meanwhile. That
//! passes, so it is tried again, after a pause that doubles with every failure. Who waits is told at once, and who asks in
//! the pause as well, with the time of the next try: nobody knows whether that succeeds.
//!
//! The first load of all is another matter. If that fails, the configuration is wrong, and nothing but a restart helps.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::canary;
use crate::instance::{Instance, State};
use crate::quietly::quietly;
use crate::until::until;
use crate::{LoadState, Refusal};

/// How long after the first failure it is tried again.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest pause: a file that is there again is found within a minute.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Why a model is not there, and until when.
#[derive(Clone)]
pub(crate) struct Absence {
    pub(crate) reason: String,
    /// When it is tried again; never where `None`.
    pub(crate) until: Option<Instant>,
}

impl Absence {
    /// Whether it was there once and is to be there again. Not so after it has failed for good.
    pub(crate) fn is_passing(&self) -> bool {
        self.until.is_some()
    }

    /// How long it will be until then: `None` where there is no use in asking again.
    fn retry_after(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// What is shown of it.
    pub(crate) fn load_state(self) -> LoadState {
        LoadState::Failed { retry_after: self.retry_after(), reason: self.reason }
    }
}

/// The pause after so many failures, at least one.
fn pause(failures: u32) -> Duration {
    let doubled = 2u32.checked_pow(failures.saturating_sub(1)).and_then(|times| PAUSE_MIN.checked_mul(times));
    doubled.map_or(PAUSE_MAX, |pause| pause.min(PAUSE_MAX))
}

impl Instance {
    /// What is told to whoever wants a model that is not there.
    pub(crate) fn unavailable(&self, absence: Absence) -> Refusal {
        let retry_after = absence.retry_after();
        Refusal::ModelUnavailable { model: self.id().to_string(), reason: absence.reason, retry_after }
    }

    /// The load has failed, for the so many-th time since it last succeeded. Whoever waits is told at once. Resolves when it
    /// is to be tried again: after the pause, or earlier where [`retry_now`](Self::retry_now) says so.
    ///
    /// # Cancel safety
    /// The model stays as absent as it is.
    pub(crate) async fn falter(&self, reason: String, failures: u32) {
        let pause = pause(failures);
        quietly(|| tracing::error!(model = self.id(), reason, ?pause, "model cannot be loaded, and is tried again"));
        // It is gone already, which is all that was wanted; kept, the wish would be granted to the next load.
        self.forget_to_go();
        let end = Instant::now() + pause;
        let absence = Absence { reason, until: Some(end) };
        if canary::keeps_quiet() {
            *self.lock_state() = State::Absent(absence);
        } else {
            self.settle(State::Absent(absence));
        }
        if canary::gives_up() {
            std::future::pending::<()>().await;
        }
        tokio::select! {
            biased;
            () = until(&self.stirred, || (!self.is_faltering()).then_some(())) => {}
            () = sleep_until(end) => {
                self.come_back();
            }
        }
    }

    /// Does not wait for the end of the pause: somebody says that it will succeed now.
    pub(crate) fn retry_now(&self) {
        if self.is_faltering() && self.come_back() {
            self.stirred.notify_waiters();
        }
    }

    fn is_faltering(&self) -> bool {
        matches!(&*self.lock_state(), State::Absent(absence) if absence.is_passing())
    }

    /// Resolves when the model could not be loaded again, with what is told to whoever waits for it. Never for one that
    /// fails for good: that closes its lock, which tells everybody by itself.
    pub(crate) async fn faltered(&self) -> Refusal {
        let look = || match self.state() {
            State::Absent(absence) if absence.is_passing() => Some(self.unavailable(absence)),
            _ => None,
        };
        until(&self.settled, look).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;

    #[test]
    fn a_pause_doubles_from_a_second_to_a_minute() {
        let pauses = [1, 2, 3, 6, 7, 8, 33, u32::MAX].map(pause);
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60, 60].map(Duration::from_secs));
    }
}
