//! What the models share: exploration from a seed, a watched set of lanes, and small helpers.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use model_locks::{Class, Counts, Lease, ModelLock};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread;
use shuttle::{Config, Runner};

const SEED: u64 = 0x5eed_10c5;
const ITERATIONS: usize = 10_000;
/// How often PCT changes the priorities within one schedule.
const DEPTH: usize = 3;

/// Plays a model, or one schedule of it, and says how many schedules it were.
pub(crate) fn explore(name: &str, model: fn()) {
    if let Ok(schedule) = std::env::var("MODEL_LOCKS_SCHEDULE") {
        shuttle::replay(model, &schedule);
        println!("shuttle {name}: replayed, and it passed");
        return;
    }
    let seed = std::env::var("MODEL_LOCKS_SEED").ok();
    let seed = seed.map_or(SEED, |seed| u64::from_str_radix(&seed, 16).expect("MODEL_LOCKS_SEED is hexadecimal"));
    let iterations = std::env::var("MODEL_LOCKS_ITERATIONS").ok();
    let iterations = iterations.map_or(ITERATIONS, |n| n.parse().expect("MODEL_LOCKS_ITERATIONS is a number"));
    println!("seed={seed:x}");
    run(RandomScheduler::new_from_seed(seed, iterations), iterations, model);
    run(PctScheduler::new_from_seed(seed, DEPTH, iterations), iterations, model);
    println!("shuttle {name}: {} schedules, half at random and half PCT({DEPTH})", 2 * iterations);
}

fn run(scheduler: impl Scheduler + 'static, iterations: usize, model: fn()) {
    let mut config = Config::new();
    config.stack_size = 0x10000;
    let played = Runner::new(scheduler, config).run(model);
    assert_eq!(played, iterations, "cut off");
}

/// Notices two holders of one lane. The value of a lane would not: `&mut` to it is exclusive by ownership, and this asks
/// whether the lock believes so, too.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<[AtomicBool; 8]>);

impl Watch {
    /// Uses a lease for a while, in which other threads run.
    pub(crate) fn hold<T>(&self, lease: &Lease<T>) {
        let inside = &self.0[lease.lane().get() as usize];
        assert!(!inside.swap(true, Ordering::SeqCst), "two hold lane {}", lease.lane());
        thread::yield_now();
        inside.store(false, Ordering::SeqCst);
    }
}

pub(crate) fn chance(one_in: u32) -> bool {
    thread_rng().gen_ratio(1, one_in)
}

pub(crate) fn below(bound: usize) -> usize {
    thread_rng().gen_range(0..bound)
}

pub(crate) fn any_class() -> Class {
    Class::ALL[below(3)]
}

/// Polls with a waker that nobody listens to.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs as many threads as there are, each with its number, to their end.
pub(crate) fn threads<R: Send + 'static>(count: u64, run: impl Fn(u64) -> R + Clone + Send + 'static) -> Vec<R> {
    let spawn = |number| {
        let run = run.clone();
        thread::spawn(move || run(number))
    };
    let running = (0..count).map(spawn).collect::<Vec<_>>();
    running.into_iter().map(|thread| thread.join().expect("a panic ends the model")).collect()
}

/// Asserts that every lane is home and nobody waits.
pub(crate) fn assert_idle<T>(lock: &ModelLock<T>, free: usize) {
    let closed = lock.counts().closed;
    assert_eq!(lock.counts(), Counts { free, closed, ..Counts::default() });
}
