//! The lanes: where each of them is, and the value of those that are at home.
//!
//! The value is part of the state, so a lane that is lent has nothing left here that could be lent again. Each
//! transition says which state it expects; any other is a bug of the caller.

use std::mem;
use std::sync::Arc;

use crate::policy::Ask;
use crate::snapshot::{Counts, LaneId, LaneState, LaneView, Ticket};

/// All lanes of a lock, by ascending id.
#[derive(Clone, Debug)]
pub(super) struct Lanes<V> {
    lanes: Vec<Lane<V>>,
    next: u32,
}

#[derive(Clone, Debug)]
struct Lane<V> {
    id: LaneId,
    place: Place<V>,
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
        Self { lanes: Vec::new(), next: 0 }
    }

    /// A new lane, free.
    pub(super) fn add(&mut self, value: V) -> LaneId {
        let id = LaneId(self.next);
        self.next += 1;
        self.lanes.push(Lane { id, place: Place::Free(value) });
        id
    }

    /// The free lane of the lowest id.
    pub(super) fn first_free(&self) -> Option<LaneId> {
        self.lanes.iter().find(|lane| matches!(lane.place, Place::Free(_))).map(|lane| lane.id)
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
        *self.place(id) = Place::Free(value);
    }

    /// Leased or in repair -> free.
    pub(super) fn put_back(&mut self, id: LaneId, value: V) {
        let place = self.place(id);
        debug_assert!(place.is_out(), "a value came home to a lane that was not out");
        *place = Place::Free(value);
    }

    /// Leased or in repair -> quarantined.
    pub(super) fn quarantine(&mut self, id: LaneId, value: V, reason: Arc<str>) {
        let place = self.place(id);
        debug_assert!(place.is_out(), "a value came home to a lane that was not out");
        *place = Place::Quarantined(reason, value);
    }

    /// Quarantined -> in repair, for the quarantined lane of the lowest id.
    pub(super) fn begin_repair(&mut self) -> Option<(LaneId, V, Arc<str>)> {
        let lane = self.lanes.iter_mut().find(|lane| matches!(lane.place, Place::Quarantined(..)))?;
        let Place::Quarantined(reason, _) = &lane.place else { unreachable!("it was found as quarantined") };
        let reason = Arc::clone(reason);
        match mem::replace(&mut lane.place, Place::InRepair(Arc::clone(&reason))) {
            Place::Quarantined(_, value) => Some((lane.id, value, reason)),
            _ => unreachable!("it was quarantined one line above"),
        }
    }

    /// In repair -> gone.
    pub(super) fn retire(&mut self, id: LaneId) {
        debug_assert!(matches!(self.place(id), Place::InRepair(_)), "only a lane in repair is retired");
        self.lanes.retain(|lane| lane.id != id);
    }

    /// Whether no value is outside, nor promised to anybody.
    pub(super) fn all_home(&self) -> bool {
        self.lanes.iter().all(|lane| matches!(lane.place, Place::Free(_) | Place::Quarantined(..)))
    }

    /// If there are lanes but none is in service: why not, in the words of the first.
    pub(super) fn out_of_service(&self) -> Option<Arc<str>> {
        let mut reasons = self.lanes.iter().map(|lane| match &lane.place {
            Place::Quarantined(reason, _) | Place::InRepair(reason) => Some(reason),
            Place::Free(_) | Place::Granted(..) | Place::Leased(_) => None,
        });
        let first = reasons.next()??;
        reasons.all(|reason| reason.is_some()).then(|| Arc::clone(first))
    }

    pub(super) fn count_into(&self, counts: &mut Counts) {
        for lane in &self.lanes {
            match lane.place {
                Place::Free(_) => counts.free += 1,
                Place::Granted(..) => counts.granted += 1,
                Place::Leased(_) => counts.leased += 1,
                Place::Quarantined(..) | Place::InRepair(_) => counts.quarantined += 1,
            }
        }
    }

    pub(super) fn views(&self) -> Vec<LaneView> {
        self.lanes.iter().map(|lane| LaneView { id: lane.id, state: lane.place.view() }).collect()
    }

    fn place(&mut self, id: LaneId) -> &mut Place<V> {
        let index = self.lanes.binary_search_by_key(&id, |lane| lane.id).expect("a lane that is out is not retired");
        &mut self.lanes[index].place
    }
}

impl<V> Place<V> {
    fn is_out(&self) -> bool {
        matches!(self, Self::Leased(_) | Self::InRepair(_))
    }

    fn view(&self) -> LaneState {
        match self {
            Self::Free(_) => LaneState::Free,
            &Self::Granted(Hold { ticket, ask }, _) => LaneState::Granted { ticket, class: ask.class, tag: ask.tag },
            &Self::Leased(Hold { ticket, ask }) => LaneState::Leased { ticket, class: ask.class, tag: ask.tag },
            Self::Quarantined(reason, _) => LaneState::Quarantined { reason: Arc::clone(reason) },
            Self::InRepair(_) => LaneState::InRepair,
        }
    }
}

#[cfg(test)]
impl<V> Lanes<V> {
    pub(super) fn check(&self) {
        assert!(self.lanes.is_sorted_by_key(|lane| lane.id), "lanes are out of order");
        for lane in &self.lanes {
            assert!(lane.id.get() < self.next, "a lane has an id that was never given");
        }
    }

    /// The lanes that are promised to a waiter.
    pub(super) fn granted(&self) -> Vec<LaneId> {
        let granted = self.lanes.iter().filter(|lane| matches!(lane.place, Place::Granted(..)));
        granted.map(|lane| lane.id).collect()
    }
}
