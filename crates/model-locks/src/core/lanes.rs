//! The lanes: where each of them is, and the value of those that are at home.
//!
//! The value is part of the state, so a lane that is lent has nothing left here that could be lent again. Each
//! transition says which state it expects; any other is a bug of the caller.

mod view;

use std::sync::Arc;

use super::slab::Index;
use crate::policy::Ask;
use crate::snapshot::{LaneId, Ticket};

/// All lanes of a lock, by ascending id.
#[derive(Clone, Debug)]
pub(super) struct Lanes<V> {
    lanes: Vec<Lane<V>>,
    next: u32,
    /// Counts the times that a lane became free, to tell which of them has been free for longest.
    freed_total: u64,
}

#[derive(Clone, Debug)]
struct Lane<V> {
    id: LaneId,
    /// Who wants it out of the lock, by index among the takers. A wanted lane that is home is *leaving*: it waits for
    /// its taker to fetch it, and nobody else may have it.
    taker: Option<Index>,
    /// When it became free last, by `freed_total`.
    freed: u64,
    /// Whom it was given to last. It has a meaning only while the lane is granted or leased.
    hold: Hold,
    place: Place,
    /// There exactly if the place is in the lock.
    value: Option<V>,
    /// Why it is out of service, if it is.
    reason: Option<Arc<str>>,
}

/// Where a lane is. Its value is kept beside it: so a lane changes its place without being copied around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    Granted,
    Leased,
    Quarantined,
    InRepair,
}

/// Which grant a lane is out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) ticket: Ticket,
    pub(crate) ask: Ask,
}

impl<V> Lanes<V> {
    pub(super) fn new() -> Self {
        Self { lanes: Vec::new(), next: 0, freed_total: 0 }
    }

    /// A new lane, free.
    pub(super) fn add(&mut self, value: V) -> LaneId {
        let id = LaneId(self.next);
        self.next = self.next.checked_add(1).expect("a lock gives each id once, and has given four billion");
        self.freed_total += 1;
        let hold = Hold { ticket: Ticket(0), ask: Ask::default() };
        let freed = self.freed_total;
        self.lanes.push(Lane { id, taker: None, freed, hold, place: Place::Free, value: Some(value), reason: None });
        id
    }

    /// The preferred lane if it is free, else the one that has been free for longest.
    #[inline(always)]
    pub(super) fn pick_free(&self, prefer: Option<LaneId>) -> Option<LaneId> {
        // By hand, because this is looked at by every ask, and the iterator is not always inlined.
        let mut best: Option<&Lane<V>> = None;
        for lane in &self.lanes {
            if lane.place == Place::Free && lane.taker.is_none() {
                if prefer == Some(lane.id) {
                    return prefer;
                }
                if best.is_none_or(|best| lane.freed < best.freed) {
                    best = Some(lane);
                }
            }
        }
        best.map(|lane| lane.id)
    }

    /// Which grant a lane is leased for.
    #[inline]
    pub(super) fn holder(&mut self, id: LaneId) -> Option<Hold> {
        let lane = self.lane(id);
        (lane.place == Place::Leased).then_some(lane.hold)
    }

    /// Which grant a lane is promised for.
    pub(super) fn promised(&mut self, id: LaneId) -> Hold {
        let lane = self.lane(id);
        debug_assert_eq!(lane.place, Place::Granted, "a granted waiter has a granted lane");
        lane.hold
    }

    /// Free -> leased.
    #[inline(always)]
    pub(super) fn lend(&mut self, id: LaneId, hold: Hold) -> V {
        let lane = self.lane(id);
        debug_assert_eq!(lane.place, Place::Free, "only a free lane is lent at once");
        (lane.place, lane.hold) = (Place::Leased, hold);
        lane.take_value()
    }

    /// Free -> granted.
    #[inline]
    pub(super) fn grant(&mut self, id: LaneId, hold: Hold) {
        let lane = self.lane(id);
        debug_assert_eq!(lane.place, Place::Free, "only a free lane is granted");
        (lane.place, lane.hold) = (Place::Granted, hold);
    }

    /// Granted -> leased.
    #[inline]
    pub(super) fn claim(&mut self, id: LaneId) -> (Hold, V) {
        let lane = self.lane(id);
        debug_assert_eq!(lane.place, Place::Granted, "only a granted lane is claimed");
        lane.place = Place::Leased;
        (lane.hold, lane.take_value())
    }

    /// Granted -> free.
    #[inline]
    pub(super) fn withdraw(&mut self, id: LaneId) {
        self.freed_total += 1;
        let freed = self.freed_total;
        let lane = self.lane(id);
        debug_assert_eq!(lane.place, Place::Granted, "only a granted lane is withdrawn");
        (lane.place, lane.freed) = (Place::Free, freed);
    }

    /// Leased or in repair -> free.
    #[inline(always)]
    pub(super) fn put_back(&mut self, id: LaneId, value: V) {
        self.freed_total += 1;
        let freed = self.freed_total;
        let lane = self.lane(id);
        lane.put_value(value);
        (lane.place, lane.freed, lane.reason) = (Place::Free, freed, None);
    }

    /// Leased or in repair -> quarantined.
    pub(super) fn quarantine(&mut self, id: LaneId, value: V, reason: Arc<str>) {
        let lane = self.lane(id);
        lane.put_value(value);
        (lane.place, lane.reason) = (Place::Quarantined, Some(reason));
    }

    /// Quarantined -> in repair, for the lane of this id, or else for the quarantined one of the lowest id.
    pub(super) fn begin_repair(&mut self, which: Option<LaneId>) -> Option<(LaneId, V, Arc<str>)> {
        let unfit = |lane: &&mut Lane<V>| lane.taker.is_none() && lane.place == Place::Quarantined;
        let asked = |lane: &&mut Lane<V>| which.is_none_or(|which| lane.id == which);
        let lane = self.lanes.iter_mut().filter(asked).find(unfit)?;
        lane.place = Place::InRepair;
        let reason = lane.reason.clone().expect("a lane in quarantine has a reason");
        Some((lane.id, lane.take_value(), reason))
    }

    /// In repair -> gone. Says who wanted it.
    pub(super) fn retire(&mut self, id: LaneId) -> Option<Index> {
        let lane = self.lane(id);
        debug_assert_eq!(lane.place, Place::InRepair, "only a lane in repair is retired");
        let taker = lane.taker;
        self.lanes.retain(|lane| lane.id != id);
        taker
    }

    /// Free or quarantined -> gone. `None` if it is elsewhere, or there is no such lane.
    pub(super) fn take_out(&mut self, id: LaneId) -> Option<V> {
        let at = self.lanes.iter().position(|lane| lane.id == id && lane.place.is_home())?;
        Some(self.lanes.remove(at).take_value())
    }

    /// Every lane of a lock in which all are home.
    pub(super) fn take_all(&mut self) -> Vec<(LaneId, V)> {
        let ids: Vec<_> = self.lanes.iter().map(|lane| lane.id).collect();
        ids.into_iter().map(|id| (id, self.take_out(id).expect("all are home"))).collect()
    }

    /// Whether there is such a lane, and nobody wants it.
    pub(super) fn may_be_wanted(&self, id: LaneId) -> bool {
        self.lanes.iter().any(|lane| lane.id == id && lane.taker.is_none())
    }

    /// Who wants this lane.
    #[inline]
    pub(super) fn taker(&mut self, id: LaneId) -> &mut Option<Index> {
        &mut self.lane(id).taker
    }

    /// Forgets who wants this lane, if it is still there. Whether that has made it free.
    pub(super) fn unwant(&mut self, id: LaneId) -> bool {
        let lane = self.lanes.iter_mut().find(|lane| lane.id == id);
        lane.is_some_and(|lane| {
            let is_leaving = lane.is_leaving();
            lane.taker = None;
            if is_leaving {
                self.freed_total += 1;
                lane.freed = self.freed_total;
            }
            is_leaving && lane.place == Place::Free
        })
    }

    /// Whether no value is outside, nor promised to anybody.
    pub(super) fn all_home(&self) -> bool {
        self.lanes.iter().all(|lane| lane.place.is_home() && !lane.is_leaving())
    }

    /// If there are lanes but none is in service: why not, in the words of the first.
    #[inline]
    pub(super) fn out_of_service(&self) -> Option<Arc<str>> {
        let is_fit = |lane: &Lane<V>| lane.reason.is_none() && lane.taker.is_none();
        if self.lanes.first().is_none_or(is_fit) { None } else { self.why_out_of_service() }
    }

    #[cold]
    fn why_out_of_service(&self) -> Option<Arc<str>> {
        let staying = self.lanes.iter().filter(|lane| !lane.is_leaving());
        let mut reasons = staying.map(|lane| lane.reason.as_ref());
        let first = reasons.next()??;
        reasons.all(|reason| reason.is_some()).then(|| Arc::clone(first))
    }

    /// A lane by its id. As long as none has left, its id is its place in the list.
    #[inline(always)]
    fn lane(&mut self, id: LaneId) -> &mut Lane<V> {
        let guess = id.0 as usize;
        let index = match self.lanes.get(guess) {
            Some(lane) if lane.id == id => guess,
            _ => self.search(id),
        };
        &mut self.lanes[index]
    }

    #[cold]
    fn search(&self, id: LaneId) -> usize {
        self.lanes.binary_search_by_key(&id, |lane| lane.id).expect("a lane that is out is not retired")
    }
}

#[cfg(test)]
impl<V: Clone> Lanes<V> {
    /// Becomes a copy, in the memory it has.
    pub(super) fn become_like(&mut self, other: &Self) {
        let Self { lanes, next, freed_total } = other;
        self.lanes.clone_from(lanes);
        (self.next, self.freed_total) = (*next, *freed_total);
    }
}

impl<V> Lane<V> {
    fn is_leaving(&self) -> bool {
        self.taker.is_some() && self.place.is_home()
    }

    #[inline]
    fn take_value(&mut self) -> V {
        self.value.take().expect("the value is there unless it is lent or in repair")
    }

    #[inline]
    fn put_value(&mut self, value: V) {
        debug_assert!(self.place.is_out(), "a value came home to a lane that was not out");
        self.value = Some(value);
    }
}

impl Place {
    fn is_home(self) -> bool {
        matches!(self, Self::Free | Self::Quarantined)
    }

    fn is_out(self) -> bool {
        matches!(self, Self::Leased | Self::InRepair)
    }
}
