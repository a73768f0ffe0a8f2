//! The right to one lane, for a while.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::core::{Hold, Taken};
use crate::lock::Shared;
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
/// somebody else's and is ignored, and so is one that was caught before the lease was dropped.
#[must_use = "dropping a lease gives the lane back at once"]
#[clippy::has_significant_drop]
pub struct Lease<T> {
    shared: Arc<Shared<T>>,
    /// The value, until it goes home.
    value: Option<Box<T>>,
    lane: LaneId,
    hold: Hold,
    /// Whether the thread was unwinding when the hold began. Then a panic at its end proves nothing.
    began_unwinding: bool,
}

impl<T> Lease<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, taken: Taken<Box<T>>) -> Self {
        let Taken { lane, hold, value } = taken;
        Self { shared, value: Some(value), lane, hold, began_unwinding: panicking() }
    }

    /// The number of this grant.
    pub fn ticket(&self) -> Ticket {
        self.hold.ticket
    }

    /// The class of the ask that was granted.
    pub fn class(&self) -> Class {
        self.hold.ask.class
    }

    /// The tag of the ask that was granted.
    pub fn tag(&self) -> u64 {
        self.hold.ask.tag
    }

    /// Which lane this is.
    pub fn lane(&self) -> LaneId {
        self.lane
    }

    /// Gives the lane back as unfit to be lent until it has been [repaired](crate::ModelLock::repair).
    ///
    /// If no other lane is in service and the policy says to fail, everyone who waits is refused with this reason.
    pub fn quarantine(mut self, reason: impl Into<String>) {
        let reason: Arc<str> = reason.into().into();
        self.go_home_unfit(reason);
    }

    fn go_home_unfit(&mut self, reason: Arc<str>) {
        if let Some(value) = self.value.take() {
            self.shared.with(|core| core.quarantine(self.lane, value, reason)).run();
        }
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("the value leaves only when the lease ends")
    }
}

impl<T> DerefMut for Lease<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("the value leaves only when the lease ends")
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        if panicking() && !self.began_unwinding {
            self.go_home_unfit(format!("holder of ticket {} panicked", self.hold.ticket).into());
        } else if let Some(value) = self.value.take() {
            self.shared.with(|core| core.put_back(self.lane, value)).run();
        }
    }
}

impl<T> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("lane", &self.lane).field("hold", &self.hold).finish_non_exhaustive()
    }
}
