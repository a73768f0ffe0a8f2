//! The counters against ones that are right at a glance, and the claims one by one.
//!
//! Asks are only numbers here. That the right ask of a client is granted is the queue's business.

use super::*;
use crate::core::tests::{Obvious, Random};

const LANES: usize = 3;

/// The counters and the obvious ones at once.
struct Trial {
    shares: Shares,
    obvious: Obvious,
    /// Numbers asks and holds.
    last: u64,
}

impl Trial {
    fn new(debts_max: usize) -> Self {
        Self { shares: Shares::new(debts_max), obvious: Obvious::default(), last: 0 }
    }

    fn join(&mut self, client: Client, weight: u16) {
        self.last += 1;
        let weight = NonZeroU16::new(weight).expect("no test has a weight of 0");
        self.obvious.join(self.last, client, weight);
        self.shares.join(client, weight, self.obvious.first(client).expect("it waits"));
        self.check();
    }

    fn leave(&mut self, at: usize) {
        let (arrived, client) = self.obvious.waiting[at];
        self.obvious.part(arrived);
        self.shares.part(client, self.obvious.first(client));
        self.check();
    }

    /// Gives a lane to whoever is next, and says to whom.
    fn grant(&mut self) -> Client {
        self.last += 1;
        let client = self.obvious.grant(self.last);
        self.shares.grant(client);
        self.shares.part(client, self.obvious.first(client));
        self.check();
        client
    }

    fn grant_at_once(&mut self, client: Client, weight: u16) {
        self.last += 1;
        let weight = NonZeroU16::new(weight).expect("no test has a weight of 0");
        self.obvious.grant_at_once(self.last, client, weight);
        self.shares.grant_at_once(client, weight);
        self.check();
    }

    fn charge(&mut self, at: usize, units: u64) {
        let (hold, client, _) = self.obvious.holds[at];
        self.obvious.charge(hold, units);
        self.shares.charge(client, units);
        self.check();
    }

    fn give_back(&mut self, at: usize) {
        let (hold, client, _) = self.obvious.holds[at];
        self.obvious.give_back(hold);
        self.shares.give_back(client);
        self.check();
    }

    /// The first hold of this client ends, having used this much more.
    fn finish(&mut self, client: Client, units: u64) {
        let at = self.obvious.holds.iter().position(|&(_, holder, _)| holder == client).expect("it holds a lane");
        self.charge(at, units);
        self.give_back(at);
    }

    fn check(&mut self) {
        self.obvious.forgive(self.shares.debts_max);
        self.shares.check(&self.obvious.holds.iter().map(|&(_, client, _)| client).collect::<Vec<_>>());
        for &(_, client) in &self.obvious.waiting {
            let known = self.shares.accounts[&client].counter.0;
            assert_eq!(known, self.obvious.counter(client), "a counter went another way");
        }
        assert_eq!(self.shares.next(), self.obvious.next().map(|(_, client)| client), "it is another's turn");
        assert_eq!(self.shares.level.0, self.obvious.level, "the level is another");
        let debts = self.shares.debts.iter().map(|&(Counter(counter), client)| (counter, client));
        assert_eq!(debts.collect::<Vec<_>>(), self.obvious.debts(), "another debt is remembered");
        self.obvious.check_bound(LANES);
    }
}

/// Long random histories, with room for few debts and for many. The bound on those who wait is asked after each step.
#[test]
fn counters_agree_with_obvious_ones() {
    const SEED: u64 = 0x5eed_fa12;
    println!("seed={SEED:x}");
    let mut steps = 0;
    for seed in SEED..SEED + 400 {
        let mut random = Random(seed);
        let mut trial = Trial::new([0, 1, 2, DEBTS_MAX][random.below(4)]);
        let weights = [1, 1, 2, 3, 7, u16::MAX];
        for _ in 0..300 {
            let client = [None, Some(1), Some(2), Some(3), Some(4)][random.below(5)];
            let weight = weights[random.below(weights.len())];
            let (waits, holds) = (trial.obvious.waiting.len(), trial.obvious.holds.len());
            match random.below(10) {
                0..3 if waits < 8 => trial.join(client, weight),
                3 if waits > 0 => trial.leave(random.below(waits)),
                4 | 5 if waits > 0 && holds < LANES => {
                    trial.grant();
                }
                4..6 if waits == 0 && holds < LANES => trial.grant_at_once(client, weight),
                6 | 7 if holds > 0 => trial.charge(random.below(holds), random.below(20) as u64),
                8 | 9 if holds > 0 => trial.give_back(random.below(holds)),
                _ => continue,
            }
            steps += 1;
        }
    }
    println!("{steps} steps");
    assert!(steps > 50_000, "the histories have become too short to say anything");
}

/// Who is granted a lane, one after the other, when each hold ends before the next begins.
fn served(trial: &mut Trial, turns: usize, cost: impl Fn(Client) -> u64) -> Vec<Client> {
    let turn = |_| {
        let client = trial.grant();
        trial.finish(client, cost(client));
        client
    };
    (0..turns).map(turn).collect()
}

const A: Client = Some(1);
const B: Client = Some(2);
const C: Client = Some(3);

/// A trial in which each of these waits for so many lanes, in this order, while somebody else keeps one.
fn waiting(asks: &[(Client, u16, usize)]) -> Trial {
    let mut trial = Trial::new(DEBTS_MAX);
    trial.grant_at_once(Some(99), 1);
    for &(client, weight, times) in asks {
        (0..times).for_each(|_| trial.join(client, weight));
    }
    trial
}

#[test]
fn clients_who_count_nothing_take_turns() {
    let mut trial = waiting(&[(A, 1, 4), (B, 1, 2), (C, 1, 1)]);
    assert_eq!(served(&mut trial, 7, |_| 0), [A, B, C, A, B, A, A]);
}

#[test]
fn of_equals_the_first_to_wait_is_next() {
    let mut trial = waiting(&[(C, 1, 1), (A, 1, 1), (B, 1, 1)]);
    assert_eq!(served(&mut trial, 3, |_| 0), [C, A, B]);
}

/// Method: a hold of A costs ten units, one of B a single one; B must get ten holds for each of A's.
#[test]
fn service_is_shared_and_not_holds() {
    let mut trial = waiting(&[(A, 1, 3), (B, 1, 30)]);
    let served = served(&mut trial, 22, |client| if client == A { 9 } else { 0 });
    assert_eq!(served.iter().filter(|&&client| client == A).count(), 2);
}

#[test]
fn one_of_twice_the_weight_is_served_twice_as_often() {
    let mut trial = waiting(&[(A, 1, 30), (B, 2, 30)]);
    let served = served(&mut trial, 30, |_| 4);
    assert_eq!(served.iter().filter(|&&client| client == B).count(), 20);
}

/// Method: A is served for a while; whoever comes then is not owed what A has had.
#[test]
fn a_newcomer_is_owed_nothing_for_the_time_before() {
    let mut trial = waiting(&[(A, 1, 20)]);
    served(&mut trial, 10, |_| 4);
    (0..10).for_each(|_| trial.join(B, 1));
    assert_eq!(served(&mut trial, 4, |_| 4), [A, B, A, B]);
}

/// Method: A has had 50 units when it stops waiting for a moment. When it comes back it is still behind B.
#[test]
fn a_debt_outlives_a_moment_of_absence() {
    let mut trial = waiting(&[(A, 1, 1), (B, 1, 20)]);
    assert_eq!(trial.grant(), A);
    trial.finish(A, 49);
    trial.join(A, 1);
    assert_eq!(served(&mut trial, 15, |_| 0), [B; 15]);
}

#[test]
fn a_debt_is_forgotten_when_nobody_waits_or_holds() {
    let mut trial = Trial::new(DEBTS_MAX);
    trial.grant_at_once(A, 1);
    trial.charge(0, 1000);
    trial.give_back(0);
    assert!(trial.shares.accounts.is_empty());
    assert_eq!(trial.shares.level, Counter::default());
}

/// Method: one lane is held all the time, so that the class is never at rest, while clients come once and never again.
#[test]
fn an_endless_stream_of_clients_leaves_a_bounded_number_of_records() {
    let mut shares = Shares::new(DEBTS_MAX);
    shares.grant_at_once(None, NonZeroU16::MIN);
    for client in 0..3 * DEBTS_MAX as u64 {
        shares.grant_at_once(Some(client), NonZeroU16::MIN);
        shares.charge(Some(client), 7);
        shares.give_back(Some(client));
    }
    assert_eq!((shares.accounts.len(), shares.debts.len()), (DEBTS_MAX + 1, DEBTS_MAX));
    shares.check(&[None]);
}

#[test]
fn the_least_debt_is_forgiven_first() {
    let mut trial = Trial::new(2);
    trial.grant_at_once(None, 1);
    for (client, units) in [(A, 10), (B, 5), (C, 20)] {
        trial.grant_at_once(client, 1);
        trial.finish(client, units);
    }
    assert_eq!(trial.shares.debts.iter().map(|&(_, client)| client).collect::<Vec<_>>(), [A, C]);
}

/// Method: A has all three lanes, both wait, and A uses everything that a hold may cost.
#[test]
fn the_bound_is_reached() {
    let mut trial = Trial::new(DEBTS_MAX);
    (0..LANES).for_each(|_| trial.join(A, 1));
    assert_eq!([(); LANES].map(|()| trial.grant()), [A; LANES]);
    trial.join(B, 1);
    trial.join(A, 1);
    (0..LANES).for_each(|at| trial.charge(at, 99));
    // The last of A's grants was made two units above the first.
    let apart = trial.shares.accounts[&A].counter.0 - trial.shares.accounts[&B].counter.0;
    assert_eq!(apart >> Counter::FRACTION_BITS, LANES as u128 * 100 - 2);
}

/// Method: B is lifted to C, who has used much, and still has lanes out that cost much. Then both leave. If A, who
/// comes next, were not lifted to where B was, B would be further above it than it may be.
#[test]
fn one_who_was_lifted_is_not_left_behind_when_the_others_leave() {
    let mut trial = Trial::new(DEBTS_MAX);
    trial.grant_at_once(None, 1);
    (0..2).for_each(|_| trial.grant_at_once(C, 1));
    (0..2).for_each(|_| trial.finish(C, 99));
    (0..2).for_each(|_| trial.grant_at_once(B, 1));
    trial.join(C, 1);
    trial.join(B, 1);
    (1..3).for_each(|at| trial.charge(at, 99));
    (0..2).for_each(|_| trial.leave(0));
    trial.join(A, 1);
    trial.join(B, 1);
    let apart = trial.shares.accounts[&B].counter.0 - trial.shares.accounts[&A].counter.0;
    assert_eq!(apart >> Counter::FRACTION_BITS, 2 * 100 - 2);
}

#[test]
fn a_unit_counts_whatever_the_weight() {
    let counter = (0..u16::MAX).fold(Counter::default(), |counter, _| counter.after(1, NonZeroU16::MAX));
    let lost = Counter::default().after(1, NonZeroU16::MIN).0 - counter.0;
    assert_eq!(lost, 1, "of 2^32 steps");
}

#[test]
fn counters_saturate() {
    let most = Counter(u128::MAX - 1);
    assert_eq!(most.after(u64::MAX, NonZeroU16::MIN), Counter(u128::MAX));
}
