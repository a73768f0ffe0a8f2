//! A future that is polled by hand, with a waker that counts.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use model_locks::{Acquire, AcquireError, Ask, Class, Lease, ModelLock, Policy};

/// Counts how often it was woken.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future in the hands of a test.
pub(crate) struct Task<F> {
    future: F,
    count: Arc<Count>,
    waker: Waker,
}

impl<F: Future + Unpin> Task<F> {
    pub(crate) fn new(future: F) -> Self {
        let count = Arc::new(Count::default());
        Self { future, waker: Waker::from(Arc::clone(&count)), count }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.poll_with(&self.waker.clone())
    }

    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<F::Output> {
        Pin::new(&mut self.future).poll(&mut Context::from_waker(waker))
    }

    /// The value of a future that must be ready.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the future is still pending"),
        }
    }

    /// How often it has been woken.
    pub(crate) fn wakes(&self) -> usize {
        self.count.get()
    }
}

pub(crate) type Wait<T> = Task<Acquire<T>>;

impl<T> Wait<T> {
    #[track_caller]
    pub(crate) fn lease(&mut self) -> Lease<T> {
        match self.ready() {
            Ok(lease) => lease,
            Err(error) => panic!("refused: {error}"),
        }
    }

    #[track_caller]
    pub(crate) fn refusal(&mut self) -> AcquireError {
        match self.ready() {
            Ok(_) => panic!("granted"),
            Err(error) => error,
        }
    }
}

/// A wait that has been polled once and has to wait.
#[track_caller]
pub(crate) fn queue<T>(lock: &ModelLock<T>, ask: Ask) -> Wait<T> {
    let mut wait = Task::new(lock.acquire(ask));
    assert!(wait.poll().is_pending(), "it should have had to wait");
    wait
}

/// A wait of the normal class.
#[track_caller]
pub(crate) fn queue_normal<T>(lock: &ModelLock<T>) -> Wait<T> {
    queue(lock, Ask::default())
}

/// A lock with one lane and its lease.
pub(crate) fn held() -> (ModelLock<u32>, Lease<u32>) {
    held_with(Policy::default())
}

pub(crate) fn held_with(policy: Policy) -> (ModelLock<u32>, Lease<u32>) {
    let lock = ModelLock::new([7], policy);
    let lease = lock.try_acquire(Ask::new(Class::Normal)).expect("the only lane is free");
    (lock, lease)
}
