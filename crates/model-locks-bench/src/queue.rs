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
        samples.extend([Samples::new::<TokioOwnedPermit>(), Samples::new::<AsyncArc>(), Samples::new::<Ours>()]);
        for _ in 0..ROUNDS {
            samples[0].add::<TokioLock>(waiting);
            samples[1].add::<TokioOwned>(waiting);
            samples[2].add::<TokioOwnedPermit>(waiting);
            samples[3].add::<AsyncArc>(waiting);
            samples[4].add::<Ours>(waiting);
        }
        print(waiting, enqueue, cancel, samples, results);
    }
    views(results);
}

/// The times of one candidate, a number for each round. `worst` is the slowest single operation of the round, on the
/// way from nobody to all waiting and back.
#[derive(Clone)]
struct Samples {
    name: &'static str,
    enqueue: Vec<f64>,
    enqueue_worst: Vec<f64>,
    cancel: Vec<f64>,
    cancel_worst: Vec<f64>,
}

impl Samples {
    fn new<P: AsyncPeer>() -> Self {
        let [enqueue, enqueue_worst, cancel, cancel_worst] = Default::default();
        Self { name: P::NAME, enqueue, enqueue_worst, cancel, cancel_worst }
    }

    fn add<P: AsyncPeer>(&mut self, waiting: usize) {
        let lock = P::new();
        let overhead = clock::overhead();
        let mut context = Context::from_waker(Waker::noop());
        let mut holder = Box::pin(lock.acquire());
        let held = holder.as_mut().poll(&mut context);
        assert!(held.is_ready(), "the lock is free");
        // Boxed and emptied in place, so that no allocation of ours is measured.
        let mut waits = (0..waiting + BATCH).map(|_| Box::pin(Some(lock.acquire()))).collect::<Vec<_>>();
        let mut poll = |wait: &mut Pin<Box<Option<_>>>| {
            let wait = wait.as_mut().as_pin_mut().expect("not cancelled yet");
            assert!(Future::poll(wait, &mut context).is_pending(), "the lock is held");
        };
        let single = |time| nanoseconds(time) - overhead;
        let (fill, extra) = waits.split_at_mut(waiting);

        let times = fill.iter_mut().map(|wait| single(clock::timed(|| poll(wait))));
        self.enqueue_worst.push(times.fold(0.0, f64::max));
        let batch = clock::timed(|| extra.iter_mut().for_each(&mut poll));
        self.enqueue.push(single(batch) / BATCH as f64);
        // The first who came are the first to leave: what a deadline does.
        let batch = clock::timed(|| fill[..BATCH].iter_mut().for_each(|wait| wait.set(None)));
        self.cancel.push(single(batch) / BATCH as f64);
        let times = waits[BATCH..].iter_mut().map(|wait| single(clock::timed(|| wait.set(None))));
        self.cancel_worst.push(times.fold(0.0, f64::max));
    }
}

fn print(waiting: usize, enqueue: &'static str, cancel: &'static str, samples: Vec<Samples>, results: &mut Results) {
    println!("\n{waiting} waiting ({ROUNDS} rounds of {BATCH}; worst: the slowest single one on the way up and down)");
    let headings = ["", "enqueue ns", "worst", "cancel ns", "worst"];
    println!("  {:<28} {:>11} {:>11} {:>11} {:>11}", headings[0], headings[1], headings[2], headings[3], headings[4]);
    for mut of in samples {
        let of_enqueue = Summary::of(&mut of.enqueue).median;
        let of_cancel = Summary::of(&mut of.cancel).median;
        let worst = [Summary::of(&mut of.enqueue_worst).median, Summary::of(&mut of.cancel_worst).median];
        let name = of.name;
        println!("  {name:<28} {of_enqueue:>11.1} {:>11.0} {of_cancel:>11.1} {:>11.0}", worst[0], worst[1]);
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
