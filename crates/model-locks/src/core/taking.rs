//! Taking a lane out of the lock while others go on using the rest.
//!
//! A lane that is home leaves at once. One that is away is *wanted* from now on: the next time it comes home it goes to
//! its taker instead of the next waiter. Nobody is interrupted, and a grant made before is honoured.

use std::task::Poll;

use super::{Core, Effects};
use crate::snapshot::LaneId;

/// One that wants a lane.
#[derive(Clone, Debug)]
pub(super) struct Taker<W> {
    lane: LaneId,
    /// `None` once woken: the lane is there to be fetched, or will never be.
    waker: Option<W>,
}

/// The right to one place among the takers.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct TakerKey(usize);

impl<V, W> Core<V, W> {
    /// Takes a lane out if it is home. Ready with `None` if it can never be had.
    pub(crate) fn take(&mut self, lane: LaneId) -> Poll<Option<V>> {
        if !self.lanes.may_be_wanted(lane) {
            return Poll::Ready(None);
        }
        self.lanes.take_out(lane).map_or(Poll::Pending, |value| Poll::Ready(Some(value)))
    }

    /// Like [`take`](Self::take), but leaves a waker where that is pending. What is ready comes with the waker, which was
    /// not needed.
    pub(crate) fn want(&mut self, lane: LaneId, waker: W) -> Result<TakerKey, (Option<V>, W)> {
        match self.take(lane) {
            Poll::Ready(value) => Err((value, waker)),
            Poll::Pending => {
                let index = self.takers.insert(Taker { lane, waker: Some(waker) });
                *self.lanes.taker(lane) = Some(index);
                Ok(TakerKey(index))
            }
        }
    }

    /// Lets a taker fetch its lane, or learn that it will never come. The key comes back if it has to wait on.
    pub(crate) fn fetch(&mut self, key: TakerKey) -> Result<(Option<V>, Effects<W>), TakerKey> {
        if self.takers.get(key.0).waker.is_some() {
            return Err(key);
        }
        let mut effects = Effects::none();
        let value = self.lanes.take_out(self.takers.remove(key.0).lane);
        self.wake_watchers_if_drained(&mut effects);
        Ok((value, effects))
    }

    /// The waker of a taker that [`fetch`](Self::fetch) found waiting.
    pub(crate) fn taker_waker(&mut self, key: &TakerKey) -> &mut W {
        self.takers.get_mut(key.0).waker.as_mut().expect("looked at in this same step, and still waiting")
    }

    /// Ends a wish. A lane that was leaving stays, and goes to the next waiter.
    pub(crate) fn unwant(&mut self, key: TakerKey) -> Effects<W> {
        let mut effects = Effects::none();
        let Taker { lane, waker } = self.takers.remove(key.0);
        effects.unused = waker;
        // It may be gone, retired by whoever repaired it.
        if self.lanes.unwant(lane) {
            self.pass_on(lane, &mut effects);
        }
        // A lane that stays in quarantine may be the only one left.
        self.refuse_if_out_of_service(&mut effects);
        self.wake_watchers_if_drained(&mut effects);
        effects
    }

    /// Lets a lane that has come home leave if somebody wants it, and says whether it does.
    pub(super) fn hand_out_if_wanted(&mut self, lane: LaneId, effects: &mut Effects<W>) -> bool {
        let taker = *self.lanes.taker(lane);
        self.wake_taker(taker, effects);
        taker.is_some()
    }

    pub(super) fn wake_taker(&mut self, taker: Option<usize>, effects: &mut Effects<W>) {
        if let Some(waker) = taker.and_then(|taker| self.takers.get_mut(taker).waker.take()) {
            effects.wake(waker);
        }
    }
}

#[cfg(test)]
impl<W> Taker<W> {
    /// Whether it wants this lane, and has been woken exactly if that lane is home.
    pub(super) fn is(&self, lane: LaneId, is_home: bool) -> bool {
        self.lane == lane && self.waker.is_none() == is_home
    }
}
