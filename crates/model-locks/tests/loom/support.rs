//! What the models share: exploration with a visible end, a watched engine, and small helpers.

use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::model::Builder;
use loom::sync::Condvar;
use loom::sync::Mutex;
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

impl Bound {
    /// `MODEL_LOCKS_PREEMPTIONS` overrides it: a search that is quick rather than complete, for mutants.
    fn preemptions(self) -> Option<usize> {
        let most = std::env::var("MODEL_LOCKS_PREEMPTIONS").ok();
        let most = most.map(|most| most.parse().expect("MODEL_LOCKS_PREEMPTIONS is a number"));
        most.or(match self {
            Self::Preemptions(most) if std::env::var_os("MODEL_LOCKS_COMPLETE").is_none() => Some(most),
            Self::Complete | Self::Preemptions(_) => None,
        })
    }
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
    builder.preemption_bound = bound.preemptions();
    let explored =
        builder.preemption_bound.map_or("complete".to_string(), |most| format!("at most {most} preemptions"));
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

/// The same as a thread that blocks.
pub(crate) fn block_once(lock: &ModelLock<Engine>) {
    lock.blocking_acquire(Ask::default()).expect("the lock is open").enter();
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

/// Rings for one thread.
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        *self.rung.lock().expect("nobody panics with it") = true;
        self.changed.notify_one();
    }
}

/// Drives a future to its end as a thread that sleeps meanwhile. The checker's own `block_on` also wakes it for no reason;
/// without that there are far fewer schedules, and three threads that wait can be tried completely.
pub(crate) fn sleep_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let bell = StdArc::new(Bell { rung: Mutex::new(false), changed: Condvar::new() });
    let waker = Waker::from(StdArc::clone(&bell));
    loop {
        if let Poll::Ready(output) = poll(&mut future, &waker) {
            return output;
        }
        let mut rung = bell.rung.lock().expect("nobody panics with it");
        while !*rung {
            rung = bell.changed.wait(rung).expect("nobody panics with it");
        }
        *rung = false;
    }
}

pub(crate) fn join<R>(thread: thread::JoinHandle<R>) -> R {
    thread.join().expect("a panic in a model ends the model")
}

/// Asserts that the lock is as idle as it can be, with this many free lanes.
pub(crate) fn assert_idle<T>(lock: &ModelLock<T>, free: usize) {
    let closed = lock.counts().closed;
    assert_eq!(lock.counts(), Counts { free, closed, ..Counts::default() });
}
