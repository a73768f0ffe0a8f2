//! The lanes: where each of them is, and the value of those that are at home.
//!
//! The value is part of the state, so a lane that is lent has nothing left here that could be lent again. Each
//! transition says which state it expects; any other is a bug of the caller.

mod view;

use std::mem;
use std::sync::Arc;

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
    place: Place<V>,
    /// When it became free last, by `freed_total`.
    freed: u64,
    /// Who wants it out of the lock, by index among the takers. A wanted lane that is home is *leaving*: it waits for
    /// its taker to fetch it, and nobody else may have it.
    taker: Option<usize>,
}

#[derive(Clone, Debug)]
enum Place<V> {
    Free(V),
    Granted(Hold, V),
    Leased(Hold),
    Quarantined(Arc<str>, V),
    InRepair(Arc<str>),
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
        self.next += 1;
        self.freed_total += 1;
        self.lanes.push(Lane { id, place: Place::Free(value), freed: self.freed_total, taker: None });
        id
    }

    /// The preferred lane if it is free, else the one that has been free for longest.
    pub(super) fn pick_free(&self, prefer: Option<LaneId>) -> Option<LaneId> {
        let free = self.lanes.iter().filter(|lane| lane.taker.is_none() && matches!(lane.place, Place::Free(_)));
        free.min_by_key(|lane| (prefer != Some(lane.id), lane.freed)).map(|lane| lane.id)
    }

    /// Which grant a lane is leased for.
    pub(super) fn holder(&mut self, id: LaneId) -> Option<Hold> {
        if let Place::Leased(hold) = *self.place(id) { Some(hold) } else { None }
    }

    /// Which grant a lane is promised for.
    pub(super) fn promised(&mut self, id: LaneId) -> Hold {
        match *self.place(id) {
            Place::Granted(hold, _) => hold,
            _ => unreachable!("a granted waiter has a granted lane"),
        }
    }

    /// Free -> leased.
    pub(super) fn lend(&mut self, id: LaneId, hold: Hold) -> V {
        match mem::replace(self.place(id), Place::Leased(hold)) {
            Place::Free(value) => value,
            _ => unreachable!("only a free lane is lent at once"),
        }
    }

    /// Free -> granted.
    pub(super) fn grant(&mut self, id: LaneId, hold: Hold) {
        let value = self.lend(id, hold);
        *self.place(id) = Place::Granted(hold, value);
    }

    /// Granted -> leased.
    pub(super) fn claim(&mut self, id: LaneId) -> (Hold, V) {
        let place = self.place(id);
        let Place::Granted(hold, _) = *place else { unreachable!("only a granted lane is claimed") };
        match mem::replace(place, Place::Leased(hold)) {
            Place::Granted(_, value) => (hold, value),
            _ => unreachable!("it was granted one line above"),
        }
    }

    /// Granted -> free.
    pub(super) fn withdraw(&mut self, id: LaneId) {
        let (_, value) = self.claim(id);
        self.free(id, value);
    }

    /// Leased or in repair -> free.
    pub(super) fn put_back(&mut self, id: LaneId, value: V) {
        debug_assert!(self.place(id).is_out(), "a value came home to a lane that was not out");
        self.free(id, value);
    }

    /// Leased or in repair -> quarantined.
    pub(super) fn quarantine(&mut self, id: LaneId, value: V, reason: Arc<str>) {
        let place = self.place(id);
        debug_assert!(place.is_out(), "a value came home to a lane that was not out");
        *place = Place::Quarantined(reason, value);
    }

    /// Quarantined -> in repair, for the quarantined lane of the lowest id.
    pub(super) fn begin_repair(&mut self) -> Option<(LaneId, V, Arc<str>)> {
        let unfit = |lane: &&mut Lane<V>| lane.taker.is_none() && matches!(lane.place, Place::Quarantined(..));
        let lane = self.lanes.iter_mut().find(unfit)?;
        let Place::Quarantined(reason, _) = &lane.place else { unreachable!("it was found as quarantined") };
        let reason = Arc::clone(reason);
        match mem::replace(&mut lane.place, Place::InRepair(Arc::clone(&reason))) {
            Place::Quarantined(_, value) => Some((lane.id, value, reason)),
            _ => unreachable!("it was quarantined one line above"),
        }
    }

    /// In repair -> gone. Says who wanted it.
    pub(super) fn retire(&mut self, id: LaneId) -> Option<usize> {
        debug_assert!(matches!(self.place(id), Place::InRepair(_)), "only a lane in repair is retired");
        let taker = self.lane(id).taker;
        self.lanes.retain(|lane| lane.id != id);
        taker
    }

    /// Free or quarantined -> gone. `None` if it is elsewhere, or there is no such lane.
    pub(super) fn take_out(&mut self, id: LaneId) -> Option<V> {
        let at = self.lanes.iter().position(|lane| lane.id == id && lane.place.is_home())?;
        match self.lanes.remove(at).place {
            Place::Free(value) | Place::Quarantined(_, value) => Some(value),
            Place::Granted(..) | Place::Leased(_) | Place::InRepair(_) => unreachable!("it was at home one line above"),
        }
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
    pub(super) fn taker(&mut self, id: LaneId) -> &mut Option<usize> {
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
            is_leaving && matches!(lane.place, Place::Free(_))
        })
    }

    /// Whether no value is outside, nor promised to anybody.
    pub(super) fn all_home(&self) -> bool {
        self.lanes.iter().all(|lane| lane.place.is_home() && !lane.is_leaving())
    }

    /// If there are lanes but none is in service: why not, in the words of the first.
    pub(super) fn out_of_service(&self) -> Option<Arc<str>> {
        let staying = self.lanes.iter().filter(|lane| !lane.is_leaving());
        let mut reasons = staying.map(|lane| match &lane.place {
            Place::Quarantined(reason, _) | Place::InRepair(reason) => Some(reason),
            _ => None,
        });
        let first = reasons.next()??;
        reasons.all(|reason| reason.is_some()).then(|| Arc::clone(first))
    }

    fn free(&mut self, id: LaneId, value: V) {
        self.freed_total += 1;
        let freed = self.freed_total;
        let lane = self.lane(id);
        (lane.place, lane.freed) = (Place::Free(value), freed);
    }

    fn place(&mut self, id: LaneId) -> &mut Place<V> {
        &mut self.lane(id).place
    }

    fn lane(&mut self, id: LaneId) -> &mut Lane<V> {
        let index = self.lanes.binary_search_by_key(&id, |lane| lane.id).expect("a lane that is out is not retired");
        &mut self.lanes[index]
    }
}

impl<V> Lane<V> {
    fn is_leaving(&self) -> bool {
        self.taker.is_some() && self.place.is_home()
    }
}

impl<V> Place<V> {
    fn is_home(&self) -> bool {
        matches!(self, Self::Free(_) | Self::Quarantined(..))
    }

    fn is_out(&self) -> bool {
        matches!(self, Self::Leased(_) | Self::InRepair(_))
    }
}
