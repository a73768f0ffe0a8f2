//! What the observer is to be told once the mutex is released.

use super::Taken;
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

    /// Whether anybody listens.
    #[inline]
    pub(super) fn is_heard(&self) -> bool {
        self.events.is_some()
    }

    /// Notes an event. Nothing is made of it if nobody listens.
    #[inline]
    pub(super) fn tell(&mut self, event: impl FnOnce() -> Event) {
        if self.is_heard() {
            self.push(event());
        }
    }

    #[cold]
    fn push(&mut self, event: Event) {
        self.events.as_mut().expect("somebody listens").push(event);
    }

    pub(super) fn take(&mut self) -> Vec<Event> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl Hold {
    /// What whoever claims it is handed.
    #[inline]
    pub(super) fn with<V>(self, lane: LaneId, value: V) -> Taken<V> {
        Taken { value, ticket: self.ticket, tag: self.ask.tag, lane, class: self.ask.class }
    }

    pub(super) fn on(self, lane: LaneId) -> Grant {
        Grant { ticket: self.ticket, lane, ask: self.ask }
    }
}
