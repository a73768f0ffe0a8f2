//! What a host's tick finds: grants that nobody claims.

use crate::lock::ModelLock;
use crate::observe::Grant;

impl<T> ModelLock<T> {
    /// Reports grants that nobody claims, and takes those back that have been unclaimed for too long.
    ///
    /// A grant is claimed by polling its wait. If that wait is alive and not polled (kept in a `select` that goes on
    /// without it, for instance), everybody behind it would wait for ever. The lock has no clock, so the host calls this
    /// from a tick of its own and says what time it is, in any unit that does not run backwards.
    ///
    /// A grant that is taken back goes to the next waiter. The one that lost it is *parked*: when it is polled again, it
    /// takes a free lane or waits in its old place, before all who came later. Until then it counts towards
    /// [`Policy::queue_max`](crate::Policy::queue_max). A grant is taken back only if somebody waits, and never after [`close`](Self::close), nor if
    /// the lane is to be [taken out](Self::take_lane).
    ///
    /// # Blocking
    ///
    /// Waits for nobody but the sections of other operations, which are short. Its own takes time in proportion to the most
    /// that ever waited at once, which [`Policy::queue_max`](crate::Policy::queue_max) bounds.
    ///
    /// What a pending [`acquire_all`](crate::acquire_all) has taken is leased, and no sweep takes it back.
    ///
    /// # Fairness
    ///
    /// Whoever is polled in time is not affected. For one that was parked, first come, first served holds again from the
    /// poll on.
    pub fn sweep(&self, now: u64, patience: Patience) -> Swept {
        self.shared.change(|core, effects| core.sweep(now, patience, effects))
    }
}

/// How long a grant may stay unclaimed, in the host's unit of time; the defaults are meant as milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From this age on it is reported. Default: 100.
    pub report: u64,
    /// From this age on it is taken back if somebody else waits. Default: 1000. `u64::MAX` means never.
    pub revoke: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { report: 100, revoke: 1000 }
    }
}

/// What one [sweep](crate::ModelLock::sweep) found, oldest grants first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Grants that should have been claimed and stand as they were.
    pub unclaimed: Vec<Unclaimed>,
    /// Grants that were taken back and passed on.
    pub revoked: Vec<Unclaimed>,
}

/// A grant that was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unclaimed {
    /// Which lane, to whom.
    pub grant: Grant,
    /// How long ago a sweep first saw it. It is older than that by up to one tick.
    pub age: u64,
}
