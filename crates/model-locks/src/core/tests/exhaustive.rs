//! Every history of a small scope.
//!
//! A scope says how many lanes there are, how many asks may be pending, what may happen, and how long a history is. All
//! histories up to that length are played; the output says how many. `MODEL_LOCKS_DEPTH=1` makes each one step longer.

use super::trial::{History, Step, Trial};
use crate::policy::{Class, Policy, WhenAllQuarantined};

struct Scope {
    name: &'static str,
    policy: Policy,
    lanes: u32,
    /// Bounds on what is pending at once: waits, repairs, watches, lanes.
    waits_max: usize,
    watches_max: usize,
    lanes_max: usize,
    classes: &'static [Class],
    tries: bool,
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
            classes: &[Class::Normal],
            tries: false,
            repairs: false,
            closes: true,
            depth: 6,
        }
    }
}

impl Scope {
    /// What may happen next.
    fn steps(&self, trial: &Trial) -> Vec<Step> {
        let [waits, leases, repairs, watches, lanes] = trial.pending();
        let mut steps = Vec::new();
        let ask = self.classes.iter().copied().map(Step::Ask);
        steps.extend(ask.filter(|_| waits < self.waits_max));
        steps.extend(self.tries.then_some(Step::Try(self.classes[0])));
        steps.extend((0..waits).map(Step::Look));
        steps.extend((0..waits).map(Step::Leave));
        steps.extend((0..leases).map(Step::Return));
        if self.repairs {
            steps.extend((0..leases).map(Step::Quarantine));
            steps.push(Step::Repair);
            steps.extend((0..repairs).map(Step::Mend));
            steps.extend((0..repairs).map(Step::GiveUp));
            steps.extend((0..repairs).map(Step::Retire));
        }
        steps.extend((lanes < self.lanes_max).then_some(Step::AddLane));
        steps.extend(self.closes.then_some(Step::Close));
        steps.extend((watches < self.watches_max).then_some(Step::Watch));
        steps.extend((0..watches).map(Step::Unwatch));
        steps
    }

    fn play_all(mut self) {
        let deeper = std::env::var("MODEL_LOCKS_DEPTH").ok().and_then(|depth| depth.parse().ok());
        self.depth += deeper.unwrap_or(0);
        let mut history = History { steps: Vec::new(), replay: format!("scope: {}", self.name) };
        let start = Trial::new(&self.policy, self.lanes);
        let histories = self.explore(&start, &mut history);
        println!("{}: {histories} histories of up to {} steps", self.name, self.depth);
        assert!(histories > 10_000, "the scope has become too small to say anything");
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
    Scope { classes: &Class::ALL, depth: 7, ..scope }.play_all();
}

/// Two lanes, two classes.
#[test]
fn two_lanes_two_classes() {
    let policy = Policy { queue_max: 2, bypass_max: [0, 1, 1], ..Policy::default() };
    let scope = Scope { name: "two lanes, two classes", policy, lanes: 2, ..Scope::default() };
    Scope { classes: &[Class::Interactive, Class::Background], depth: 8, ..scope }.play_all();
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
