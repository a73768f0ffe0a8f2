//! Taking a lane out of the lock while others go on using the rest.
//!
//! A lane that is home leaves at once. One that is away is *wanted* from now on: the next time it comes home it goes to
//! its taker instead of the next waiter. Nobody is interrupted, and a grant made before is honoured.

use std::task::Poll;

use super::slab::Index;
use super::{Core, Effects};
use crate::snapshot::LaneId;

/// One that wants a lane.
#[derive(Clone, Debug)]
pub(super) struct Taker<W> {
    lane: LaneId,
    /// `None` once woken: the lane is there to be fetched, or will never be.
    waker: Option<W>,
}

impl<W> Default for Taker<W> {
    fn default() -> Self {
        Self { lane: LaneId(0), waker: None }
    }
}

/// The right to one place among the takers.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct TakerKey(Index);

impl<V, W> Core<V, W> {
    /// Takes a lane out if it is home. Ready with `None` if it can never be had.
    pub(crate) fn take(&mut self, lane: LaneId, effects: &mut Effects<W>) -> Poll<Option<V>> {
        if !self.lanes.may_be_wanted(lane) {
            return Poll::Ready(None);
        }
        let Some(value) = self.lanes.take_out(lane) else { return Poll::Pending };
        // Beside a free lane nobody waits, but some may be parked.
        self.refuse_if_out_of_service(effects);
        Poll::Ready(Some(value))
    }

    /// Like [`take`](Self::take), but leaves a waker where that is pending. What is ready comes with the waker, which was
    /// not needed.
    pub(crate) fn want(
        &mut self,
        lane: LaneId,
        waker: W,
        effects: &mut Effects<W>,
    ) -> Result<TakerKey, (Option<V>, W)> {
        match self.take(lane, effects) {
            Poll::Ready(value) => Err((value, waker)),
            Poll::Pending => {
                let index = self.takers.occupy();
                *self.takers.get_mut(index) = Taker { lane, waker: Some(waker) };
                *self.lanes.taker(lane) = Some(index);
                Ok(TakerKey(index))
            }
        }
    }

    /// Lets a taker fetch its lane, or learn that it will never come. The key comes back if it has to wait on.
    pub(crate) fn fetch(&mut self, key: TakerKey, effects: &mut Effects<W>) -> Result<Option<V>, TakerKey> {
        if self.takers.get(key.0).waker.is_some() {
            return Err(key);
        }
        let value = self.lanes.take_out(self.takers.get(key.0).lane);
        self.takers.vacate(key.0);
        self.wake_watchers_if_drained(effects);
        Ok(value)
    }

    /// The waker of a taker that [`fetch`](Self::fetch) found waiting.
    pub(crate) fn taker_waker(&mut self, key: &TakerKey) -> &mut W {
        self.takers.get_mut(key.0).waker.as_mut().expect("looked at in this same step, and still waiting")
    }

    /// Ends a wish. A lane that was leaving stays, and goes to the next waiter. The waker comes back if it was not woken.
    pub(crate) fn unwant(&mut self, key: TakerKey, effects: &mut Effects<W>) -> Option<W> {
        let taker = self.takers.get_mut(key.0);
        let (lane, waker) = (taker.lane, taker.waker.take());
        self.takers.vacate(key.0);
        // It may be gone, retired by whoever repaired it.
        if self.lanes.unwant(lane) {
            self.pass_on(lane, effects);
        }
        // A lane that stays in quarantine may be the only one left.
        self.refuse_if_out_of_service(effects);
        self.wake_watchers_if_drained(effects);
        waker
    }

    /// Lets a lane that has come home leave if somebody wants it, and says whether it does.
    #[inline]
    pub(super) fn hand_out_if_wanted(&mut self, lane: LaneId, effects: &mut Effects<W>) -> bool {
        let taker = *self.lanes.taker(lane);
        if taker.is_some() {
            self.wake_taker(taker, effects);
        }
        taker.is_some()
    }

    pub(super) fn wake_taker(&mut self, taker: Option<Index>, effects: &mut Effects<W>) {
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
