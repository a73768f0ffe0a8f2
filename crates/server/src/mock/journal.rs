//! What happened, request by request: what a test can assert.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backend_mock::{Note, request_of};
use serde::Serialize;
use serde_json::Value;
use serving::Outcome;
use tokio::sync::watch;
use tokio::time::Instant;

use super::world::World;
use crate::wire::names::class_name;

/// Requests that are remembered; the oldest is forgotten for one more.
const REQUESTS_MAX: usize = 10_000;

/// The longest time between two looks at whether everything is over.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What happened since the start, or since the latest reset or script.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Journal {
    /// How often an engine was entered while it worked: 0, or the lock is broken.
    pub overlaps: u64,
    /// Requests that had to make room.
    pub forgotten: u64,
    /// The requests in the order in which they came; those of one test where it was asked for by its id.
    pub requests: Vec<JournalRequest>,
    /// The lanes that these requests held, in the order in which they were granted.
    pub grants: Vec<Grant>,
}

/// One request. Times are milliseconds since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JournalRequest {
    /// Its number, from 1.
    pub number: u64,
    /// Its id, as its answer has it.
    pub request_id: String,
    /// What `x-test-id` said.
    pub test_id: Option<String>,
    /// The path it was sent to.
    pub path: String,
    /// What it said: JSON where it is that, else text; null where nothing of it was read. Long bodies are cut, and are text
    /// then.
    pub body: Value,
    /// The model that served it, or would have.
    pub model: Option<String>,
    /// Its priority class.
    pub class: Option<&'static str>,
    /// The number of the call, from 1, by model and by test; `None` where no engine was reached.
    pub call: Option<u64>,
    /// The rule that answered.
    pub rule: Option<String>,
    /// Why no rule could.
    pub objection: Option<String>,
    /// The faults of its answer on its way: `status`, `disconnect`, `malformed`.
    pub faults: Vec<&'static str>,
    /// The status of its answer; `None` where the client left before there was one.
    pub status: Option<u16>,
    /// Number of its lease.
    pub ticket: Option<u64>,
    /// The lane that it held.
    pub lane: Option<u64>,
    /// When it came.
    pub arrived_ms: f64,
    /// How long it waited for its lane, or in vain.
    pub waited_ms: Option<f64>,
    /// When it got its lane.
    pub granted_ms: Option<f64>,
    /// When the lane went home, the engine having stopped.
    pub released_ms: Option<f64>,
    /// Tokens generated.
    pub tokens: Option<u32>,
    /// How it ended: `finished`, `finished_length`, `finished_tool_calls`, `cancelled`, `stalled`, `refused`, `failed`,
    /// `shut_down`; `None` while it is under way, and where it was answered before it was put into a queue.
    pub outcome: Option<String>,
    /// Where it was when it ended: `loading`, `waiting`, `encoding`, `prefill`, `decode`.
    pub phase: Option<&'static str>,
    /// Whether its answer was sent to the end. `None` while it is under way; `false` where the client left.
    pub answered: Option<bool>,
    /// Its other parts, where it has several: of a request with `n` choices all but the first.
    pub parts: Vec<JournalPart>,
}

/// A further part of a request, which waits and holds a lane by itself. Its fields are those of the request.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is explained at the request's field of the same name")]
pub struct JournalPart {
    /// The request's id and what it is of it: `r1#1` is the second choice.
    pub id: String,
    pub call: Option<u64>,
    pub rule: Option<String>,
    pub objection: Option<String>,
    pub ticket: Option<u64>,
    pub lane: Option<u64>,
    pub waited_ms: Option<f64>,
    pub granted_ms: Option<f64>,
    pub released_ms: Option<f64>,
    pub tokens: Option<u32>,
    pub outcome: Option<String>,
    pub phase: Option<&'static str>,
}

/// A lane that was held.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Grant {
    /// Of this model.
    pub model: String,
    /// Number of the lease.
    pub ticket: u64,
    /// The lane.
    pub lane: Option<u64>,
    /// By this request.
    pub request_id: String,
    /// When it was granted.
    pub granted_ms: f64,
    /// When it went home; `None` while it is held.
    pub released_ms: Option<f64>,
}

/// The pen.
pub(super) struct Log {
    start: Instant,
    entries: Mutex<Entries>,
    /// Counts changes, for those who wait for one.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Entries {
    requests: VecDeque<JournalRequest>,
    last_number: u64,
    n_forgotten: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), entries: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// A request came.
    pub(super) fn came(&self, request_id: &str, test_id: Option<String>, path: &str) -> u64 {
        let mut entries = self.lock();
        entries.last_number += 1;
        let number = entries.last_number;
        entries.requests.push_back(JournalRequest {
            number,
            request_id: request_id.to_owned(),
            test_id,
            path: path.to_owned(),
            arrived_ms: millis(self.start.elapsed()),
            ..JournalRequest::default()
        });
        if entries.requests.len() > REQUESTS_MAX {
            entries.requests.pop_front();
            entries.n_forgotten += 1;
        }
        number
    }

    /// Something is known of a request.
    pub(super) fn tell(&self, number: u64, change: impl FnOnce(&mut JournalRequest)) {
        if let Some(request) = self.lock().requests.iter_mut().rev().find(|request| request.number == number) {
            change(request);
        }
        self.changes.send_modify(|n| *n += 1);
    }

    /// The engine knows something of a request.
    pub(super) fn noted(&self, number: u64, notes: Vec<Note>) {
        self.tell(number, |request| request.note(notes));
    }

    /// The service has ended a request, or a part of one.
    pub(super) fn ended(&self, outcome: &Outcome) {
        let number = {
            let entries = self.lock();
            let whole = request_of(&outcome.request_id);
            // An id can be used again, but not while a request of that id is under way; so the latest is meant.
            let is = |r: &&JournalRequest| r.request_id == outcome.request_id || r.request_id == whole;
            entries.requests.iter().rev().find(is).map(|request| request.number)
        };
        let Some(number) = number else { return };
        self.tell(number, |request| request.end(outcome));
    }

    /// Forgets the requests of a test.
    pub(super) fn forget(&self, test_id: &str) {
        self.lock().requests.retain(|request| request.test_id.as_deref() != Some(test_id));
        self.changes.send_modify(|n| *n += 1);
    }

    fn requests(&self, test_id: Option<&str>) -> (Vec<JournalRequest>, u64) {
        let entries = self.lock();
        let of_test = |request: &&JournalRequest| test_id.is_none() || request.test_id.as_deref() == test_id;
        (entries.requests.iter().filter(of_test).cloned().collect(), entries.n_forgotten)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing inside panics halfway through a change.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// What happened, of one test or of all.
    pub(super) fn journal(&self, test_id: Option<&str>) -> Journal {
        let (mut requests, forgotten) = self.log.requests(test_id);
        for request in requests.iter_mut().filter(|request| request.answered.is_none()) {
            // Still under way: the engine may know more than what has been written down.
            request.note(self.stage.notes(&request.request_id));
        }
        let mut grants: Vec<Grant> = requests.iter().flat_map(Grant::of).collect();
        grants.sort_by(|a, b| a.granted_ms.total_cmp(&b.granted_ms).then(a.ticket.cmp(&b.ticket)));
        Journal { overlaps: self.engines.n_overlaps(), forgotten, requests, grants }
    }

    /// Waits until every request that the journal has by now is over, `limit` at most.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn settled(&self, test_id: Option<&str>, limit: Duration) {
        let mut changes = self.log.changes.subscribe();
        let wait = async {
            loop {
                changes.borrow_and_update();
                let (requests, _) = self.log.requests(test_id);
                let is_over = |request: &JournalRequest| request.answered.is_some() && !self.has(&request.request_id);
                if requests.iter().all(is_over) {
                    return;
                }
                // A request goes on to be under way for a moment after its outcome was told, so a change is not the last
                // reason to look.
                let _change = tokio::time::timeout(LOOK_AGAIN, changes.changed()).await;
            }
        };
        // Late is late; the journal shows who is still under way.
        let _late = tokio::time::timeout(limit, wait).await;
    }
}

impl JournalRequest {
    /// What an engine knows of it and its parts.
    fn note(&mut self, notes: Vec<Note>) {
        for note in notes {
            let Note { id, call, rule, objection, .. } = note;
            if id == self.request_id {
                (self.call, self.rule, self.objection) = (Some(call), rule, objection);
            } else {
                let part = self.part(&id);
                (part.call, part.rule, part.objection) = (Some(call), rule, objection);
            }
        }
    }

    /// The service has ended it, or a part of it.
    fn end(&mut self, outcome: &Outcome) {
        self.model = Some(outcome.model.clone());
        self.class = Some(class_name(outcome.class));
        let of_part = JournalPart {
            ticket: outcome.ticket,
            lane: outcome.lane,
            waited_ms: Some(millis(outcome.waited())),
            granted_ms: outcome.granted.map(millis),
            released_ms: outcome.released.map(millis),
            tokens: Some(outcome.tokens),
            outcome: Some(outcome.ended.as_str().to_owned()),
            phase: Some(outcome.phase.as_str()),
            ..JournalPart::default()
        };
        if outcome.request_id != self.request_id {
            let part = self.part(&outcome.request_id);
            let JournalPart { id, call, rule, objection, .. } = std::mem::take(part);
            *part = JournalPart { id, call, rule, objection, ..of_part };
            return;
        }
        let JournalPart { ticket, lane, waited_ms, granted_ms, released_ms, tokens, outcome, phase, .. } = of_part;
        (self.ticket, self.lane, self.tokens) = (ticket, lane, tokens);
        (self.waited_ms, self.granted_ms, self.released_ms) = (waited_ms, granted_ms, released_ms);
        (self.outcome, self.phase) = (outcome, phase);
    }

    /// The part of this id; the parts are in the order of their ids.
    fn part(&mut self, id: &str) -> &mut JournalPart {
        // Shorter ones first, so that the tenth choice comes after the ninth.
        let place = |part: &JournalPart| (part.id.len(), part.id.clone()).cmp(&(id.len(), id.to_owned()));
        let at = match self.parts.binary_search_by(place) {
            Ok(at) => at,
            Err(at) => {
                self.parts.insert(at, JournalPart { id: id.to_owned(), ..JournalPart::default() });
                at
            }
        };
        &mut self.parts[at]
    }
}

impl Grant {
    /// The lanes that a request and its parts were granted.
    fn of(request: &JournalRequest) -> Vec<Self> {
        let own = (&request.request_id, request.ticket, request.lane, request.granted_ms, request.released_ms);
        let parts = request.parts.iter().map(|p| (&p.id, p.ticket, p.lane, p.granted_ms, p.released_ms));
        let grant = |(id, ticket, lane, granted_ms, released_ms): (&String, Option<u64>, _, Option<f64>, _)| {
            let (model, request_id) = (request.model.clone()?, id.clone());
            Some(Self { model, ticket: ticket?, lane, request_id, granted_ms: granted_ms?, released_ms })
        };
        std::iter::once(own).chain(parts).filter_map(grant).collect()
    }
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
