//! The lock as plain data: what is asked goes in, what is to be done comes out.
//!
//! `V` is the value of a lane and `W` wakes a waiter; the core moves both and calls neither. It has no mutex, no thread
//! and no clock, so that every short history can be tried in a unit test.
//!
//! The rule that everything rests on: **a lane that becomes free goes to the next waiter in the same step.** So a free
//! lane means that nobody waits, nobody can slip in between, and no wake-up can be lost.

mod effects;
mod lanes;
mod queue;
mod select;
mod slab;

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use effects::Effects;
pub(crate) use lanes::Hold;
pub(crate) use queue::WaiterKey;

use self::lanes::Lanes;
use self::queue::{Queue, Seat};
use self::slab::Slab;
use crate::error::AcquireError;
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
    /// Never goes back to `false`.
    closed: bool,
    granted_total: u64,
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
    /// It waits now.
    Queued(WaiterKey),
    /// It was decided at once; the waker was not needed.
    Settled(Outcome<V>, W),
}

/// The answer to a waiter that looks.
pub(crate) enum Looked<V> {
    /// The wait is over and its node is gone.
    Settled(Outcome<V>),
    /// Not yet.
    Waiting(WaiterKey),
}

/// The right to one place among those who wait for the end.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct WatchKey(usize);

impl<V, W> Core<V, W> {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
            queue_max: policy.queue_max,
            when_all_quarantined: policy.when_all_quarantined,
            lanes: Lanes::new(),
            queue: Queue::new(policy),
            watchers: Slab::new(),
            closed: false,
            granted_total: 0,
        }
    }

    /// Decides an ask at once if that is possible; `None` means that it would have to wait.
    pub(crate) fn ask(&mut self, ask: Ask) -> Option<Outcome<V>> {
        if self.closed {
            return Some(Err(AcquireError::Closed));
        }
        if let Some(lane) = self.lanes.first_free() {
            debug_assert!(self.queue.len() == 0, "somebody waits beside a free lane");
            let hold = self.hold(ask);
            let value = self.lanes.lend(lane, hold);
            return Some(Ok(Taken { lane, hold, value }));
        }
        self.quarantine_error().map(Err)
    }

    /// Like [`ask`](Self::ask), but waits where that would have to. Whoever called `ask` without success must call
    /// this to look again: a lane may have come home in between.
    pub(crate) fn enter(&mut self, ask: Ask, waker: W) -> Entered<V, W> {
        if let Some(outcome) = self.ask(ask) {
            return Entered::Settled(outcome, waker);
        }
        let (waiting, limit) = (self.queue.len(), self.queue_max);
        if waiting < limit {
            Entered::Queued(self.queue.push(ask, waker))
        } else {
            Entered::Settled(Err(AcquireError::QueueFull { waiting, limit }), waker)
        }
    }

    /// Lets a waiter see what has become of it. A grant is claimed by this look.
    pub(crate) fn look(&mut self, key: WaiterKey) -> Looked<V> {
        if matches!(self.queue.seat(&key), Seat::Waiting { .. }) {
            return Looked::Waiting(key);
        }
        Looked::Settled(match self.queue.remove(key) {
            Seat::Granted(lane) => {
                let (hold, value) = self.lanes.claim(lane);
                Ok(Taken { lane, hold, value })
            }
            Seat::Refused(error) => Err(error),
            Seat::Waiting { .. } => unreachable!("it was not waiting one line above"),
        })
    }

    /// The waker of a waiter that [`look`](Self::look) found still waiting.
    pub(crate) fn waker(&mut self, key: &WaiterKey) -> &mut W {
        match self.queue.seat(key) {
            Seat::Waiting { waker, .. } => waker,
            Seat::Granted(_) | Seat::Refused(_) => {
                unreachable!("looked at in this same step, and still waiting")
            }
        }
    }

    /// Ends a wait that nobody is interested in any more. A lane that it had been granted goes to the next waiter.
    pub(crate) fn leave(&mut self, key: WaiterKey) -> Effects<W> {
        let mut effects = Effects::none();
        match self.queue.remove(key) {
            Seat::Waiting { waker, .. } => effects.unused = Some(waker),
            Seat::Refused(_) => {}
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
        self.lanes.put_back(lane, value);
        self.pass_on(lane, &mut effects);
        effects
    }

    /// Takes back a lane that was leased or in repair, not to be lent.
    pub(crate) fn quarantine(&mut self, lane: LaneId, value: V, reason: Arc<str>) -> Effects<W> {
        let mut effects = Effects::none();
        self.lanes.quarantine(lane, value, reason);
        if let Some(error) = self.quarantine_error() {
            self.queue.refuse_all(&error, &mut effects);
        }
        self.wake_watchers_if_drained(&mut effects);
        effects
    }

    /// Takes a quarantined lane out, unless the lock is closed: then what is home stays home.
    pub(crate) fn begin_repair(&mut self) -> Option<(LaneId, V, Arc<str>)> {
        if self.closed { None } else { self.lanes.begin_repair() }
    }

    /// Forgets a lane in repair for good.
    pub(crate) fn retire(&mut self, lane: LaneId) -> Effects<W> {
        let mut effects = Effects::none();
        self.lanes.retire(lane);
        self.wake_watchers_if_drained(&mut effects);
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

    /// Refuses everybody who waits and everybody who will come. Grants already made stand.
    pub(crate) fn close(&mut self) -> Effects<W> {
        let mut effects = Effects::none();
        self.closed = true;
        self.queue.refuse_all(&AcquireError::Closed, &mut effects);
        self.wake_watchers_if_drained(&mut effects);
        effects
    }

    /// Whether the lock is closed and every lane is home. Once true, always true.
    pub(crate) fn is_drained(&self) -> bool {
        self.closed && self.lanes.all_home()
    }

    /// Asks to be woken when the lock is drained, which it must not be yet.
    pub(crate) fn watch(&mut self, waker: W) -> WatchKey {
        debug_assert!(!self.is_drained(), "nobody wakes a watcher that comes after the end");
        WatchKey(self.watchers.insert(Some(waker)))
    }

    /// The waker of a watcher; `None` once it has been woken.
    pub(crate) fn watcher(&mut self, key: &WatchKey) -> &mut Option<W> {
        self.watchers.get_mut(key.0)
    }

    /// Ends a watch. The waker is to be dropped outside.
    pub(crate) fn unwatch(&mut self, key: WatchKey) -> Option<W> {
        self.watchers.remove(key.0)
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { waiting: self.queue.len(), closed: self.closed, ..Counts::default() };
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

    /// Gives a lane that has just become free to the next waiter, if there is one.
    fn pass_on(&mut self, lane: LaneId, effects: &mut Effects<W>) {
        match self.queue.next() {
            Some(next) => {
                debug_assert!(!self.closed, "somebody waits at a closed lock");
                let hold = self.hold(next.ask);
                self.lanes.grant(lane, hold);
                effects.wake(self.queue.grant(next, lane));
            }
            None => self.wake_watchers_if_drained(effects),
        }
    }

    /// The next ticket, for this ask.
    fn hold(&mut self, ask: Ask) -> Hold {
        self.granted_total += 1;
        Hold { ticket: Ticket(self.granted_total), ask }
    }

    fn quarantine_error(&self) -> Option<AcquireError> {
        match self.when_all_quarantined {
            WhenAllQuarantined::Fail => self.lanes.out_of_service().map(|reason| AcquireError::Quarantined { reason }),
            WhenAllQuarantined::Wait => None,
        }
    }

    fn wake_watchers_if_drained(&mut self, effects: &mut Effects<W>) {
        if self.is_drained() {
            self.watchers.iter_mut().filter_map(Option::take).for_each(|waker| effects.wake(waker));
        }
    }
}
