//! Every long history of a lock that does little else than its duty: asks of two classes, claims, departures, returns.
//!
//! Beside the reference a step takes a microsecond; this goes without it, and without allocating, and so gets some steps
//! further in the same time. What is asked after each step are the invariants of the core, and what the holders of lanes
//! can see: each has its own lane, with its own value; tickets rise; nobody has overtaken another of its class.
//!
//! `MODEL_LOCKS_DEEP=<steps>` says how long a history is. `cargo xtask bench core` says how many steps that are in a second.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, mem, thread};

use crate::core::{Core, Effects, Entered, Looked, Taken, WaiterKey};
use crate::policy::{Ask, Class, Policy};
use crate::snapshot::LaneId;

const LANES: u32 = 2;
const CLASSES: [Class; 2] = [Class::Interactive, Class::Background];

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(Class),
    Look(usize),
    Leave(usize),
    Return(usize),
    Close,
}

/// A core and those who use it. The value of a lane is its number, and the waker of a waiter its tag.
struct World {
    core: Core<u32, u64>,
    waits: Vec<(Ask, WaiterKey)>,
    leases: Vec<LaneId>,
    asked: u64,
    last_ticket: u64,
    /// The tag of the latest that was granted a lane, by class.
    latest: [u64; 3],
}

impl World {
    fn new() -> Self {
        let policy = Policy { queue_max: 3, bypass_max: [0, 1, 1], ..Policy::default() };
        let mut core = Core::new(&policy);
        for value in 0..LANES {
            core.add_lane(value, &mut Effects::None).expect("a new lock is open");
        }
        Self { core, waits: Vec::new(), leases: Vec::new(), asked: 0, last_ticket: 0, latest: [0; 3] }
    }

    /// Becomes a copy, in the memory it has.
    fn become_like(&mut self, other: &Self) {
        self.core.become_like(&other.core);
        self.waits.clone_from(&other.waits);
        self.leases.clone_from(&other.leases);
        (self.asked, self.last_ticket, self.latest) = (other.asked, other.last_ticket, other.latest);
    }

    /// What may happen next, by number; `None` beyond the last.
    fn step(&self, number: usize) -> Option<Step> {
        let (waits, leases) = (self.waits.len(), self.leases.len());
        match number {
            0 | 1 => Some(Step::Ask(CLASSES[number])),
            2 => Some(Step::Close),
            _ if number < 3 + waits => Some(Step::Look(number - 3)),
            _ if number < 3 + 2 * waits => Some(Step::Leave(number - 3 - waits)),
            _ if number < 3 + 2 * waits + leases => Some(Step::Return(number - 3 - 2 * waits)),
            _ => None,
        }
    }

    fn play(&mut self, step: Step) {
        let mut effects = Effects::None;
        match step {
            Step::Ask(class) => self.ask(class),
            Step::Look(at) => self.look(at),
            Step::Leave(at) => {
                let (ask, key) = self.waits.remove(at);
                match self.core.leave_list(key) {
                    Ok(waker) => assert_eq!(waker, ask.tag, "a waiter had another's waker"),
                    Err(key) => assert_eq!(self.core.leave(key, &mut effects), None, "one who waits is in a list"),
                }
            }
            Step::Return(at) => {
                let lane = self.leases.remove(at);
                self.core.put_back(lane, lane.get(), &mut effects);
            }
            Step::Close => self.core.close(&mut effects),
        }
        match effects {
            Effects::None => {}
            Effects::One(tag) => self.woken(tag),
            Effects::Many(tags) => tags.into_iter().for_each(|tag| self.woken(tag)),
        }
        self.core.check();
        let counts = self.core.counts();
        assert_eq!(counts.free + counts.leased + counts.granted, LANES as usize, "a lane was lost or made");
        assert_eq!(counts.leased, self.leases.len(), "a lane is leased to nobody");
    }

    fn ask(&mut self, class: Class) {
        self.asked += 1;
        let ask = Ask::new(class).tag(self.asked);
        match self.core.enter(ask, ask.tag, &mut Effects::None) {
            Entered::Queued(key) => self.waits.push((ask, key)),
            Entered::Settled(Ok(taken), _) => {
                self.granted(ask);
                self.lease(ask, taken);
            }
            Entered::Settled(Err(_), waker) => assert_eq!(waker, ask.tag, "another's waker came back"),
        }
    }

    fn look(&mut self, at: usize) {
        let (ask, key) = self.waits.remove(at);
        match self.core.claim(key) {
            Ok(taken) => self.lease(ask, taken),
            Err(key) => match self.core.look(key) {
                Looked::Waiting(key) => self.waits.insert(at, (ask, key)),
                Looked::Settled(outcome) => assert!(outcome.is_err(), "a grant is claimed first"),
                Looked::Parked(_) => panic!("nobody has swept"),
            },
        }
    }

    /// Whoever is woken has been granted a lane, or refused because the lock was closed.
    fn woken(&mut self, tag: u64) {
        let (ask, _) = self.waits.iter().find(|(ask, _)| ask.tag == tag).expect("one who does not wait was woken");
        let ask = *ask;
        if !self.core.counts().closed {
            self.granted(ask);
        }
    }

    fn granted(&mut self, ask: Ask) {
        let latest = mem::replace(&mut self.latest[ask.class.index()], ask.tag);
        assert!(latest < ask.tag, "one overtook another of its class");
    }

    fn lease(&mut self, ask: Ask, taken: Taken<u32>) {
        assert_eq!(taken.value, taken.lane.get(), "the lane came with another's value");
        assert_eq!(taken.tag, ask.tag, "the grant was meant for another");
        assert!(!self.leases.contains(&taken.lane), "a lane was lent twice");
        self.leases.push(taken.lane);
    }
}

/// The worlds along one history. The first of them is where it begins; each other one, if it was reached, comes from the
/// one before it.
struct Path {
    worlds: Vec<World>,
    steps: Vec<Step>,
}

impl Path {
    fn new(depth: usize) -> Self {
        Self { worlds: (0..=depth).map(|_| World::new()).collect(), steps: Vec::new() }
    }

    /// Takes this step from where it stands, if there is such a step.
    fn go(&mut self, number: usize) -> bool {
        let (before, after) = self.worlds.split_at_mut(self.steps.len() + 1);
        let (here, next) = (&before[self.steps.len()], &mut after[0]);
        let Some(step) = here.step(number) else { return false };
        next.become_like(here);
        self.steps.push(step);
        next.play(step);
        true
    }

    /// Plays all that can follow, and counts the steps.
    fn explore(&mut self) -> u64 {
        if self.steps.len() + 1 == self.worlds.len() {
            return 0;
        }
        let mut steps = 0;
        for number in 0.. {
            if !self.go(number) {
                break;
            }
            steps += 1 + self.explore();
            self.steps.pop();
        }
        steps
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("after {:?}", self.steps);
        }
    }
}

/// Method: the histories are divided among the cores by their first three steps.
#[test]
fn every_long_history() {
    let depth = env::var("MODEL_LOCKS_DEEP").ok().map(|depth| depth.parse().expect("MODEL_LOCKS_DEEP is a number"));
    let depth: usize = depth.unwrap_or(8);
    assert!(depth > 3, "the first three steps are divided among the cores");
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut path, mut steps) = (Path::new(depth), 0);
        loop {
            let beginning = next.fetch_add(1, Ordering::Relaxed);
            let numbers = [beginning % 16, beginning / 16 % 16, beginning / 256];
            if numbers[2] == 16 {
                return steps;
            }
            if numbers.into_iter().all(|number| path.go(number)) {
                steps += 1 + path.explore();
            }
            path.steps.clear();
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let steps: u64 = thread::scope(|scope| {
        let workers = (0..cores).map(|_| scope.spawn(work)).collect::<Vec<_>>();
        workers.into_iter().map(|worker| worker.join().expect("every history is as it should be")).sum()
    });
    println!("deep: {steps} checked steps, all histories of {depth}");
    assert!(steps > 100_000, "the scope has become too small to say anything");
}
