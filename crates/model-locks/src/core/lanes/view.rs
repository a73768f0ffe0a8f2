//! What the lanes show of themselves, and what is always true of them.

use std::sync::Arc;

use super::{Hold, Lane, Lanes, Place};
#[cfg(test)]
use crate::core::slab::Index;
use crate::snapshot::{Counts, LaneState, LaneView};

impl<V> Lanes<V> {
    pub(in crate::core) fn count_into(&self, counts: &mut Counts) {
        for lane in &self.lanes {
            match lane.place {
                _ if lane.is_leaving() => counts.leaving += 1,
                Place::Free => counts.free += 1,
                Place::Granted => counts.granted += 1,
                Place::Leased => counts.leased += 1,
                Place::Quarantined | Place::InRepair => counts.quarantined += 1,
            }
        }
    }

    pub(in crate::core) fn views(&self) -> Vec<LaneView> {
        self.lanes.iter().map(|lane| LaneView { id: lane.id, state: lane.view() }).collect()
    }
}

impl<V> Lane<V> {
    fn view(&self) -> LaneState {
        let Hold { ticket, ask } = self.hold;
        match self.place {
            _ if self.is_leaving() => LaneState::Leaving,
            Place::Free => LaneState::Free,
            Place::Granted => LaneState::Granted { ticket, class: ask.class, tag: ask.tag, client: ask.client_key() },
            Place::Leased => LaneState::Leased { ticket, class: ask.class, tag: ask.tag, client: ask.client_key() },
            Place::Quarantined => {
                let reason = self.reason.as_ref().expect("a lane in quarantine has a reason");
                LaneState::Quarantined { reason: Arc::clone(reason) }
            }
            Place::InRepair => LaneState::InRepair,
        }
    }
}

#[cfg(test)]
impl<V> Lanes<V> {
    pub(in crate::core) fn check(&self) {
        assert!(self.lanes.is_sorted_by_key(|lane| lane.id), "lanes are out of order");
        for lane in &self.lanes {
            assert!(lane.id.get() < self.next, "a lane has an id that was never given");
            assert_eq!(lane.value.is_none(), lane.place.is_out(), "a value is where it should not be");
            let is_fit = !matches!(lane.place, Place::Quarantined | Place::InRepair);
            assert_eq!(lane.reason.is_none(), is_fit, "a lane is out of service for no reason, or in service with one");
        }
    }

    /// Who wants which lane, and whether it is there to be fetched.
    pub(in crate::core) fn wanted(&self) -> impl Iterator<Item = (Index, crate::snapshot::LaneId, bool)> {
        self.lanes.iter().filter_map(|lane| Some((lane.taker?, lane.id, lane.is_leaving())))
    }

    /// What those asked who hold a lane or are promised one.
    pub(in crate::core) fn holds(&self) -> Vec<crate::policy::Ask> {
        let holds = self.lanes.iter().filter(|lane| matches!(lane.place, Place::Granted | Place::Leased));
        holds.map(|lane| lane.hold.ask).collect()
    }

    /// The lanes that are promised to a waiter.
    pub(in crate::core) fn granted(&self) -> impl Iterator<Item = crate::snapshot::LaneId> {
        self.lanes.iter().filter(|lane| lane.place == Place::Granted).map(|lane| lane.id)
    }
}
