//! Whose turn it is, and what can be seen of a lock.

use super::{Fate, Reference};
use crate::policy::Class;
use crate::snapshot::{Counts, LaneId, LaneState, LaneView, ParkedView, Snapshot, WaiterView};

impl Reference {
    pub(in crate::core::tests) fn counts(&self) -> Counts {
        let count = |is: fn(&LaneState) -> bool| self.lanes.values().filter(|state| is(state)).count();
        Counts {
            free: count(|state| matches!(state, LaneState::Free)),
            leased: count(|state| matches!(state, LaneState::Leased { .. })),
            granted: count(|state| matches!(state, LaneState::Granted { .. })),
            quarantined: count(|state| matches!(state, LaneState::Quarantined { .. } | LaneState::InRepair)),
            leaving: count(|state| matches!(state, LaneState::Leaving)),
            waiting: self.waiting().count(),
            parked: self.parked(),
            closed: self.closed,
        }
    }

    /// The order of service is found by serving: a copy grants until nobody waits.
    pub(in crate::core::tests) fn snapshot(&self) -> Snapshot {
        let mut copy = self.clone();
        let mut waiting = Vec::new();
        while let Some(at) = copy.next() {
            let ask = copy.waiters[at].0;
            copy.remember(Some(ask.class));
            copy.waiters.remove(at);
            // Lanes that nobody has seen, one for each.
            copy.fair.granted(ask, LaneId(u32::MAX - waiting.len() as u32));
            copy.remember(None);
            waiting.push(WaiterView {
                position: waiting.len(),
                class: ask.class,
                tag: ask.tag,
                client: ask.client_key(),
            });
        }
        let lanes = self.lanes.iter().map(|(&id, state)| LaneView { id, state: state.clone() }).collect();
        let parked = self.waiters.iter().filter(|(_, fate)| *fate == Fate::Parked).map(|(ask, _)| *ask);
        let parked =
            parked.map(|ask| ParkedView { class: ask.class, tag: ask.tag, client: ask.client_key() }).collect();
        Snapshot { lanes, waiting, parked, closed: self.closed, granted_total: self.granted_total }
    }

    /// Whose turn it is: the first of the lowest class that has been passed over often enough, else of the highest.
    pub(super) fn next(&self) -> Option<usize> {
        for class in [Class::Background, Class::Normal] {
            if self.first(class).is_some() && self.passed_over(class) >= self.policy.bypass_max[class.index()] {
                return self.first(class);
            }
        }
        Class::ALL.into_iter().find_map(|class| self.first(class))
    }

    pub(super) fn first(&self, class: Class) -> Option<usize> {
        match self.fair.next(class) {
            None => self.waiting().find(|&at| self.waiters[at].0.class == class),
            Some(tag) => self.waiting().find(|&at| Some(self.waiters[at].0.tag) == tag),
        }
    }

    /// Grants to higher classes while this one waited without a break and without a grant.
    fn passed_over(&self, class: Class) -> u32 {
        let mut times = 0;
        for &(granted, waited) in self.moments.iter().rev() {
            if !waited[class.index()] || granted == Some(class) {
                break;
            }
            if granted.is_some_and(|granted| granted < class) {
                times += 1;
            }
        }
        times
    }
}
