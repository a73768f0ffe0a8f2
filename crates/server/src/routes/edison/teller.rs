//! Tells a turn's events to its client, and where the turn is when there is nothing else to tell for too long.

use std::time::Duration;

use serving::{Generation, Progress, Refusal, Started};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::turn::Event;
use crate::answer::whereabouts;

/// Who tells. What happens to the client's end is no concern of its: a client that leaves drops the whole turn.
pub(super) struct Teller {
    events: mpsc::Sender<Event>,
    /// How long nothing may be told; `None` where a sign of life has no place.
    keep_alive: Option<Duration>,
    last: Instant,
}

impl Teller {
    pub(super) fn new(events: mpsc::Sender<Event>, keep_alive: Option<Duration>) -> Self {
        Self { events, keep_alive, last: Instant::now() }
    }

    pub(super) async fn tell(&mut self, event: Event) {
        let _left = self.events.send(event).await;
        self.last = Instant::now();
    }

    /// As [`Generation::started`].
    pub(super) async fn started(&mut self, generation: &mut Generation) -> Result<Started, Refusal> {
        loop {
            match self.before_long(generation.started()).await {
                Some(started) => return started,
                None => self.tell_place(generation).await,
            }
        }
    }

    /// As [`Generation::next`].
    pub(super) async fn next(&mut self, generation: &mut Generation) -> Option<Progress> {
        loop {
            match self.before_long(generation.next()).await {
                Some(step) => return step,
                None => self.tell_place(generation).await,
            }
        }
    }

    /// `None` when it is time for a sign of life. What is there already comes first.
    async fn before_long<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match self.keep_alive {
            None => Some(future.await),
            Some(time) => timeout_at(self.last + time, future).await.ok(),
        }
    }

    async fn tell_place(&mut self, generation: &Generation) {
        self.tell(Event::Waiting(whereabouts(Some(generation.place())))).await;
    }
}
