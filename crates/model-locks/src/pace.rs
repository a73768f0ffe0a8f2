//! How long a wait will be, judging by recent holds.

use crate::lock::ModelLock;

impl<T> ModelLock<T> {
    /// Tells the lock how long a hold has lasted, for [`expected_wait`](Self::expected_wait). The lock has no clock, so
    /// the unit is the host's own; it must be the same in every call.
    ///
    /// Holds that say nothing about others need not be reported, such as those that failed at once.
    pub fn record_hold(&self, hold: u64) {
        self.shared.with(|core| core.record_hold(hold));
    }

    /// About how long a wait is with `ahead` others before it, in the unit of [`record_hold`](Self::record_hold), rounded
    /// up.
    ///
    /// It is `(ahead + 1) * mean hold / lanes in service`, where the mean follows the latest holds: each new one counts
    /// for an eighth. A lane is in service if it is free, granted or leased. `None` before the first hold was reported,
    /// and while no lane is in service; `u64::MAX` if the wait is too long for a `u64`.
    ///
    /// It is no promise. It knows nothing of how long the present holders have been at it, takes `ahead` at its word,
    /// and those of a higher class who come later go first. One who finds a free lane does not wait at all.
    ///
    /// ```
    /// use model_locks::{ModelLock, Policy};
    ///
    /// let lock = ModelLock::new(["one lane", "and another"], Policy::default());
    /// assert_eq!(lock.expected_wait(0), None);
    /// lock.record_hold(3000); // milliseconds, say
    /// assert_eq!(lock.expected_wait(0), Some(1500));
    /// assert_eq!(lock.expected_wait(5), Some(9000));
    /// ```
    pub fn expected_wait(&self, ahead: usize) -> Option<u64> {
        self.shared.with(|core| core.expected_wait(ahead))
    }
}
