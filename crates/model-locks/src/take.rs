//! The wait for a lane that is to leave the lock.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::core::TakerKey;
use crate::lock::{ModelLock, Shared};
use crate::parcel::Parcel;
use crate::snapshot::LaneId;
use crate::sync::discard;

impl<T> ModelLock<T> {
    /// Takes a lane out of the lock, to unload it for instance, while others go on using the rest.
    ///
    /// A lane that is home, free or in quarantine, leaves at the first poll. One that is away leaves the next time it
    /// comes home: its holder finishes, a grant made before is honoured, and those who wait get other lanes. The future
    /// yields `None` if the lock has no such lane, if somebody else is taking it, or if it was
    /// [retired](crate::Repair::retire) meanwhile.
    ///
    /// If no other lane is in service, asks wait for an [added one](Self::add_lane), unless lanes are left that are all in
    /// quarantine and the policy says to fail.
    ///
    /// # Fairness
    ///
    /// It goes before all who wait for a lane, because it is the only one that can use no other.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future calls it off: the lane stays in service, and if it was already on its way out, the next waiter
    /// gets it. Waiters that were refused meanwhile stay refused.
    ///
    /// # Panics
    ///
    /// If the future is polled after it has returned.
    pub fn take_lane(&self, lane: LaneId) -> TakeLane<T> {
        TakeLane::new(Arc::clone(&self.shared), lane)
    }
}

/// The wait of [`ModelLock::take_lane`](crate::ModelLock::take_lane). It does nothing before its first poll.
///
/// # Cancel safety
///
/// Dropping it leaves the lane in service.
///
/// # Panics
///
/// If it is polled after it has returned.
#[must_use = "a future does nothing unless it is polled"]
pub struct TakeLane<T> {
    shared: Arc<Shared<T>>,
    lane: LaneId,
    stage: Stage,
}

enum Stage {
    New,
    Waiting(TakerKey),
    Done,
}

impl<T> TakeLane<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, lane: LaneId) -> Self {
        Self { shared, lane, stage: Stage::New }
    }

    fn enter(&mut self, waker: &Waker) -> Poll<Option<Box<Parcel<T>>>> {
        // The first look spares the clone. The second one counts: the lane may come home while the waker is cloned.
        let value = self.shared.change(|core, effects| core.take(self.lane, effects));
        if value.is_ready() {
            self.stage = Stage::Done;
            return value;
        }
        let waker = waker.clone();
        match self.shared.change(|core, effects| core.want(self.lane, waker, effects)) {
            Ok(key) => {
                self.stage = Stage::Waiting(key);
                Poll::Pending
            }
            Err((value, unused)) => {
                self.stage = Stage::Done;
                discard(Some(unused));
                Poll::Ready(value)
            }
        }
    }

    fn poll_again(&mut self, waker: &Waker) -> Poll<Option<Box<Parcel<T>>>> {
        let mut is_latest = false;
        let value = self.look(|known| is_latest = known.will_wake(waker));
        if value.is_ready() || is_latest {
            return value;
        }
        let mut fresh = waker.clone();
        let value = self.look(|known| mem::swap(known, &mut fresh));
        discard(Some(fresh));
        value
    }

    /// Fetches the lane if it is there. `still_waiting` sees the waker under the mutex if it is not.
    fn look(&mut self, still_waiting: impl FnOnce(&mut Waker)) -> Poll<Option<Box<Parcel<T>>>> {
        let Stage::Waiting(key) = mem::replace(&mut self.stage, Stage::Done) else {
            unreachable!("called only for one who waits");
        };
        let fetched = self
            .shared
            .change(|core, effects| core.fetch(key, effects).inspect_err(|key| still_waiting(core.taker_waker(key))));
        match fetched {
            Ok(value) => Poll::Ready(value),
            Err(key) => {
                self.stage = Stage::Waiting(key);
                Poll::Pending
            }
        }
    }
}

impl<T> Future for TakeLane<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let value = match this.stage {
            Stage::New => this.enter(cx.waker()),
            Stage::Waiting(_) => this.poll_again(cx.waker()),
            Stage::Done => panic!("`TakeLane` polled after it has returned"),
        };
        value.map(|parcel| parcel.map(|parcel| parcel.value))
    }
}

impl<T> Drop for TakeLane<T> {
    fn drop(&mut self) {
        if let Stage::Waiting(key) = mem::replace(&mut self.stage, Stage::Done) {
            discard(self.shared.change(|core, effects| core.unwant(key, effects)));
        }
    }
}

impl<T> fmt::Debug for TakeLane<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeLane").field("lane", &self.lane).finish_non_exhaustive()
    }
}
