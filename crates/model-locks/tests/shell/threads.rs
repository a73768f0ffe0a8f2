//! Real threads: blocking and asynchronous waiters in one queue.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use model_locks::{AcquireError, Ask, Class, Event, Lease, ModelLock, Observer, Policy};

use crate::support::held;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor: one future, one thread.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match std::pin::Pin::new(&mut future).poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Something that must not be entered twice, and notices.
#[derive(Default)]
struct Engine {
    inside: Arc<AtomicBool>,
    entries: u64,
}

impl Engine {
    fn enter(&mut self) {
        assert!(!self.inside.swap(true, Ordering::SeqCst), "entered twice");
        self.entries += 1;
        thread::yield_now();
        self.inside.store(false, Ordering::SeqCst);
    }
}

/// Spins until `n` wait, which is how a test knows that another thread has asked.
fn await_waiting<T>(lock: &ModelLock<T>, n: usize) {
    while lock.counts().waiting < n {
        thread::yield_now();
    }
}

/// Method: threads of both kinds, of all classes, some of which give up; every entry is counted.
#[test]
fn blocking_and_asynchronous_waiters_share_two_lanes() {
    const THREADS: usize = 6;
    const ROUNDS: usize = 300;
    let lock = ModelLock::new([Engine::default(), Engine::default()], Policy::default());
    let granted = AtomicUsize::new(0);
    let use_lane = |mut lease: Lease<Engine>| {
        lease.enter();
        granted.fetch_add(1, Ordering::SeqCst);
    };
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (lock, use_lane) = (&lock, &use_lane);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let ask = Ask::new(Class::ALL[(number + round) % 3]);
                    match (number + round) % 4 {
                        0 => use_lane(lock.blocking_acquire(ask).expect("the lock is open")),
                        1 | 2 => use_lane(block_on(lock.acquire(ask)).expect("the lock is open")),
                        // Polled once and dropped, as by a deadline that has passed.
                        _ => {
                            let mut wait = crate::support::Task::new(lock.acquire(ask));
                            if let Poll::Ready(answer) = wait.poll() {
                                use_lane(answer.expect("the lock is open"));
                            }
                        }
                    }
                }
            });
        }
    });
    let counts = lock.counts();
    assert_eq!((counts.free, counts.leased, counts.granted, counts.waiting), (2, 0, 0, 0));
    lock.close();
    block_on(lock.closed());
    assert!(granted.load(Ordering::SeqCst) >= THREADS * ROUNDS * 3 / 4);
}

/// Method: the queue is filled one by one, by kinds in turn, and the order of service is recorded.
#[test]
fn both_kinds_of_waiters_are_served_in_order() {
    let (lock, lease) = held();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..6 {
            let (lock, tell) = (&lock, tell.clone());
            scope.spawn(move || {
                let lease = match number % 2 {
                    0 => lock.blocking_acquire(Ask::default()),
                    _ => block_on(lock.acquire(Ask::default())),
                };
                let _lease = lease.expect("the lock is open");
                tell.send(number).expect("the test listens");
            });
            await_waiting(lock, number + 1);
        }
        drop(lease);
    });
    drop(tell);
    assert_eq!(told.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn close_ends_a_blocked_wait() {
    let (lock, lease) = held();
    thread::scope(|scope| {
        let blocked = scope.spawn(|| lock.blocking_acquire(Ask::default()).err());
        await_waiting(&lock, 1);
        lock.close();
        assert_eq!(blocked.join().expect("it does not panic"), Some(AcquireError::Closed));
    });
    drop(lease);
}

#[test]
fn a_lane_is_quarantined_when_its_thread_panics() {
    let (lock, lease) = held();
    let holder = thread::spawn(move || {
        let _lease = lease;
        panic!("the engine failed");
    });
    assert!(holder.join().is_err());
    assert_eq!(lock.counts().quarantined, 1);
}

/// A thread that unwinds does not make the lanes of others suspect.
/// Method: a thread's destructor waits, during its unwinding, until another thread has returned its lane.
#[test]
fn a_panic_in_another_thread_quarantines_nothing() {
    struct WaitsFor(Option<mpsc::Receiver<()>>);
    impl Drop for WaitsFor {
        fn drop(&mut self) {
            let received = self.0.take().map(|receiver| receiver.recv());
            assert_eq!(received, Some(Ok(())));
        }
    }
    let (lock, lease) = held();
    let (tell, told) = mpsc::channel();
    let panicking = thread::spawn(move || {
        let _waits = WaitsFor(Some(told));
        panic!("unrelated");
    });
    drop(lease);
    assert_eq!(lock.counts().free, 1);
    tell.send(()).expect("the other thread listens");
    assert!(panicking.join().is_err());
}

/// A thread waits while its thread-locals are being destroyed; a parker is found all the same.
#[test]
fn a_thread_may_wait_in_its_last_destructor() {
    struct WaitsAtExit(ModelLock<u32>, mpsc::Sender<u32>);
    impl Drop for WaitsAtExit {
        fn drop(&mut self) {
            let lease = self.0.blocking_acquire(Ask::default()).expect("the lock is open");
            self.1.send(*lease).expect("the test listens");
        }
    }
    thread_local! {
        static AT_EXIT: std::cell::RefCell<Option<WaitsAtExit>> = const { std::cell::RefCell::new(None) };
    }
    let (lock, lease) = held();
    let (tell, told) = mpsc::channel();
    let handle = lock.clone();
    let (before, before_lease) = held();
    let before_handle = before.clone();
    let exiting = thread::spawn(move || {
        AT_EXIT.set(Some(WaitsAtExit(handle, tell)));
        // The thread's own parker is made only now, so it is gone when the destructor above runs.
        drop(before_handle.blocking_acquire(Ask::default()));
    });
    await_waiting(&before, 1);
    drop(before_lease);
    await_waiting(&lock, 1);
    drop(lease);
    assert_eq!(told.recv(), Ok(7));
    exiting.join().expect("it does not panic");
}

/// The waker of a blocked thread is not its park token: a token given to the thread by others stays with it.
#[test]
fn a_blocked_wait_leaves_the_park_token_alone() {
    let (lock, lease) = held();
    let handle = lock.clone();
    thread::current().unpark();
    let releasing = thread::spawn(move || {
        await_waiting(&handle, 1);
        drop(lease);
    });
    drop(lock.blocking_acquire(Ask::default()).expect("the lock is open"));
    // Returns at once, because the token given above is still there.
    thread::park();
    releasing.join().expect("it does not panic");
}

/// Waits for another lock while it hears that somebody waits for this one.
struct WaitsElsewhere {
    other: ModelLock<u32>,
    waits: AtomicBool,
}

impl Observer for WaitsElsewhere {
    fn on(&self, event: &Event) {
        if matches!(event, Event::Enqueued { .. }) && self.waits.swap(false, Ordering::SeqCst) {
            drop(self.other.blocking_acquire(Ask::default()).expect("the other lock is open"));
        }
    }
}

/// If both waits of the thread slept on one parker, the inner one would consume the wake of the outer one, which would
/// then sleep for ever beside its lane.
#[test]
fn a_wait_within_a_wait_takes_no_wake_from_it() {
    let (other, other_lease) = held();
    let observer = Arc::new(WaitsElsewhere { other: other.clone(), waits: AtomicBool::new(true) });
    let lock = ModelLock::with_observer([7], Policy::default(), observer);
    let lease = lock.try_acquire(Ask::default()).expect("it is free");
    let outer = lock.clone();
    let waits = thread::spawn(move || *outer.blocking_acquire(Ask::default()).expect("the lock is open"));
    await_waiting(&other, 1);
    drop(lease);
    drop(other_lease);
    assert_eq!(waits.join().expect("it does not panic"), 7);
}
