//! One more waiter, and one less, beside many.

use std::pin::Pin;
use std::task::{Context, Waker};

use model_locks::{Ask, ModelLock, Policy};

use crate::clock;
use crate::contest::{Contest, Results, Summary, nanoseconds};
use crate::peers::*;

/// How many wait, and what the numbers are called in the results.
pub(crate) const SIZES: [(usize, &str, &str); 3] = [
    (1_000, "enqueue behind 1000", "cancel among 1000"),
    (10_000, "enqueue behind 10000", "cancel among 10000"),
    (100_000, "enqueue behind 100000", "cancel among 100000"),
];
pub(crate) const VIEWS: &str = "looking at a lock with 10000 waiting";
pub(crate) const COUNTS: &str = "counts()";
const ROUNDS: usize = 31;
/// Enough that the code is warm after the first few, few enough that about as many wait before as after.
const BATCH: usize = 512;

pub(crate) fn run(results: &mut Results) {
    for (waiting, enqueue, cancel) in SIZES {
        let mut samples = [Samples::new::<TokioLock>(), Samples::new::<TokioOwned>()].to_vec();
        samples.extend([Samples::new::<TokioOwnedPermit>(), Samples::new::<AsyncArc>()]);
        samples.extend([Samples::new::<Ours>(), Samples::new::<OursRef>()]);
        for _ in 0..ROUNDS {
            samples[0].add::<TokioLock>(waiting);
            samples[1].add::<TokioOwned>(waiting);
            samples[2].add::<TokioOwnedPermit>(waiting);
            samples[3].add::<AsyncArc>(waiting);
            samples[4].add::<Ours>(waiting);
            samples[5].add::<OursRef>(waiting);
        }
        print(waiting, enqueue, cancel, samples, results);
    }
    views(results);
}

/// The times of one candidate, a number for each round: of a crowd at a new lock, and of the next one at the same lock,
/// which finds the memory that the first one needed. `worst` is the slowest single operation on the way up and down.
#[derive(Clone)]
struct Samples {
    name: &'static str,
    first: Vec<Crowd>,
    next: Vec<Crowd>,
}

#[derive(Clone, Copy)]
struct Crowd {
    enqueue: f64,
    enqueue_worst: f64,
    cancel: f64,
    cancel_worst: f64,
}

impl Samples {
    fn new<P: AsyncPeer>() -> Self {
        Self { name: P::NAME, first: Vec::new(), next: Vec::new() }
    }

    fn add<P: AsyncPeer>(&mut self, waiting: usize) {
        let lock = P::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut holder = Box::pin(lock.acquire());
        let held = holder.as_mut().poll(&mut context);
        assert!(held.is_ready(), "the lock is free");
        self.first.push(crowd(&lock, waiting));
        self.next.push(crowd(&lock, waiting));
    }
}

/// So many come, and a few more, and all of them leave.
fn crowd<P: AsyncPeer>(lock: &P, waiting: usize) -> Crowd {
    let overhead = clock::overhead();
    let mut context = Context::from_waker(Waker::noop());
    // Boxed and emptied in place, so that no allocation of ours is measured.
    let mut waits = (0..waiting + BATCH).map(|_| Box::pin(Some(lock.acquire()))).collect::<Vec<_>>();
    let mut poll = |wait: &mut Pin<Box<Option<_>>>| {
        let wait = wait.as_mut().as_pin_mut().expect("not cancelled yet");
        assert!(Future::poll(wait, &mut context).is_pending(), "the lock is held");
    };
    let single = |time| nanoseconds(time) - overhead;
    let (fill, extra) = waits.split_at_mut(waiting);

    let times = fill.iter_mut().map(|wait| single(clock::timed(|| poll(wait))));
    let enqueue_worst = times.fold(0.0, f64::max);
    let enqueue = single(clock::timed(|| extra.iter_mut().for_each(&mut poll))) / BATCH as f64;
    // The first who came are the first to leave: what a deadline does.
    let batch = clock::timed(|| fill[..BATCH].iter_mut().for_each(|wait| wait.set(None)));
    let cancel = single(batch) / BATCH as f64;
    let times = waits[BATCH..].iter_mut().map(|wait| single(clock::timed(|| wait.set(None))));
    Crowd { enqueue, enqueue_worst, cancel, cancel_worst: times.fold(0.0, f64::max) }
}

fn print(waiting: usize, enqueue: &'static str, cancel: &'static str, samples: Vec<Samples>, results: &mut Results) {
    println!(
        "\n{waiting} waiting ({ROUNDS} rounds of {BATCH}; new: at a lock that never had so many; worst: the slowest one)"
    );
    let [new, of_enqueue, of_cancel, worst] = ["new ns", "enqueue ns", "cancel ns", "worst"];
    println!("  {:<28} {new:>11} {worst:>11} {of_enqueue:>11} {worst:>11} {of_cancel:>11} {worst:>11}", "");
    for Samples { name, first, next } in samples {
        let median = |crowds: &[Crowd], of: fn(&Crowd) -> f64| {
            Summary::of(&mut crowds.iter().map(of).collect::<Vec<_>>()).median
        };
        let (new, new_worst) = (median(&first, |crowd| crowd.enqueue), median(&first, |crowd| crowd.enqueue_worst));
        let of_enqueue = median(&next, |crowd| crowd.enqueue);
        let of_cancel = median(&next, |crowd| crowd.cancel);
        let worst = [median(&next, |crowd| crowd.enqueue_worst), median(&next, |crowd| crowd.cancel_worst)];
        println!(
            "  {name:<28} {new:>11.1} {new_worst:>11.0} {of_enqueue:>11.1} {:>11.0} {of_cancel:>11.1} {:>11.0}",
            worst[0], worst[1]
        );
        results.put(enqueue, name, of_enqueue);
        results.put(cancel, name, of_cancel);
    }
}

fn views(results: &mut Results) {
    let lock = ModelLock::new([0], Policy { queue_max: usize::MAX, ..Policy::default() });
    let lease = lock.try_acquire(Ask::default()).expect("the lane is free");
    let mut context = Context::from_waker(Waker::noop());
    let mut waits = (0..10_000).map(|_| lock.acquire(Ask::default())).collect::<Vec<_>>();
    for wait in &mut waits {
        assert!(Pin::new(wait).poll(&mut context).is_pending(), "the lane is held");
    }
    let mut contest = Contest::new(VIEWS, ROUNDS, 100);
    contest.add(COUNTS, || (0..100).for_each(|_| assert_eq!(lock.counts().waiting, 10_000)));
    contest.add("snapshot()", || (0..100).for_each(|_| assert_eq!(lock.snapshot().waiting.len(), 10_000)));
    contest.run(COUNTS, results);
    drop((lease, waits));
}
