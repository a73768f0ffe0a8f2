//! The right to a quarantined lane, for whoever mends it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::lock::Shared;
use crate::parcel::Parcel;
use crate::snapshot::LaneId;

/// A lane that was taken out of quarantine. Mend the value through `DerefMut`, or replace it, and then
/// [`finish`](Self::finish); or [`retire`](Self::retire) the lane.
///
/// Dropping it unfinished, by a panic for instance, quarantines the lane again for the same reason.
///
/// ```
/// use model_locks::{Ask, Class, ModelLock, Policy};
///
/// let lock = ModelLock::new(["sound"], Policy::default());
/// let mut lease = lock.try_acquire(Ask::default())?;
/// *lease = "broken";
/// lease.quarantine("engine reported an error");
///
/// let mut repair = lock.repair().expect("one lane is in quarantine");
/// assert_eq!(repair.reason(), "engine reported an error");
/// *repair = "sound";
/// repair.finish();
/// assert_eq!(*lock.try_acquire(Ask::default())?, "sound");
/// # Ok::<(), model_locks::TryAcquireError>(())
/// ```
#[must_use = "dropping a repair quarantines the lane again"]
#[clippy::has_significant_drop]
pub struct Repair<T> {
    shared: Arc<Shared<T>>,
    /// Here until the repair ends.
    parcel: Option<Box<Parcel<T>>>,
    lane: LaneId,
    reason: Arc<str>,
}

impl<T> Repair<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, lane: LaneId, parcel: Box<Parcel<T>>, reason: Arc<str>) -> Self {
        Self { shared, parcel: Some(parcel), lane, reason }
    }

    /// Which lane this is.
    pub fn lane(&self) -> LaneId {
        self.lane
    }

    /// Why it was quarantined.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the lane to service. The next waiter gets it, if there is one.
    ///
    /// # Fairness
    ///
    /// As with a lane that comes home from a lease.
    pub fn finish(mut self) {
        let parcel = self.take();
        self.shared.change(|core, effects| core.put_back(self.lane, parcel, effects));
    }

    /// Takes the lane out of the lock for ever. Its id is not given again.
    ///
    /// If it was the last lane, asks wait from now on until [`add_lane`](crate::ModelLock::add_lane).
    #[must_use = "the value is dropped otherwise"]
    pub fn retire(mut self) -> T {
        let parcel = self.take();
        self.shared.change(|core, effects| core.retire(self.lane, effects));
        parcel.value
    }

    fn take(&mut self) -> Box<Parcel<T>> {
        self.parcel.take().expect("it leaves only when the repair ends")
    }
}

impl<T> Deref for Repair<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.parcel.as_ref().expect("it leaves only when the repair ends").value
    }
}

impl<T> DerefMut for Repair<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.parcel.as_mut().expect("it leaves only when the repair ends").value
    }
}

impl<T> Drop for Repair<T> {
    fn drop(&mut self) {
        if let Some(parcel) = self.parcel.take() {
            let reason = Arc::clone(&self.reason);
            self.shared.change(|core, effects| core.quarantine(self.lane, parcel, reason, effects));
        }
    }
}

impl<T> fmt::Debug for Repair<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repair").field("lane", &self.lane).field("reason", &self.reason).finish_non_exhaustive()
    }
}
