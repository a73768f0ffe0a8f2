//! What the observer is to be told once the mutex is released.

use super::lanes::Hold;
use crate::observe::{Event, Grant};
use crate::snapshot::LaneId;

/// The events of the current step, if anybody listens.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// `None` if nobody listens.
    events: Option<Vec<Event>>,
}

impl News {
    pub(super) fn listen(&mut self) {
        self.events = Some(Vec::new());
    }

    /// Notes an event. Nothing is made of it if nobody listens.
    pub(super) fn tell(&mut self, event: impl FnOnce() -> Event) {
        if let Some(events) = &mut self.events {
            events.push(event());
        }
    }

    pub(super) fn take(&mut self) -> Vec<Event> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl Hold {
    pub(super) fn on(self, lane: LaneId) -> Grant {
        Grant { ticket: self.ticket, lane, ask: self.ask }
    }
}
