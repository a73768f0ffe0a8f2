//! The right to one lane, for a while.

use std::borrow::Borrow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::lock::{ModelLock, Shared};
use crate::parcel::Parcel;
use crate::policy::Class;
use crate::snapshot::{LaneId, Ticket};
use crate::sync::panicking;

/// A lane in the hands of its one holder. Dropping it gives the lane straight to the next waiter, or back to the lock.
///
/// It is owned: it can be sent to another thread, stored, and held across an `await`. Let it go home only when nothing
/// touches the lane any more; an engine that is still computing must be stopped first.
///
/// # Panics
///
/// It never panics by itself. If it is dropped while its thread unwinds from a panic that began during the hold, the
/// lane is quarantined, because nobody knows in what state it was left. A panic that had begun before the hold is
/// somebody else's and is ignored, and so is one that was caught before the lease was dropped. A lease that was *taken*
/// while its thread unwound is not watched at all, wherever it goes afterwards.
#[must_use = "dropping a lease gives the lane back at once"]
#[clippy::has_significant_drop]
pub struct Lease<T, H: Borrow<ModelLock<T>> = ModelLock<T>> {
    lock: H,
    /// Here until it goes home.
    parcel: Option<Box<Parcel<T>>>,
}

/// The lease of [`ModelLock::acquire_ref`]: it borrows its lock.
pub type LeaseRef<'a, T> = Lease<T, &'a ModelLock<T>>;

impl<T, H: Borrow<ModelLock<T>>> Lease<T, H> {
    #[inline(always)]
    pub(crate) fn new(lock: H, parcel: Box<Parcel<T>>) -> Self {
        Self { lock, parcel: Some(parcel) }
    }

    #[inline(always)]
    fn shared(&self) -> &Shared<T> {
        &self.lock.borrow().shared
    }

    #[inline]
    fn parcel(&self) -> &Parcel<T> {
        self.parcel.as_ref().expect("it leaves only when the lease ends")
    }

    /// The number of this grant.
    pub fn ticket(&self) -> Ticket {
        self.parcel().ticket
    }

    /// The class of the ask that was granted.
    pub fn class(&self) -> Class {
        self.parcel().class
    }

    /// The tag of the ask that was granted.
    pub fn tag(&self) -> u64 {
        self.parcel().tag
    }

    /// Which lane this is.
    pub fn lane(&self) -> LaneId {
        self.parcel().lane
    }

    /// Counts service that this holder has used, in whatever unit the host shares out: tokens, for instance.
    ///
    /// It is counted at once, for the [client](crate::Ask::client) and in the class of the ask that was granted. So call
    /// it while the service is used, and not at its end: the next grant knows then. Without
    /// [fair share](crate::Policy::fair_share) it does nothing.
    ///
    /// # Blocking
    ///
    /// Waits for nobody but the sections of other operations, which are short.
    pub fn charge(&self, units: u64) {
        if self.shared().fair_share {
            self.shared().with(|core| core.charge(self.lane(), units));
        }
    }

    /// Gives the lane back as sound, even while the thread unwinds: nobody has seen its value.
    pub(crate) fn give_back_unseen(mut self) {
        if let Some(parcel) = self.parcel.take() {
            self.shared().change(|core, effects| core.put_back(parcel.lane, parcel, effects));
        }
    }

    /// Gives the lane back as unfit to be lent until it has been [repaired](crate::ModelLock::repair).
    ///
    /// If no other lane is in service and the policy says to fail, everyone who waits is refused with this reason.
    ///
    /// # Fairness
    ///
    /// Nobody gets this lane; those who wait keep their order.
    pub fn quarantine(mut self, reason: impl Into<String>) {
        let reason: Arc<str> = reason.into().into();
        if let Some(parcel) = self.parcel.take() {
            self.shared().change(|core, effects| core.quarantine(parcel.lane, parcel, reason, effects));
        }
    }
}

impl<T, H: Borrow<ModelLock<T>>> Deref for Lease<T, H> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.parcel().value
    }
}

impl<T, H: Borrow<ModelLock<T>>> DerefMut for Lease<T, H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.parcel.as_mut().expect("it leaves only when the lease ends").value
    }
}

impl<T, H: Borrow<ModelLock<T>>> Drop for Lease<T, H> {
    #[inline]
    fn drop(&mut self) {
        let Some(parcel) = self.parcel.take() else { return };
        if panicking() && !parcel.began_unwinding {
            let reason = format!("holder of ticket {} panicked", parcel.ticket);
            self.shared().change(|core, effects| core.quarantine(parcel.lane, parcel, reason.into(), effects));
        } else {
            self.shared().change(|core, effects| core.put_back(parcel.lane, parcel, effects));
        }
    }
}

impl<T, H: Borrow<ModelLock<T>>> fmt::Debug for Lease<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Lease");
        shown.field("lane", &self.lane()).field("ticket", &self.ticket()).field("class", &self.class());
        shown.field("tag", &self.tag()).finish_non_exhaustive()
    }
}
