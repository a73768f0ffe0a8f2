//! Long histories from a seed: three classes, up to four lanes, everything may happen.

use std::num::NonZeroU16;

use super::trial::{History, Step, Trial};
use crate::policy::{Ask, Class, Policy, WhenAllQuarantined};
use crate::snapshot::LaneId;

const SEED: u64 = 0x5eed_10c5;
const HISTORIES: u64 = 800;
const STEPS: usize = 150;

/// SplitMix64: small, and good enough to choose steps.
pub(in crate::core) struct Random(pub(in crate::core) u64);

impl Random {
    pub(in crate::core) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(in crate::core) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn policy(&mut self) -> Policy {
        let (normal, background) = (self.below(4) as u32, self.below(6) as u32);
        let bounds = Policy { queue_max: self.below(7), bypass_max: [0, normal, background], ..Policy::default() };
        let when_all_quarantined = [WhenAllQuarantined::Fail, WhenAllQuarantined::Wait][self.below(2)];
        Policy { when_all_quarantined, fair_share: self.below(2) == 0, ..bounds }
    }

    /// Of any class, often with a key of few, often with a preferred lane, mostly of a client of few.
    fn ask(&mut self) -> Ask {
        let mut ask = Ask::new(Class::ALL[self.below(3)]);
        if self.below(3) == 0 {
            ask = ask.supersede(self.below(3) as u64);
        }
        if self.below(3) == 0 {
            ask = ask.prefer(LaneId(self.below(4) as u32));
        }
        if self.below(4) > 0 {
            ask = ask.client(self.below(3) as u64);
        }
        ask.weight(NonZeroU16::MIN.saturating_add([0, 0, 1, 2][self.below(4)]))
    }

    /// A step that is possible now. Asks and returns are frequent, closing is rare.
    fn step(&mut self, trial: &Trial) -> Option<Step> {
        let [waits, leases, repairs, watches, lanes, takes] = trial.pending();
        let ask = self.ask();
        let choice = self.below(48);
        let units = self.below(20) as u64;
        let mut one_of = |n: usize| (n > 0).then(|| self.below(n));
        match choice {
            0..10 => Some(Step::Ask(ask)),
            10..12 => Some(Step::Try(ask)),
            12..20 => one_of(waits).map(Step::Look),
            20..23 => one_of(waits).map(Step::Leave),
            23..30 => one_of(leases).map(Step::Return),
            30..32 => one_of(leases).map(Step::Quarantine),
            32 => Some(Step::Repair((self.below(2) == 0).then(|| self.below(4) as u32))),
            33 => one_of(repairs).map(Step::Mend),
            34 => one_of(repairs).map(Step::GiveUp),
            35 => one_of(repairs).map(Step::Retire),
            36 => (lanes < 4).then_some(Step::AddLane),
            37 => (watches < 3).then_some(Step::Watch),
            38 => one_of(watches).map(Step::Unwatch),
            39 => one_of(trial.lanes_ever() as usize).map(|lane| Step::Take(lane as u32)),
            40 => one_of(takes).map(Step::Fetch),
            41 => one_of(takes).map(Step::Unwant),
            42..45 => one_of(leases).map(|lease| Step::Charge(lease, units)),
            45 | 46 => Some(Step::Sweep { later: self.below(3) as u64, revoke: self.below(4) as u64 }),
            _ => (one_of(20) == Some(0)).then_some(Step::Close),
        }
    }
}

/// Method: each history has a seed of its own, so that a failure is replayed alone and at once.
#[test]
fn long_random_histories() {
    let only = std::env::var("MODEL_LOCKS_SEED").ok();
    let only = only.map(|seed| u64::from_str_radix(&seed, 16).expect("MODEL_LOCKS_SEED is a hexadecimal number"));
    println!("seed={:x}", only.unwrap_or(SEED));
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => SEED..SEED + HISTORIES,
    };
    let mut played = 0;
    for seed in seeds {
        played += play(seed);
    }
    println!("{played} steps");
}

fn play(seed: u64) -> usize {
    let replay = format!("seed={seed:x}   replay: MODEL_LOCKS_SEED={seed:x} cargo test -p model-locks long_random");
    let mut history = History { steps: Vec::new(), replay };
    let mut random = Random(seed);
    let policy = random.policy();
    let is_heard = random.below(2) == 0;
    let mut trial = Trial::heard_by(is_heard, &policy, random.below(4) as u32);
    while history.steps.len() < STEPS {
        if let Some(step) = random.step(&trial) {
            history.steps.push(step);
            trial.play(step);
        }
    }
    history.steps.len()
}
