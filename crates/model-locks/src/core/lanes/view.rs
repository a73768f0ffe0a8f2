//! What the lanes show of themselves, and what is always true of them.

use std::sync::Arc;

use super::{Hold, Lane, Lanes, Place};
use crate::snapshot::{Counts, LaneState, LaneView};

impl<V> Lanes<V> {
    pub(in crate::core) fn count_into(&self, counts: &mut Counts) {
        for lane in &self.lanes {
            match lane.place {
                _ if lane.is_leaving() => counts.leaving += 1,
                Place::Free(_) => counts.free += 1,
                Place::Granted(..) => counts.granted += 1,
                Place::Leased(_) => counts.leased += 1,
                Place::Quarantined(..) | Place::InRepair(_) => counts.quarantined += 1,
            }
        }
    }

    pub(in crate::core) fn views(&self) -> Vec<LaneView> {
        let state = |lane: &Lane<V>| if lane.is_leaving() { LaneState::Leaving } else { lane.place.view() };
        self.lanes.iter().map(|lane| LaneView { id: lane.id, state: state(lane) }).collect()
    }
}

impl<V> Place<V> {
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
    pub(in crate::core) fn check(&self) {
        assert!(self.lanes.is_sorted_by_key(|lane| lane.id), "lanes are out of order");
        for lane in &self.lanes {
            assert!(lane.id.get() < self.next, "a lane has an id that was never given");
        }
    }

    /// Who wants which lane, and whether it is there to be fetched.
    pub(in crate::core) fn wanted(&self) -> Vec<(usize, crate::snapshot::LaneId, bool)> {
        let wanted = self.lanes.iter().filter_map(|lane| Some((lane.taker?, lane.id, lane.is_leaving())));
        wanted.collect()
    }

    /// The lanes that are promised to a waiter.
    pub(in crate::core) fn granted(&self) -> Vec<crate::snapshot::LaneId> {
        let granted = self.lanes.iter().filter(|lane| matches!(lane.place, Place::Granted(..)));
        granted.map(|lane| lane.id).collect()
    }
}
