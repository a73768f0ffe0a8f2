//! Lanes that are broken: out of service until they are repaired, or for ever.

use std::sync::Arc;

use super::{Core, Effects};
use crate::error::AcquireError;
use crate::policy::WhenAllQuarantined;
use crate::snapshot::LaneId;

impl<V, W> Core<V, W> {
    /// Takes back a lane that was leased or in repair, not to be lent.
    pub(crate) fn quarantine(&mut self, lane: LaneId, value: V, reason: Arc<str>, effects: &mut Effects<W>) {
        self.released(lane);
        self.lanes.quarantine(lane, value, reason);
        self.hand_out_if_wanted(lane, effects);
        self.refuse_if_out_of_service(effects);
        self.wake_watchers_if_drained(effects);
    }

    /// Takes a quarantined lane out for repair, this one or any, unless the lock is closed: then what is home stays home.
    pub(crate) fn begin_repair(&mut self, which: Option<LaneId>) -> Option<(LaneId, V, Arc<str>)> {
        if self.closed { None } else { self.lanes.begin_repair(which) }
    }

    /// Forgets a lane in repair for good.
    pub(crate) fn retire(&mut self, lane: LaneId, effects: &mut Effects<W>) {
        let taker = self.lanes.retire(lane);
        self.wake_taker(taker, effects);
        self.wake_watchers_if_drained(effects);
    }

    pub(super) fn quarantine_error(&self) -> Option<AcquireError> {
        match self.when_all_quarantined {
            WhenAllQuarantined::Fail => self.lanes.out_of_service().map(|reason| AcquireError::Quarantined { reason }),
            WhenAllQuarantined::Wait => None,
        }
    }

    /// Refuses everybody who waits if no lane is left that could ever serve them.
    pub(super) fn refuse_if_out_of_service(&mut self, effects: &mut Effects<W>) {
        if let Some(error) = self.quarantine_error() {
            self.queue.refuse_all(&error, effects, &mut self.news);
        }
    }
}
