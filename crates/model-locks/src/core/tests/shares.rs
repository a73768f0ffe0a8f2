//! Fair share as one would explain it: nobody is forgotten, and everything is searched from the front.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::core::fair::Client;
use crate::policy::{Ask, Class};
use crate::snapshot::LaneId;

/// The clients of each class; `None` without fair share. An ask arrived when its tag says, and a hold is named by its
/// lane.
#[derive(Clone, Debug)]
pub(super) struct ObviousFair(Option<[Obvious; 3]>);

impl ObviousFair {
    pub(super) fn new(is_on: bool) -> Self {
        Self(is_on.then(Default::default))
    }

    /// The tag of the next in a class, if fair share has a say in it.
    pub(super) fn next(&self, class: Class) -> Option<Option<u64>> {
        self.0.as_ref().map(|classes| classes[class.index()].next().map(|(tag, _)| tag))
    }

    pub(super) fn joined(&mut self, ask: Ask) {
        self.of(ask).for_each(|class| class.join(ask.tag, ask.client_key(), ask.client_weight()));
    }

    pub(super) fn parted(&mut self, ask: Ask) {
        self.of(ask).for_each(|class| class.part(ask.tag));
    }

    pub(super) fn granted(&mut self, ask: Ask, lane: LaneId) {
        self.of(ask).for_each(|class| _ = class.grant(lane.get().into()));
    }

    pub(super) fn granted_at_once(&mut self, ask: Ask, lane: LaneId) {
        let (client, weight) = (ask.client_key(), ask.client_weight());
        self.of(ask).for_each(|class| class.grant_at_once(lane.get().into(), client, weight));
    }

    pub(super) fn given_back(&mut self, ask: Ask, lane: LaneId) {
        self.of(ask).for_each(|class| class.give_back(lane.get().into()));
    }

    pub(super) fn charge(&mut self, ask: Ask, lane: LaneId, units: u64) {
        self.of(ask).for_each(|class| class.charge(lane.get().into(), units));
    }

    /// Two who wait are never further apart than so many lanes' holds.
    pub(super) fn check_bound(&self, lanes: usize) {
        self.0.iter().flatten().for_each(|class| class.check_bound(lanes));
    }

    fn of(&mut self, ask: Ask) -> impl Iterator<Item = &mut Obvious> {
        self.0.iter_mut().map(move |classes| &mut classes[ask.class.index()])
    }
}

/// The clients of one class. Counters are in steps of 2^-32 units.
#[derive(Clone, Debug, Default)]
pub(in crate::core) struct Obvious {
    /// Counter and weight of everybody who ever asked since the class was at rest.
    known: BTreeMap<Client, (u128, NonZeroU16)>,
    /// Who waits, first come first. Any rising number will do for an arrival.
    pub(in crate::core) waiting: Vec<(u64, Client)>,
    /// What is held, by whom, and what that hold has cost so far. Any number will do to name a hold.
    pub(in crate::core) holds: Vec<(u64, Client, u128)>,
    /// The highest counter that was the least when somebody was granted or began to wait.
    pub(in crate::core) level: u128,
    /// What the dearest hold of all has cost.
    dearest: u128,
}

impl Obvious {
    pub(in crate::core) fn counter(&self, client: Client) -> u128 {
        self.known.get(&client).map_or(0, |&(counter, _)| counter)
    }

    /// When the first of this client's asks arrived.
    pub(in crate::core) fn first(&self, client: Client) -> Option<u64> {
        self.waiting.iter().find(|(_, other)| *other == client).map(|&(arrived, _)| arrived)
    }

    /// Whose turn it is.
    pub(in crate::core) fn next(&self) -> Option<(u64, Client)> {
        let turn = |&(arrived, client): &(u64, Client)| (self.counter(client), self.first(client), arrived);
        self.waiting.iter().copied().min_by_key(turn)
    }

    pub(in crate::core) fn join(&mut self, arrived: u64, client: Client, weight: NonZeroU16) {
        let mut counter = self.counter(client);
        if self.first(client).is_none() {
            self.level = self.next().map_or(self.level, |(_, least)| self.counter(least));
            counter = counter.max(self.level);
        }
        self.known.insert(client, (counter, weight));
        self.waiting.push((arrived, client));
        // One that comes back after it was parked has its old place.
        self.waiting.sort_unstable();
    }

    pub(in crate::core) fn part(&mut self, arrived: u64) {
        self.waiting.retain(|&(other, _)| other != arrived);
        self.settle();
    }

    pub(in crate::core) fn grant(&mut self, hold: u64) -> Client {
        let (arrived, client) = self.next().expect("somebody waits");
        let (_, weight) = self.known[&client];
        self.grant_at_once(hold, client, weight);
        self.part(arrived);
        client
    }

    pub(in crate::core) fn grant_at_once(&mut self, hold: u64, client: Client, weight: NonZeroU16) {
        self.level = self.counter(client).max(self.level);
        self.known.insert(client, (self.level, weight));
        self.holds.push((hold, client, 0));
        self.charge(hold, 1);
    }

    pub(in crate::core) fn charge(&mut self, hold: u64, units: u64) {
        let hold = self.holds.iter_mut().find(|(other, ..)| *other == hold);
        let (_, client, cost) = hold.expect("only a holder uses anything");
        let (counter, weight) = self.known.get_mut(client).expect("it was granted");
        let added = (u128::from(units) << 32) / u128::from(weight.get());
        (*counter, *cost) = (*counter + added, *cost + added);
        self.dearest = self.dearest.max(*cost);
    }

    pub(in crate::core) fn give_back(&mut self, hold: u64) {
        self.holds.retain(|(other, ..)| *other != hold);
        self.settle();
    }

    /// When nobody waits and nobody holds, everything starts afresh.
    fn settle(&mut self) {
        if self.waiting.is_empty() && self.holds.is_empty() {
            (self.level, self.known) = Default::default();
        }
    }

    /// Those who are gone and have used more than the level, least first.
    pub(in crate::core) fn debts(&self) -> Vec<(u128, Client)> {
        let holds = |client| self.holds.iter().any(|&(_, holder, _)| holder == client);
        let owes = |client| self.first(client).is_none() && !holds(client) && self.counter(client) > self.level;
        let debtors = self.known.keys().copied().filter(|&client| owes(client));
        let mut debts: Vec<_> = debtors.map(|client| (self.counter(client), client)).collect();
        debts.sort_unstable();
        debts
    }

    /// Forgets the least debts beyond so many.
    pub(in crate::core) fn forgive(&mut self, debts_max: usize) {
        let debts = self.debts();
        for (_, client) in &debts[..debts.len().saturating_sub(debts_max)] {
            self.known.remove(client);
        }
    }

    /// The bound: with so many lanes, the counters of any two who wait are no further apart than this many of the
    /// dearest holds.
    pub(in crate::core) fn check_bound(&self, lanes: usize) {
        let counters = || self.waiting.iter().map(|&(_, client)| self.counter(client));
        let apart = counters().max().zip(counters().min()).map_or(0, |(most, least)| most - least);
        assert!(apart <= lanes as u128 * self.dearest, "two who wait are too far apart");
    }
}
