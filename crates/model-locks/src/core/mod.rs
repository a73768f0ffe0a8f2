//! The lock as plain data: what is asked goes in, what is to be done comes out.
//!
//! `V` is the value of a lane and `W` wakes a waiter; the core moves both and calls neither. It has no mutex, no thread
//! and no clock, so that every short history can be tried in a unit test.
//!
//! The rule that everything rests on: **a lane that becomes free goes to the next waiter in the same step.** So a free
//! lane means that nobody waits, nobody can slip in between, and no wake-up can be lost.

mod closing;
mod effects;
mod lanes;
mod links;
mod news;
mod parking;
mod queue;
mod repairing;
mod select;
mod slab;
mod taking;

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;

pub(crate) use closing::WatchKey;
pub(crate) use effects::Effects;
pub(crate) use lanes::Hold;
pub(crate) use queue::WaiterKey;
pub(crate) use taking::TakerKey;

use self::lanes::Lanes;
use self::news::News;
use self::queue::{Queue, Seat};
use self::slab::Slab;
use self::taking::Taker;
use crate::error::AcquireError;
use crate::observe::Event;
use crate::policy::{Ask, Policy, WhenAllQuarantined};
use crate::snapshot::{Counts, LaneId, Snapshot, Ticket};

/// The state of one lock.
#[derive(Clone, Debug)]
pub(crate) struct Core<V, W> {
    queue_max: usize,
    when_all_quarantined: WhenAllQuarantined,
    lanes: Lanes<V>,
    /// Empty whenever a lane is free, and once the lock is closed.
    queue: Queue<W>,
    /// Those who wait for the end. `None` once woken.
    watchers: Slab<Option<W>>,
    /// Those who want a lane out of the lock.
    takers: Slab<Taker<W>>,
    /// Never goes back to `false`.
    closed: bool,
    granted_total: u64,
    news: News,
}

/// A lane on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken<V> {
    pub(crate) lane: LaneId,
    pub(crate) hold: Hold,
    pub(crate) value: V,
}

/// How a wait ends.
pub(crate) type Outcome<V> = Result<Taken<V>, AcquireError>;

/// The answer to an ask that is prepared to wait.
pub(crate) enum Entered<V, W> {
    /// It waits now. Whom it has superseded is to be woken.
    Queued(WaiterKey, Effects<W>),
    /// It was decided at once; the waker was not needed.
    Settled(Outcome<V>, W),
}

/// The answer to a waiter that looks.
pub(crate) enum Looked<V> {
    /// The wait is over and its node is gone.
    Settled(Outcome<V>),
    /// Not yet.
    Waiting(WaiterKey),
    /// It had a grant and lost it. To wait again it must [`resume`](Core::resume).
    Parked(WaiterKey),
}

impl<V, W> Core<V, W> {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
            queue_max: policy.queue_max,
            when_all_quarantined: policy.when_all_quarantined,
            lanes: Lanes::new(),
            queue: Queue::new(policy),
            watchers: Slab::new(),
            takers: Slab::new(),
            closed: false,
            granted_total: 0,
            news: News::default(),
        }
    }

    /// Keeps the events of each step from now on, for [`take_news`](Self::take_news).
    pub(crate) fn listen(&mut self) {
        self.news.listen();
    }

    pub(crate) fn take_news(&mut self) -> Vec<Event> {
        self.news.take()
    }

    /// Decides an ask at once if that is possible; `None` means that it would have to wait.
    pub(crate) fn ask(&mut self, ask: Ask) -> Option<Outcome<V>> {
        if self.closed {
            return Some(Err(self.refused(ask, AcquireError::Closed)));
        }
        if let Some(lane) = self.lanes.pick_free(ask.prefer) {
            debug_assert!(self.queue.len() == 0, "somebody waits beside a free lane");
            let hold = self.hold(ask, lane);
            let value = self.lanes.lend(lane, hold);
            return Some(Ok(Taken { lane, hold, value }));
        }
        self.quarantine_error().map(|error| Err(self.refused(ask, error)))
    }

    /// Like [`ask`](Self::ask), but waits where that would have to. Whoever called `ask` without success must call
    /// this to look again: a lane may have come home in between.
    pub(crate) fn enter(&mut self, ask: Ask, waker: W) -> Entered<V, W> {
        if let Some(outcome) = self.ask(ask) {
            return Entered::Settled(outcome, waker);
        }
        let mut effects = Effects::none();
        // First of all, so that the place of the superseded one is there for this one, even in a full queue.
        self.queue.supersede(ask.supersede, &mut effects, &mut self.news);
        let (waiting, limit) = (self.queue.len() + self.queue.parked(), self.queue_max);
        if waiting < limit {
            let key = self.queue.push(ask, waker);
            let waiting = self.queue.len();
            self.news.tell(|| Event::Enqueued { ask, waiting });
            Entered::Queued(key, effects)
        } else {
            Entered::Settled(Err(self.refused(ask, AcquireError::QueueFull { waiting, limit })), waker)
        }
    }

    /// Lets a waiter see what has become of it. A grant is claimed by this look.
    pub(crate) fn look(&mut self, key: WaiterKey) -> Looked<V> {
        match self.queue.seat(&key) {
            Seat::Waiting { .. } => return Looked::Waiting(key),
            Seat::Parked if self.lanes.pick_free(None).is_none() => return Looked::Parked(key),
            Seat::Parked | Seat::Granted(_) | Seat::Refused(_) => {}
        }
        let ask = self.queue.ask(&key);
        Looked::Settled(match self.queue.remove(key) {
            Seat::Granted(lane) => {
                let (hold, value) = self.lanes.claim(lane);
                self.news.tell(|| Event::Claimed { grant: hold.on(lane) });
                Ok(Taken { lane, hold, value })
            }
            Seat::Parked => self.ask(ask).expect("a lane is free"),
            Seat::Refused(error) => Err(error),
            Seat::Waiting { .. } => unreachable!("it was not waiting one line above"),
        })
    }

    /// The waker of a waiter that [`look`](Self::look) found still waiting.
    pub(crate) fn waker(&mut self, key: &WaiterKey) -> &mut W {
        match self.queue.seat(key) {
            Seat::Waiting { waker, .. } => waker,
            Seat::Granted(_) | Seat::Parked | Seat::Refused(_) => {
                unreachable!("looked at in this same step, and still waiting")
            }
        }
    }

    /// Ends a wait that nobody is interested in any more. A lane that it had been granted goes to the next waiter.
    pub(crate) fn leave(&mut self, key: WaiterKey) -> Effects<W> {
        let mut effects = Effects::none();
        let ask = self.queue.ask(&key);
        let seat = self.queue.remove(key);
        if !matches!(seat, Seat::Refused(_)) {
            let waiting = self.queue.len();
            self.news.tell(|| Event::Left { ask, waiting });
        }
        match seat {
            Seat::Waiting { waker, .. } => effects.unused = Some(waker),
            Seat::Parked | Seat::Refused(_) => {}
            Seat::Granted(lane) => {
                self.lanes.withdraw(lane);
                self.pass_on(lane, &mut effects);
            }
        }
        effects
    }

    /// Takes back a lane that was leased or in repair, sound.
    pub(crate) fn put_back(&mut self, lane: LaneId, value: V) -> Effects<W> {
        let mut effects = Effects::none();
        self.released(lane);
        self.lanes.put_back(lane, value);
        self.pass_on(lane, &mut effects);
        effects
    }

    /// Adds a lane and gives it to the next waiter; a closed lock gives the value back.
    pub(crate) fn add_lane(&mut self, value: V) -> Result<(LaneId, Effects<W>), V> {
        if self.closed {
            return Err(value);
        }
        let mut effects = Effects::none();
        let lane = self.lanes.add(value);
        self.pass_on(lane, &mut effects);
        Ok((lane, effects))
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts =
            Counts { waiting: self.queue.len(), parked: self.queue.parked(), closed: self.closed, ..Counts::default() };
        self.lanes.count_into(&mut counts);
        counts
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            lanes: self.lanes.views(),
            waiting: self.queue.in_order(),
            closed: self.closed,
            granted_total: self.granted_total,
        }
    }

    /// Gives a lane that has just become free to whoever wants it out of the lock, or else to the next waiter.
    fn pass_on(&mut self, lane: LaneId, effects: &mut Effects<W>) {
        if self.hand_out_if_wanted(lane, effects) {
            return self.refuse_if_out_of_service(effects);
        }
        match self.queue.next() {
            Some(next) => {
                debug_assert!(!self.closed, "somebody waits at a closed lock");
                let ask = next.ask;
                effects.wake(self.queue.grant(next, lane));
                let hold = self.hold(ask, lane);
                self.lanes.grant(lane, hold);
            }
            None => self.wake_watchers_if_drained(effects),
        }
    }

    /// The next ticket, for this ask.
    fn hold(&mut self, ask: Ask, lane: LaneId) -> Hold {
        self.granted_total += 1;
        let hold = Hold { ticket: Ticket(self.granted_total), ask };
        let waiting = self.queue.len();
        self.news.tell(|| Event::Granted { grant: hold.on(lane), waiting });
        hold
    }

    /// Tells that a lease is over, if it is one: a lane that comes home from its repair was not lent.
    pub(super) fn released(&mut self, lane: LaneId) {
        if let Some(hold) = self.lanes.holder(lane) {
            self.news.tell(|| Event::Released { grant: hold.on(lane) });
        }
    }

    /// Tells that an ask was refused before it came to wait.
    fn refused(&mut self, ask: Ask, error: AcquireError) -> AcquireError {
        let waiting = self.queue.len();
        self.news.tell(|| Event::Refused { ask, error: error.clone(), waiting });
        error
    }
}
