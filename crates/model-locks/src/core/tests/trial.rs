//! One history, played to the core and to the reference at once. After each step both must have answered the same, woken
//! the same waiters, and look the same; and the core's invariants must hold.

use std::fmt;
use std::mem;
use std::task::Poll;

use super::reference::Reference;

use crate::core::{Core, Effects, Entered, Looked, Outcome, Taken, TakerKey, WaiterKey, WatchKey};
use crate::policy::{Ask, Policy};
use crate::snapshot::{LaneId, Ticket};
use crate::sweep::Patience;

/// A step. Numbers count those who are there just then: `Leave(1)` is the second of the pending waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The ask gets a tag of its own.
    Ask(Ask),
    Try(Ask),
    Look(usize),
    Leave(usize),
    Return(usize),
    /// The second number is what is charged to this lease.
    Charge(usize, u64),
    Quarantine(usize),
    /// Any lane, or whatever lane has this number.
    Repair(Option<u32>),
    Mend(usize),
    GiveUp(usize),
    Retire(usize),
    AddLane,
    Close,
    Watch,
    Unwatch(usize),
    /// Whatever lane has this number, if one has.
    Take(u32),
    Fetch(usize),
    Unwant(usize),
    /// Some time later, with this patience before a grant is taken back.
    Sweep {
        later: u64,
        revoke: u64,
    },
}

/// The value of a lane is its own number, so that a lane that comes back with another's value is noticed.
type Value = u32;

#[derive(Clone)]
pub(super) struct Trial {
    core: Core<Value, u64>,
    /// Whom the current step has woken, and whose waker it has left over.
    effects: Effects<u64>,
    unused: Option<u64>,
    reference: Reference,
    waits: Vec<(u64, WaiterKey)>,
    leases: Vec<(LaneId, Value)>,
    repairs: Vec<(LaneId, Value, String)>,
    watches: Vec<(u64, WatchKey)>,
    takes: Vec<(u64, LaneId, TakerKey)>,
    is_heard: bool,
    tags: u64,
    now: u64,
    /// Lanes that ever were, and lanes that have left.
    lanes: (u32, u32),
    /// The most lanes that there were at once.
    lanes_most: u32,
    last_ticket: Ticket,
}

impl Trial {
    pub(super) fn new(policy: &Policy, lanes: u32) -> Self {
        Self::heard_by(true, policy, lanes)
    }

    /// The same, with or without an observer.
    pub(super) fn heard_by(anybody: bool, policy: &Policy, lanes: u32) -> Self {
        let mut core = Core::new(policy);
        if anybody {
            core.listen();
        }
        let mut effects = Effects::None;
        for value in 0..lanes {
            core.add_lane(value, &mut effects).expect("a new lock is open");
        }
        assert!(matches!(effects, Effects::None), "nobody is there to be woken");
        Self {
            core,
            effects,
            unused: None,
            reference: Reference::new(policy, lanes),
            waits: Vec::new(),
            leases: Vec::new(),
            repairs: Vec::new(),
            watches: Vec::new(),
            takes: Vec::new(),
            is_heard: anybody,
            tags: 0,
            now: 0,
            lanes: (lanes, 0),
            lanes_most: lanes,
            last_ticket: Ticket(0),
        }
    }

    /// How many of each sort a step may name: pending waits, leases, repairs, watches, lanes, takes.
    pub(super) fn pending(&self) -> [usize; 6] {
        let lanes = (self.lanes.0 - self.lanes.1) as usize;
        [self.waits.len(), self.leases.len(), self.repairs.len(), self.watches.len(), lanes, self.takes.len()]
    }

    /// How many lanes there ever were. Their numbers are below.
    pub(super) fn lanes_ever(&self) -> u32 {
        self.lanes.0
    }

    pub(super) fn play(&mut self, step: Step) {
        self.reference.woken.clear();
        self.reference.news.clear();
        self.unused = None;
        self.apply(step);
        let mut woken = woken(mem::replace(&mut self.effects, Effects::None));
        if self.reference.is_drained() {
            // Those who wait for the end are woken all together, in no particular order.
            woken.sort();
            self.reference.woken.sort();
        }
        assert_eq!(woken, self.reference.woken, "the wrong waiters were woken");
        let news = if self.is_heard { mem::take(&mut self.reference.news) } else { Vec::new() };
        assert_eq!(self.core.take_news(), news, "the observer heard something else");
        // Only one that leaves while it waits has a waker left over.
        assert!(self.unused.is_none() || matches!(step, Step::Leave(_) | Step::Unwant(_)), "a waker was thrown away");
        self.core.check();
        assert_eq!(self.core.snapshot(), self.reference.snapshot(), "the core looks different");
        assert_eq!(self.core.counts(), self.reference.counts(), "the core counts differently");
        assert_eq!(self.core.is_drained(), self.reference.is_drained(), "one is drained");
        self.check_conservation();
        self.lanes_most = self.lanes_most.max(self.lanes.0 - self.lanes.1);
        self.reference.fair.check_bound(self.lanes_most as usize);
    }

    /// Every lane that ever was is out, or home, or retired, and there is no other.
    fn check_conservation(&self) {
        let counts = self.core.counts();
        let known = counts.free + counts.leased + counts.granted + counts.quarantined + counts.leaving;
        let alive = (self.lanes.0 - self.lanes.1) as usize;
        assert_eq!(known, alive, "a lane was lost or made");
        assert_eq!(counts.leased, self.leases.len(), "a lane is leased without a lease, or not leased with one");
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Ask(ask) => self.ask(ask),
            Step::Try(ask) => {
                let ask = self.next_ask(ask);
                let taken = self.core.take_free(ask).map(Ok);
                let got = taken.or_else(|| self.core.try_refusal(ask).map(Err));
                let expected = self.reference.try_ask(ask);
                assert_eq!(got.is_some(), expected.is_some(), "only one decided at once");
                got.into_iter().zip(expected).for_each(|(got, expected)| self.settle(ask, got, expected));
            }
            Step::Look(at) => {
                self.look(at);
            }
            Step::Leave(at) => {
                let (tag, key) = self.waits.remove(at);
                self.reference.leave(tag);
                self.unused = match self.core.leave_list(key) {
                    Ok(waker) => Some(waker),
                    Err(key) => self.core.leave(key, &mut self.effects),
                };
            }
            Step::Return(at) => {
                let (lane, value) = self.leases.remove(at);
                self.reference.put_back(lane);
                self.core.put_back(lane, value, &mut self.effects);
            }
            Step::Charge(at, units) => {
                let (lane, _) = self.leases[at];
                self.reference.fair.charge(self.reference.holders[&lane], lane, units);
                self.core.charge(lane, units);
            }
            Step::Quarantine(at) => {
                let (lane, value) = self.leases.remove(at);
                let reason = format!("reason {}", self.tags);
                self.reference.quarantine(lane, &reason);
                self.core.quarantine(lane, value, reason.into(), &mut self.effects);
            }
            Step::Repair(_) | Step::Mend(_) | Step::GiveUp(_) | Step::Retire(_) => self.mend(step),
            Step::AddLane => self.add_lane(),
            Step::Close => {
                self.reference.close();
                self.core.close(&mut self.effects);
            }
            Step::Take(lane) => {
                self.take(LaneId(lane));
            }
            Step::Fetch(at) => self.fetch(at),
            Step::Sweep { later, revoke } => {
                self.now += later;
                let patience = Patience { report: 1, revoke };
                let expected = self.reference.sweep(self.now, patience);
                let swept = self.core.sweep(self.now, patience, &mut self.effects);
                assert_eq!(swept, expected, "the sweep found something else");
            }
            Step::Unwant(at) => {
                let (tag, lane, key) = self.takes.remove(at);
                self.reference.unwant(tag, lane);
                self.unused = self.core.unwant(key, &mut self.effects);
            }
            Step::Watch | Step::Unwatch(_) => {
                self.watch(step);
            }
        }
    }

    fn watch(&mut self, step: Step) {
        if let Step::Unwatch(at) = step {
            let (tag, key) = self.watches.remove(at);
            let sleeping = self.reference.watchers.contains(&tag).then_some(tag);
            self.reference.watchers.retain(|&watcher| watcher != tag);
            assert_eq!(self.core.unwatch(key), sleeping, "a watcher keeps its waker until it is woken");
        } else if !self.core.is_drained() {
            self.tags += 1;
            self.reference.watchers.push(self.tags);
            self.watches.push((self.tags, self.core.watch(self.tags)));
        }
    }

    fn ask(&mut self, ask: Ask) {
        let ask = self.next_ask(ask);
        let expected = self.reference.enter(ask);
        match self.core.enter(ask, ask.tag, &mut self.effects) {
            Entered::Queued(key) => {
                assert_eq!(expected, None, "it should have been decided at once");
                self.waits.push((ask.tag, key));
            }
            Entered::Settled(outcome, waker) => {
                assert_eq!(waker, ask.tag, "the waker comes back to its owner");
                self.settle(ask, outcome, expected.expect("it should have waited"));
            }
        }
    }

    fn look(&mut self, at: usize) {
        let (tag, key) = self.waits.remove(at);
        let expected = self.reference.look(tag);
        let looked = match self.core.claim(key) {
            Ok(taken) => Looked::Settled(Ok(taken)),
            Err(key) => self.core.look(key),
        };
        match looked {
            Looked::Waiting(key) => {
                assert_eq!(expected, None, "it should have been told the end");
                assert_eq!(self.core.waker(&key).copied(), Some(tag), "a waiter has another's waker");
                self.waits.insert(at, (tag, key));
            }
            Looked::Parked(key) => {
                assert_eq!(expected, None, "it should have been told the end");
                let Entered::Queued(key) = self.core.resume(key, tag) else { panic!("it should wait") };
                self.waits.insert(at, (tag, key));
            }
            Looked::Settled(outcome) => {
                let expected = expected.expect("it should have waited on");
                match (outcome, expected) {
                    (Ok(taken), Ok(expected)) => self.lease(tag, taken, expected),
                    (got, expected) => {
                        assert_eq!(got.map(|taken| taken.lane), expected.map(|(lane, _)| lane))
                    }
                }
            }
        }
    }

    fn settle(&mut self, ask: Ask, got: Outcome<Value>, expected: super::reference::Answer) {
        match (got, expected) {
            (Ok(taken), Ok(expected)) => {
                assert!(taken.ticket > self.last_ticket, "tickets rise");
                self.last_ticket = taken.ticket;
                self.lease(ask.tag, taken, expected);
            }
            (got, expected) => {
                assert_eq!(got.map(|taken| taken.lane), expected.map(|(lane, _)| lane))
            }
        }
    }

    fn lease(&mut self, tag: u64, taken: Taken<Value>, expected: (LaneId, Ticket)) {
        assert_eq!((taken.lane, taken.ticket), expected, "another grant was expected");
        assert_eq!(taken.tag, tag, "the grant was meant for another");
        assert_eq!(taken.value, taken.lane.get(), "the lane came with another's value");
        let twice = self.leases.iter().any(|(lane, _)| *lane == taken.lane);
        assert!(!twice, "a lane was lent twice");
        self.leases.push((taken.lane, taken.value));
    }

    fn mend(&mut self, step: Step) {
        match step {
            Step::Mend(at) => {
                let (lane, value, _) = self.repairs.remove(at);
                self.reference.put_back(lane);
                self.core.put_back(lane, value, &mut self.effects);
            }
            Step::GiveUp(at) => {
                let (lane, value, reason) = self.repairs.remove(at);
                self.reference.quarantine(lane, &reason);
                self.core.quarantine(lane, value, reason.into(), &mut self.effects);
            }
            Step::Retire(at) => {
                let (lane, _, _) = self.repairs.remove(at);
                self.lanes.1 += 1;
                self.reference.retire(lane);
                self.core.retire(lane, &mut self.effects);
            }
            Step::Repair(which) => {
                let expected = self.reference.begin_repair(which.map(LaneId));
                let got = self.core.begin_repair(which.map(LaneId));
                assert_eq!(got.as_ref().map(|(lane, ..)| *lane), expected, "another repair was expected");
                let repair = got.map(|(lane, value, reason)| (lane, value, reason.to_string()));
                self.repairs.extend(repair);
            }
            _ => unreachable!("only the steps of a repair come here"),
        }
    }

    fn add_lane(&mut self) {
        let value = self.lanes.0;
        match self.core.add_lane(value, &mut self.effects) {
            Ok(lane) => {
                assert_eq!(lane.get(), value, "ids are given in order");
                self.reference.add_lane();
                self.lanes.0 += 1;
            }
            Err(back) => {
                assert_eq!(back, value, "another value came back");
                assert!(self.reference.closed, "an open lock takes every lane");
            }
        }
    }

    fn next_ask(&mut self, ask: Ask) -> Ask {
        self.tags += 1;
        ask.tag(self.tags)
    }

    fn take(&mut self, lane: LaneId) {
        let expected = self.reference.take(lane);
        self.tags += 1;
        match self.core.take(lane, &mut self.effects) {
            Poll::Ready(value) => self.left(lane, value, expected),
            Poll::Pending => {
                assert_eq!(expected, None, "it should have been decided at once");
                self.reference.takers.push((self.tags, lane));
                let key = self.core.want(lane, self.tags, &mut self.effects).expect("it was pending one line above");
                self.takes.push((self.tags, lane, key));
            }
        }
    }

    fn fetch(&mut self, at: usize) {
        let (tag, lane, key) = self.takes.remove(at);
        let expected = self.reference.fetch(tag, lane);
        match self.core.fetch(key, &mut self.effects) {
            Ok(value) => self.left(lane, value, expected),
            Err(key) => {
                assert_eq!(expected, None, "the lane is there, or will never be");
                assert_eq!(*self.core.taker_waker(&key), tag, "a taker has another's waker");
                self.takes.insert(at, (tag, lane, key));
            }
        }
    }

    fn left(&mut self, lane: LaneId, value: Option<Value>, expected: Option<bool>) {
        assert_eq!(Some(value.is_some()), expected, "only one gave the lane away");
        if let Some(value) = value {
            assert_eq!(value, lane.get(), "the lane left with another's value");
            self.lanes.1 += 1;
        }
    }
}

fn woken(effects: Effects<u64>) -> Vec<u64> {
    match effects {
        Effects::None => vec![],
        Effects::One(waker) => vec![waker],
        Effects::Many(wakers) => wakers,
    }
}

/// The steps so far, printed if the test fails.
pub(super) struct History {
    pub(super) steps: Vec<Step>,
    pub(super) replay: String,
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{self}");
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed after: {:?}\n{}", self.steps, self.replay)
    }
}
