//! The lock as plain data: what is asked goes in, what is to be done comes out.
//!
//! `V` is the value of a lane and `W` wakes a waiter; the core moves both and calls neither. It has no mutex, no thread
//! and no clock, so that every short history can be tried in a unit test.
//!
//! The rule that everything rests on: **a lane that becomes free goes to the next waiter in the same step.** So a free
//! lane means that nobody waits, nobody can slip in between, and no wake-up can be lost.

mod closing;
mod effects;
mod fair;
mod lanes;
mod links;
mod news;
mod pace;
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
pub(crate) use queue::WaiterKey;
pub(crate) use taking::TakerKey;

use self::lanes::{Hold, Lanes};
use self::news::News;
use self::pace::Pace;
use self::queue::{Gone, Queue, Seat};
use self::slab::Slab;
use self::taking::Taker;
use crate::error::AcquireError;
use crate::observe::Event;
use crate::policy::{Ask, Class, Policy, WhenAllQuarantined};
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
    pace: Pace,
    news: News,
}

/// A lane on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken<V> {
    pub(crate) value: V,
    pub(crate) ticket: Ticket,
    pub(crate) tag: u64,
    pub(crate) lane: LaneId,
    pub(crate) class: Class,
}

/// How a wait ends.
pub(crate) type Outcome<V> = Result<Taken<V>, AcquireError>;

/// The answer to an ask that is prepared to wait.
pub(crate) enum Entered<V, W> {
    /// It waits now.
    Queued(WaiterKey),
    /// It was decided at once, and the waker was not needed.
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
            pace: Pace::default(),
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

    /// Takes a free lane if there is one: what almost every ask comes to, and nothing else.
    // Inlined, with all that it calls, so that a lane goes from here into the lease in registers.
    #[inline(always)]
    pub(crate) fn take_free(&mut self, ask: Ask) -> Option<Taken<V>> {
        if self.closed {
            return None;
        }
        let lane = self.lanes.pick_free(ask.preferred_lane())?;
        debug_assert!(self.queue.len() == 0, "somebody waits beside a free lane");
        self.queue.granted_at_once(&ask);
        let hold = self.hold(ask, lane);
        let value = self.lanes.lend(lane, hold);
        Some(hold.with(lane, value))
    }

    /// Why an ask that found no free lane cannot wait for one; `None` if it can.
    #[inline]
    pub(crate) fn refusal(&mut self, ask: Ask) -> Option<AcquireError> {
        let error = if self.closed { AcquireError::Closed } else { self.quarantine_error()? };
        Some(self.refused(ask, error))
    }

    /// Why an ask that does not wait found no free lane; `None` if all are in use.
    pub(crate) fn try_refusal(&mut self, ask: Ask) -> Option<AcquireError> {
        let refusal = self.refusal(ask);
        if refusal.is_none() {
            let waiting = self.queue.len();
            self.news.tell(|| Event::Busy { ask, waiting });
        }
        refusal
    }

    /// Decides an ask, or lets it wait. Whoever called [`take_free`](Self::take_free) without success must call this to look
    /// again: a lane may have come home in between.
    #[inline(always)]
    pub(crate) fn enter(&mut self, ask: Ask, waker: W, effects: &mut Effects<W>) -> Entered<V, W> {
        if let Some(taken) = self.take_free(ask) {
            return Entered::Settled(Ok(taken), waker);
        }
        if let Some(error) = self.refusal(ask) {
            return Entered::Settled(Err(error), waker);
        }
        // First of all, so that the place of the superseded one is there for this one, even in a full queue.
        self.queue.supersede(ask.supersede_key(), effects, &mut self.news);
        let (waiting, limit) = (self.queue.len() + self.queue.parked(), self.queue_max);
        if waiting >= limit {
            return Entered::Settled(Err(self.refused(ask, AcquireError::QueueFull { waiting, limit })), waker);
        }
        let key = self.queue.push(ask, waker);
        let waiting = self.queue.len();
        self.news.tell(|| Event::Enqueued { ask, waiting });
        Entered::Queued(key)
    }

    /// Lets a waiter take the lane that it was granted: what almost every wait comes to. The key comes back if there is
    /// none.
    #[inline(always)]
    pub(crate) fn claim(&mut self, key: WaiterKey) -> Result<Taken<V>, WaiterKey> {
        let Seat::Granted { lane, .. } = *self.queue.seat(&key) else { return Err(key) };
        self.queue.remove(key);
        let (hold, value) = self.lanes.claim(lane);
        self.news.tell(|| Event::Claimed { grant: hold.on(lane) });
        Ok(hold.with(lane, value))
    }

    /// Lets a waiter for whom there was nothing to [`claim`](Self::claim) see what has become of it.
    pub(crate) fn look(&mut self, key: WaiterKey) -> Looked<V> {
        let ask = self.queue.ask(&key);
        let outcome = match self.queue.seat(&key) {
            Seat::Waiting(_) => return Looked::Waiting(key),
            Seat::Granted { .. } => unreachable!("a grant is claimed first"),
            Seat::Parked => match self.take_free(ask) {
                None => return Looked::Parked(key),
                Some(taken) => Ok(taken),
            },
            Seat::Refused(error) => Err(AcquireError::clone(error)),
        };
        self.queue.remove(key);
        Looked::Settled(outcome)
    }

    /// The waker of a waiter, if it waits.
    #[inline]
    pub(crate) fn waker(&mut self, key: &WaiterKey) -> Option<&mut W> {
        self.queue.waker(key)
    }

    /// Ends a wait that nobody is interested in any more, if it is in the list of its class and under no key: all but one of ten
    /// thousand are. Its waker comes out, to be dropped outside. Another gets its key back, and must [`leave`](Self::leave).
    #[inline(always)]
    pub(crate) fn leave_list(&mut self, key: WaiterKey) -> Result<W, WaiterKey> {
        if self.news.is_heard() { self.leave_list_heard(key) } else { self.queue.leave_list(key) }
    }

    #[cold]
    fn leave_list_heard(&mut self, key: WaiterKey) -> Result<W, WaiterKey> {
        let ask = self.queue.ask(&key);
        let waker = self.queue.leave_list(key)?;
        let waiting = self.queue.len();
        self.news.tell(|| Event::Left { ask, waiting });
        Ok(waker)
    }

    /// Ends a wait that nobody is interested in any more, whatever has become of it. A lane that it had been granted goes to the next waiter. The
    /// waker of one that waited comes back, to be dropped outside.
    #[inline(always)]
    pub(crate) fn leave(&mut self, key: WaiterKey, effects: &mut Effects<W>) -> Option<W> {
        let Gone { ask, waker, seat } = self.queue.remove(key);
        if !matches!(seat, Seat::Refused(_)) {
            let waiting = self.queue.len();
            self.news.tell(|| Event::Left { ask, waiting });
        }
        #[cfg(feature = "canary")]
        if self.queue.canary_loses_grants {
            return waker;
        }
        if let Seat::Granted { lane, .. } = seat {
            self.queue.given_back(&ask);
            self.lanes.withdraw(lane);
            self.pass_on(lane, effects);
        }
        waker
    }

    /// Takes back a lane that was leased or in repair, sound.
    #[inline(always)]
    pub(crate) fn put_back(&mut self, lane: LaneId, value: V, effects: &mut Effects<W>) {
        self.released(lane);
        self.lanes.put_back(lane, value);
        self.pass_on(lane, effects);
    }

    /// Counts service that the holder of a lane has used.
    pub(crate) fn charge(&mut self, lane: LaneId, units: u64) {
        let hold = self.lanes.holder(lane).expect("only the holder of a lane uses it");
        self.queue.charge(&hold.ask, units);
    }

    /// Adds a lane and gives it to the next waiter; a closed lock gives the value back.
    pub(crate) fn add_lane(&mut self, value: V, effects: &mut Effects<W>) -> Result<LaneId, V> {
        if self.closed {
            return Err(value);
        }
        let lane = self.lanes.add(value);
        self.pass_on(lane, effects);
        Ok(lane)
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts =
            Counts { waiting: self.queue.len(), parked: self.queue.parked(), closed: self.closed, ..Counts::default() };
        self.lanes.count_into(&mut counts);
        counts
    }

    /// Takes note of how long a hold lasted.
    pub(crate) fn record_hold(&mut self, hold: u64) {
        self.pace.record(hold);
    }

    /// How long one would wait behind so many others, judging by the holds that were reported.
    pub(crate) fn expected_wait(&self, ahead: usize) -> Option<u64> {
        let counts = self.counts();
        self.pace.expected_wait(ahead, counts.free + counts.granted + counts.leased)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            lanes: self.lanes.views(),
            waiting: self.queue.in_order(),
            parked: self.queue.parked_views(),
            closed: self.closed,
            granted_total: self.granted_total,
        }
    }

    /// Gives a lane that has just become free to whoever wants it out of the lock, or else to the next waiter.
    #[inline(always)]
    fn pass_on(&mut self, lane: LaneId, effects: &mut Effects<W>) {
        if self.closed || self.queue.len() > 0 || self.lanes.taker(lane).is_some() {
            self.hand_over(lane, effects);
        }
    }

    fn hand_over(&mut self, lane: LaneId, effects: &mut Effects<W>) {
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
    #[inline(always)]
    fn hold(&mut self, ask: Ask, lane: LaneId) -> Hold {
        self.granted_total += 1;
        let hold = Hold { ticket: Ticket(self.granted_total), ask };
        let waiting = self.queue.len();
        self.news.tell(|| Event::Granted { grant: hold.on(lane), waiting });
        hold
    }

    /// Counts and tells that a lease is over, if it is one: a lane that comes home from its repair was not lent.
    #[inline]
    pub(super) fn released(&mut self, lane: LaneId) {
        if !self.news.is_heard() && !self.queue.is_shared() {
            return;
        }
        if let Some(hold) = self.lanes.holder(lane) {
            self.queue.given_back(&hold.ask);
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
