//! What the models share: exploration with a visible end, a watched engine, and small helpers.

use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::model::Builder;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering;
use loom::thread;
use model_locks::Ask;
use model_locks::Counts;
use model_locks::Lease;
use model_locks::ModelLock;
use model_locks::Policy;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering as StdOrdering;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;

/// How far a model may be explored.
pub(crate) enum Bound {
    /// Every schedule.
    Complete,
    /// Every schedule with at most this many preemptions; with `MODEL_LOCKS_COMPLETE=1` in the environment, every schedule.
    Preemptions(usize),
}

/// Explores a model, says how many executions it took, and fails if it was cut off.
///
/// The checker itself returns as if all were well when a limit stops it, and looks at its limits only every so often. So
/// the executions are counted here, and a limit that was reached is a failure.
pub(crate) fn model(name: &str, bound: Bound, run: impl Fn() + Sync + Send + 'static) {
    const LIMIT: usize = 5_000_000;
    let mut builder = Builder::new();
    builder.checkpoint_interval = 1000;
    builder.max_permutations = Some(LIMIT);
    builder.max_duration = None;
    builder.max_branches = 10_000;
    let explored = match bound {
        Bound::Preemptions(most) if std::env::var_os("MODEL_LOCKS_COMPLETE").is_none() => {
            builder.preemption_bound = Some(most);
            format!("at most {most} preemptions")
        }
        Bound::Complete | Bound::Preemptions(_) => {
            builder.preemption_bound = None;
            "complete".to_string()
        }
    };
    let executions = StdArc::new(AtomicU64::new(0));
    let counter = StdArc::clone(&executions);
    builder.check(move || {
        counter.fetch_add(1, StdOrdering::Relaxed);
        run();
    });
    let executions = executions.load(StdOrdering::Relaxed);
    assert!(executions < LIMIT as u64, "{name}: CUT after {executions} executions");
    println!("loom {name}: {executions} executions, {explored}");
}

/// An engine that the checker watches: two holders at once are reported as a data race.
pub(crate) struct Engine(UnsafeCell<u32>);

impl Engine {
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    pub(crate) fn enter(&mut self) {
        self.0.with_mut(|_| ());
    }
}

pub(crate) fn engines<const N: usize>() -> ModelLock<Engine> {
    ModelLock::new([(); N].map(|()| Engine::new()), Policy::default())
}

/// One lane, lent already.
pub(crate) fn held() -> (ModelLock<Engine>, Lease<Engine>) {
    let lock = engines::<1>();
    let lease = lock.try_acquire(Ask::default()).expect("the lane is free");
    (lock, lease)
}

pub(crate) fn use_once(lock: &ModelLock<Engine>) {
    block_on(lock.acquire(Ask::default())).expect("the lock is open").enter();
}

/// Counts wakes, where a thread may look.
pub(crate) struct Count(pub(crate) AtomicUsize);

impl Wake for Count {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn counting() -> (StdArc<Count>, Waker) {
    let count = StdArc::new(Count(AtomicUsize::new(0)));
    (StdArc::clone(&count), Waker::from(count))
}

pub(crate) fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

pub(crate) fn join<R>(thread: thread::JoinHandle<R>) -> R {
    thread.join().expect("a panic in a model ends the model")
}

/// Asserts that the lock is as idle as it can be, with this many free lanes.
pub(crate) fn assert_idle<T>(lock: &ModelLock<T>, free: usize) {
    let closed = lock.counts().closed;
    assert_eq!(lock.counts(), Counts { free, closed, ..Counts::default() });
}
