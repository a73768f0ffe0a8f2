//! Every history of a small scope.
//!
//! A scope says how many lanes there are, how many asks may be pending, what may happen, and how long a history is. All
//! histories up to that length are played; the output says how many. `MODEL_LOCKS_DEPTH=1` makes each one step longer, `-1` one
//! step shorter.

use std::num::NonZeroU16;

use super::trial::{History, Step, Trial};
use crate::policy::{Ask, Class, Policy, WhenAllQuarantined};
use crate::snapshot::LaneId;

struct Scope {
    name: &'static str,
    policy: Policy,
    lanes: u32,
    /// Bounds on what is pending at once: waits, repairs, watches, lanes.
    waits_max: usize,
    watches_max: usize,
    lanes_max: usize,
    takes_max: usize,
    asks: Vec<Ask>,
    /// What has happened before.
    start: Vec<Step>,
    /// What may be charged to a lease in one step.
    charges: Vec<u64>,
    tries: bool,
    sweeps: bool,
    repairs: bool,
    closes: bool,
    depth: usize,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            name: "",
            policy: Policy::default(),
            lanes: 1,
            waits_max: 3,
            watches_max: 0,
            lanes_max: 0,
            takes_max: 0,
            asks: vec![Ask::new(Class::Normal)],
            start: Vec::new(),
            charges: Vec::new(),
            tries: false,
            sweeps: false,
            repairs: false,
            closes: true,
            depth: 6,
        }
    }
}

impl Scope {
    /// What may happen next.
    fn steps(&self, trial: &Trial) -> Vec<Step> {
        let [waits, leases, repairs, watches, lanes, takes] = trial.pending();
        let mut steps = Vec::new();
        let ask = self.asks.iter().copied().map(Step::Ask);
        steps.extend(ask.filter(|_| waits < self.waits_max));
        steps.extend(self.tries.then_some(Step::Try(self.asks[0])));
        steps.extend((0..waits).map(Step::Look));
        steps.extend((0..waits).map(Step::Leave));
        steps.extend((0..leases).map(Step::Return));
        for &units in &self.charges {
            steps.extend((0..leases).map(|lease| Step::Charge(lease, units)));
        }
        if self.repairs {
            steps.extend((0..leases).map(Step::Quarantine));
            steps.push(Step::Repair(None));
            steps.extend((0..repairs).map(Step::Mend));
            steps.extend((0..repairs).map(Step::GiveUp));
            steps.extend((0..repairs).map(Step::Retire));
        }
        steps.extend((lanes < self.lanes_max).then_some(Step::AddLane));
        steps.extend(self.closes.then_some(Step::Close));
        steps.extend((watches < self.watches_max).then_some(Step::Watch));
        steps.extend((0..watches).map(Step::Unwatch));
        if takes < self.takes_max {
            steps.extend((0..trial.lanes_ever()).map(Step::Take));
        }
        steps.extend((0..takes).map(Step::Fetch));
        steps.extend((0..takes).map(Step::Unwant));
        steps.extend(self.sweeps.then_some(Step::Sweep { later: 1, revoke: 0 }));
        steps
    }

    fn play_all(mut self) {
        let deeper = std::env::var("MODEL_LOCKS_DEPTH")
            .ok()
            .map(|deeper| deeper.parse().expect("MODEL_LOCKS_DEPTH is a number"));
        let deeper: isize = deeper.unwrap_or(0);
        self.depth = self.depth.saturating_add_signed(deeper);
        let mut history = History { steps: Vec::new(), replay: format!("scope: {}", self.name) };
        let mut start = Trial::new(&self.policy, self.lanes);
        self.depth += self.start.len();
        for &step in &self.start {
            history.steps.push(step);
            start.play(step);
        }
        let histories = self.explore(&start, &mut history);
        println!("{}: {histories} histories of up to {} steps", self.name, self.depth);
        assert!(deeper < 0 || histories > 10_000, "the scope has become too small to say anything");
    }

    fn explore(&self, trial: &Trial, history: &mut History) -> u64 {
        if history.steps.len() == self.depth {
            return 0;
        }
        let mut histories = 0;
        for step in self.steps(trial) {
            let mut trial = trial.clone();
            history.steps.push(step);
            trial.play(step);
            histories += 1 + self.explore(&trial, history);
            history.steps.pop();
        }
        histories
    }
}

/// One lane, one class, room for two: asks, tries, claims, cancels, releases and closes in every order.
#[test]
fn one_lane_one_class() {
    let policy = Policy { queue_max: 2, ..Policy::default() };
    Scope { name: "one lane, one class", policy, tries: true, depth: 8, ..Scope::default() }.play_all();
}

/// Nobody may wait: every ask is decided at once.
#[test]
fn no_queue_at_all() {
    let policy = Policy { queue_max: 0, ..Policy::default() };
    let scope = Scope { name: "no queue", policy, lanes: 2, tries: true, watches_max: 1, ..Scope::default() };
    Scope { depth: 8, ..scope }.play_all();
}

/// Three classes with bounds of one and two, never closed, so that the bounds are reached often.
#[test]
fn three_classes_with_bypass_bounds() {
    let policy = Policy { queue_max: 4, bypass_max: [0, 1, 2], ..Policy::default() };
    let scope = Scope { name: "three classes", policy, waits_max: 4, closes: false, ..Scope::default() };
    Scope { asks: Class::ALL.map(Ask::new).into(), depth: 7, ..scope }.play_all();
}

/// Two lanes, two classes.
#[test]
fn two_lanes_two_classes() {
    let policy = Policy { queue_max: 2, bypass_max: [0, 1, 1], ..Policy::default() };
    let scope = Scope { name: "two lanes, two classes", policy, lanes: 2, ..Scope::default() };
    let asks = vec![Ask::new(Class::Interactive), Ask::new(Class::Background)];
    Scope { asks, depth: 8, ..scope }.play_all();
}

/// Lanes break, are mended, given up, retired and added; those who wait are refused when none is left.
#[test]
fn quarantine_that_fails() {
    let policy = Policy { queue_max: 2, ..Policy::default() };
    let scope = Scope { name: "quarantine, fail", policy, lanes: 2, lanes_max: 2, ..Scope::default() };
    Scope { waits_max: 2, repairs: true, depth: 8, ..scope }.play_all();
}

/// The same, but those who wait go on waiting.
#[test]
fn quarantine_that_waits() {
    let when_all_quarantined = WhenAllQuarantined::Wait;
    let policy = Policy { queue_max: 2, when_all_quarantined, ..Policy::default() };
    let scope = Scope { name: "quarantine, wait", policy, lanes_max: 2, ..Scope::default() };
    Scope { waits_max: 2, repairs: true, depth: 7, ..scope }.play_all();
}

/// A lock that begins without a lane.
#[test]
fn lanes_that_come_later() {
    let policy = Policy { queue_max: 2, ..Policy::default() };
    let scope = Scope { name: "no lane at first", policy, lanes: 0, lanes_max: 2, ..Scope::default() };
    Scope { tries: true, depth: 7, ..scope }.play_all();
}

/// Closing with leases, grants and repairs outstanding, and somebody who waits for the end.
#[test]
fn close_and_drain() {
    let policy = Policy { queue_max: 1, ..Policy::default() };
    let scope = Scope { name: "close and drain", policy, waits_max: 1, watches_max: 1, ..Scope::default() };
    Scope { repairs: true, depth: 8, ..scope }.play_all();
}

/// A lane is taken out by up to two takers, who fetch it or call it off, while it is lent, granted, broken or in repair.
#[test]
fn lanes_that_leave() {
    let policy = Policy { queue_max: 1, ..Policy::default() };
    let scope = Scope { name: "lanes that leave", policy, waits_max: 1, takes_max: 2, ..Scope::default() };
    Scope { repairs: true, watches_max: 1, lanes_max: 1, ..scope }.play_all();
}

/// One of two lanes is taken out while others wait.
#[test]
fn one_of_two_lanes_leaves() {
    let policy = Policy { queue_max: 2, ..Policy::default() };
    let scope = Scope { name: "one of two lanes leaves", policy, lanes: 2, takes_max: 1, ..Scope::default() };
    Scope { repairs: true, waits_max: 2, depth: 7, closes: false, ..scope }.play_all();
}

/// Asks of two keys and of none, of two classes, with room for two.
#[test]
fn superseding() {
    let policy = Policy { queue_max: 2, bypass_max: [0, 1, 1], ..Policy::default() };
    let normal = Ask::new(Class::Normal);
    let asks = vec![normal, normal.supersede(1), normal.supersede(2), Ask::new(Class::Interactive).supersede(1)];
    let scope = Scope { name: "superseding", policy, asks, waits_max: 4, ..Scope::default() };
    scope.play_all();
}

/// Asks with and without a preferred lane, and three lanes to choose from.
#[test]
fn preferred_lanes() {
    let policy = Policy { queue_max: 1, ..Policy::default() };
    let normal = Ask::new(Class::Normal);
    let asks = vec![normal, normal.prefer(LaneId(1)), normal.prefer(LaneId(2))];
    let scope = Scope { name: "preferred lanes", policy, lanes: 3, asks, waits_max: 1, ..Scope::default() };
    Scope { closes: false, depth: 7, ..scope }.play_all();
}

/// Grants are taken back, and those who lost them look again, leave, are replaced or refused.
#[test]
fn unclaimed_grants() {
    let policy = Policy { queue_max: 2, ..Policy::default() };
    let asks = vec![Ask::new(Class::Normal)];
    let scope = Scope { name: "unclaimed grants", policy, asks, sweeps: true, tries: true, ..Scope::default() };
    Scope { depth: 8, ..scope }.play_all();
}

/// The same with keys, breakage and a lane that leaves.
#[test]
fn unclaimed_grants_of_a_lock_in_trouble() {
    let policy = Policy { queue_max: 2, bypass_max: [0, 1, 1], ..Policy::default() };
    let asks = vec![Ask::new(Class::Normal).supersede(1), Ask::new(Class::Interactive)];
    let scope = Scope { name: "unclaimed grants in trouble", policy, asks, sweeps: true, ..Scope::default() };
    Scope { repairs: true, takes_max: 1, depth: 6, ..scope }.play_all();
}

/// One who has lost a grant beside one who has been given it, while lanes break and leave.
#[test]
fn unclaimed_grants_beside_a_lane_that_leaves() {
    let policy = Policy { queue_max: 2, ..Policy::default() };
    let ask = Ask::new(Class::Normal);
    let start = [[Step::Ask(ask); 4].as_slice(), &[Step::Return(0), Step::Sweep { later: 1, revoke: 0 }]].concat();
    let scope =
        Scope { name: "unclaimed grants, two lanes", policy, start, lanes: 2, sweeps: true, ..Scope::default() };
    Scope { repairs: true, takes_max: 1, waits_max: 2, closes: false, depth: 5, ..scope }.play_all();
}

/// Two clients, and asks of none, share one lane by what they are charged.
#[test]
fn clients_that_share() {
    let policy = Policy { queue_max: 3, fair_share: true, ..Policy::default() };
    let normal = Ask::new(Class::Normal);
    let asks = vec![normal, normal.client(1), normal.client(2)];
    let scope = Scope { name: "clients that share", policy, asks, charges: vec![2], closes: false, ..Scope::default() };
    Scope { depth: 7, ..scope }.play_all();
}

/// A client that changes its weight, and one that does not.
#[test]
fn clients_of_different_weights() {
    let policy = Policy { queue_max: 3, fair_share: true, ..Policy::default() };
    let normal = Ask::new(Class::Normal);
    let heavy = normal.client(2).weight(NonZeroU16::MIN.saturating_add(1));
    let asks = vec![normal.client(1), normal.client(2), heavy];
    let scope = Scope { name: "clients of different weights", policy, asks, charges: vec![3], ..Scope::default() };
    Scope { depth: 7, closes: false, ..scope }.play_all();
}

/// Clients of two lanes and two classes, whose grants are taken back, and who replace one another.
#[test]
fn clients_of_a_lock_in_trouble() {
    let policy = Policy { queue_max: 3, bypass_max: [0, 1, 1], fair_share: true, ..Policy::default() };
    let normal = Ask::new(Class::Normal);
    let asks = vec![normal.client(1), normal.client(2).supersede(1), Ask::new(Class::Interactive).client(1)];
    let scope = Scope { name: "clients in trouble", policy, asks, charges: vec![2], lanes: 2, ..Scope::default() };
    Scope { sweeps: true, depth: 6, ..scope }.play_all();
}
