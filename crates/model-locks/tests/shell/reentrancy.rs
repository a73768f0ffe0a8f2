//! Foreign code that calls back into the lock: wakers when they are woken or dropped, and values when they are dropped.
//! If any of it ran under the mutex, these tests would not end.
//!
//! Not here: what happens while a waker is cloned. Safe code cannot act there; the model checker runs through that gap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use model_locks::{Ask, ModelLock, Patience, Policy, TryAcquireError};

use crate::support::{Task, Wait, held, queue_normal};

type Action = Box<dyn FnOnce() + Send>;

/// A waker that does something once, when it is woken or when it is dropped unwoken.
struct Acts {
    on_wake: Mutex<Option<Action>>,
    on_drop: Mutex<Option<Action>>,
}

impl Acts {
    fn on_wake(action: impl FnOnce() + Send + 'static) -> Waker {
        Waker::from(Arc::new(Self { on_wake: Mutex::new(Some(Box::new(action))), on_drop: Mutex::new(None) }))
    }

    fn on_drop(action: impl FnOnce() + Send + 'static) -> Waker {
        Waker::from(Arc::new(Self { on_wake: Mutex::new(None), on_drop: Mutex::new(Some(Box::new(action))) }))
    }

    fn act(action: &Mutex<Option<Action>>) {
        let action = action.lock().expect("no action panics under this lock").take();
        if let Some(action) = action {
            action();
        }
    }
}

impl Wake for Acts {
    fn wake(self: Arc<Self>) {
        Self::act(&self.on_wake);
    }
}

impl Drop for Acts {
    fn drop(&mut self) {
        Self::act(&self.on_drop);
    }
}

fn wait_with(lock: &ModelLock<u32>, waker: Waker) -> Wait<u32> {
    let mut wait = Task::new(lock.acquire(Ask::default()));
    assert!(wait.poll_with(&waker).is_pending());
    wait
}

/// Uses every operation of the lock.
fn use_everything(lock: &ModelLock<u32>) {
    let _ = lock.try_acquire(Ask::default());
    let _ = lock.snapshot();
    let _ = lock.counts();
    let _ = lock.sweep(0, Patience { report: 0, revoke: 0 });
    let _ = lock.add_lane(99);
    drop(Task::new(lock.acquire(Ask::default())).poll());
    let _ = Task::new(lock.closed()).poll();
    drop(lock.repair());
    let lanes = lock.snapshot().lanes;
    let _taken: Vec<_> = lanes.iter().map(|lane| Task::new(lock.take_lane(lane.id)).poll()).collect();
    drop(lock.take_lanes());
    lock.close();
}

#[test]
fn a_waker_may_use_the_lock_when_a_lane_comes_home() {
    let (lock, lease) = held();
    let handle = lock.clone();
    let mut wait = wait_with(&lock, Acts::on_wake(move || use_everything(&handle)));
    drop(lease);
    assert!(lock.counts().closed, "the waker has run");
    drop(wait.lease());
}

#[test]
fn a_waker_may_use_the_lock_when_it_is_closed() {
    let (lock, lease) = held();
    let handle = lock.clone();
    let _wait = wait_with(&lock, Acts::on_wake(move || use_everything(&handle)));
    lock.close();
    drop(lease);
}

#[test]
fn a_waker_may_use_the_lock_when_lanes_are_quarantined_or_added() {
    let (lock, lease) = held();
    let handle = lock.clone();
    let _wait = wait_with(&lock, Acts::on_wake(move || drop(handle.add_lane(8))));
    lease.quarantine("broken");
    assert_eq!(lock.counts().free, 1, "the waker has run");
}

#[test]
fn a_waker_that_hears_of_the_end_may_use_the_lock() {
    let (lock, lease) = held();
    let handle = lock.clone();
    let mut end = Task::new(lock.closed());
    let waker = Acts::on_wake(move || use_everything(&handle));
    assert!(end.poll_with(&waker).is_pending());
    drop(waker);
    lock.close();
    drop(lease);
    assert!(end.poll().is_ready());
}

/// A waker is dropped when its wait leaves, and when it is replaced.
#[test]
fn a_waker_may_use_the_lock_when_it_is_dropped() {
    for replace in [true, false] {
        let (lock, lease) = held();
        let handle = lock.clone();
        let mut wait = wait_with(&lock, Acts::on_drop(move || use_everything(&handle)));
        if replace {
            drop(wait.poll());
        } else {
            drop(wait);
        }
        assert!(lock.counts().closed, "the waker has been dropped");
        drop(lease);
    }
}

#[test]
fn a_waker_that_hears_of_the_end_may_use_the_lock_when_it_is_dropped() {
    for replace in [true, false] {
        let (lock, lease) = held();
        let handle = lock.clone();
        let mut end = Task::new(lock.closed());
        assert!(end.poll_with(&Acts::on_drop(move || use_everything(&handle))).is_pending());
        if replace {
            assert!(end.poll().is_pending());
        } else {
            drop(end);
        }
        assert!(lock.counts().closed, "the waker has been dropped");
        drop(lease);
    }
}

/// Whoever takes a lane out is woken when it comes home, and its waker is dropped when it is called off.
#[test]
fn a_waker_of_a_taker_may_use_the_lock() {
    for comes_home in [true, false] {
        let (lock, lease) = held();
        let handle = lock.clone();
        let mut take = Task::new(lock.take_lane(lease.lane()));
        let act = move || use_everything(&handle);
        let waker = if comes_home { Acts::on_wake(act) } else { Acts::on_drop(act) };
        assert!(take.poll_with(&waker).is_pending());
        drop(waker);
        let lease = if comes_home {
            drop(lease);
            None
        } else {
            drop(take);
            Some(lease)
        };
        assert!(lock.counts().closed, "the waker has run");
        drop(lease);
    }
}

/// Whoever supersedes another wakes it, and has its own place by then.
#[test]
fn a_superseded_waker_may_use_the_lock() {
    let (lock, lease) = held();
    let handle = lock.clone();
    let mut old = Task::new(lock.acquire(Ask::default().supersede(1)));
    assert!(old.poll_with(&Acts::on_wake(move || use_everything(&handle))).is_pending());
    let mut new = Task::new(lock.acquire(Ask::default().supersede(1)));
    assert!(new.poll().is_pending(), "it looks again when it is woken");
    assert!(lock.counts().closed, "the waker has run");
    drop(lease);
    drop(new);
}

/// The task that is woken drops another wait of the same lock, as a `select` would.
#[test]
fn a_waker_may_drop_another_wait() {
    let (lock, lease) = held();
    let other = Arc::new(Mutex::new(None));
    let drops = Arc::clone(&other);
    let mut first = wait_with(&lock, Acts::on_wake(move || drop(drops.lock().expect("not poisoned").take())));
    *other.lock().expect("not poisoned") = Some(queue_normal(&lock));
    let mut third = queue_normal(&lock);

    drop(lease);
    assert_eq!(lock.counts().waiting, 1, "the other wait is gone");
    drop(first.lease());
    drop(third.lease());
}

/// Method: the first of three wakers panics when the lock is closed. The others are woken, and no lane is lost.
#[test]
fn a_panicking_waker_is_contained() {
    let (lock, lease) = held();
    let panics = || Acts::on_wake(|| panic!("this waker panics"));
    let _first = wait_with(&lock, panics());
    let mut second = queue_normal(&lock);
    lock.close();
    assert_eq!(second.wakes(), 1);
    assert!(second.poll().is_ready());
    drop(lease);
    assert_eq!(lock.counts().free, 1);
}

/// The holder is not harmed by the waker of the next one, and the lane is not taken for broken.
#[test]
fn a_panicking_waker_does_not_lose_the_lane() {
    let (lock, lease) = held();
    let mut wait = wait_with(&lock, Acts::on_wake(|| panic!("this waker panics")));
    drop(lease);
    assert_eq!(lock.counts().granted, 1);
    drop(wait.lease());
    assert_eq!(lock.counts().free, 1);
}

/// A value whose destructor uses the lock it came from, and counts its drops.
struct CallsBack {
    lock: Arc<Mutex<Option<ModelLock<CallsBack>>>>,
    drops: Arc<AtomicUsize>,
}

impl Drop for CallsBack {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        let lock = self.lock.lock().expect("not poisoned").clone();
        if let Some(lock) = lock {
            let _ = lock.snapshot();
            assert!(lock.try_acquire(Ask::default()).is_err());
        }
    }
}

/// Method: a value is dropped on each way out of the lock: replaced in a lease, retired, rejected.
#[test]
fn a_value_may_use_the_lock_when_it_is_dropped() {
    let home = Arc::new(Mutex::new(None));
    let drops = Arc::new(AtomicUsize::new(0));
    let value = || CallsBack { lock: Arc::clone(&home), drops: Arc::clone(&drops) };
    let lock = ModelLock::new([value()], Policy::default());
    *home.lock().expect("not poisoned") = Some(lock.clone());

    let mut lease = lock.try_acquire(Ask::default()).expect("the lane is free");
    *lease = value();
    lease.quarantine("broken");
    drop(lock.repair().expect("one lane is in quarantine").retire());
    lock.close();
    drop(lock.add_lane(value()));
    assert_eq!(drops.load(Ordering::SeqCst), 3);
    assert_eq!(lock.try_acquire(Ask::default()).err(), Some(TryAcquireError::Closed));
    *home.lock().expect("not poisoned") = None;
}

/// Values still in the lock are dropped once each, with its last handle.
#[test]
fn values_are_dropped_with_the_last_handle() {
    let drops = Arc::new(AtomicUsize::new(0));
    let value = || CallsBack { lock: Arc::default(), drops: Arc::clone(&drops) };
    let lock = ModelLock::new([value(), value(), value()], Policy::default());
    let lease = lock.try_acquire(Ask::default()).expect("three lanes are free");
    let wait = lock.acquire(Ask::default());
    drop(lock);
    drop(wait);
    assert_eq!(drops.load(Ordering::SeqCst), 0, "the lease keeps its lock alive");
    drop(lease);
    assert_eq!(drops.load(Ordering::SeqCst), 3);
}

/// A value whose destructor panics when it is told to.
struct Bomb {
    armed: bool,
    drops: Arc<AtomicUsize>,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        assert!(!self.armed, "the destructor of a value");
    }
}

/// The panic reaches whoever drops the value, outside of the mutex, and what was held then is out of service as after any
/// panic. Method: the same ways out as above, each with a value that panics.
#[test]
fn a_value_that_panics_when_it_is_dropped_harms_nobody_else() {
    let drops = Arc::new(AtomicUsize::new(0));
    let value = |armed| Bomb { armed, drops: Arc::clone(&drops) };
    let panics =
        |run: &mut dyn FnMut()| assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "the panic was swallowed");
    let lock = ModelLock::new([value(true), value(false)], Policy::default());
    let lane = lock.snapshot().lanes[0].id;

    panics(&mut || {
        let mut lease = lock.try_acquire(Ask::default().prefer(lane)).expect("two lanes are free");
        *lease = value(true);
    });
    assert_eq!((lock.counts().free, lock.counts().quarantined), (1, 1), "replaced in a lease");
    panics(&mut || {
        let mut repair = lock.repair().expect("one lane is in quarantine");
        *repair = value(true);
    });
    assert_eq!((lock.counts().free, lock.counts().quarantined), (1, 1), "replaced in a repair");
    panics(&mut || drop(lock.repair().expect("one lane is in quarantine").retire()));
    assert_eq!((lock.counts().free, lock.counts().quarantined), (1, 0), "retired");
    lock.add_lane(value(true)).expect("the lock is open");
    lock.close();
    panics(&mut || drop(lock.add_lane(value(true))));

    assert_eq!(drops.load(Ordering::SeqCst), 4);
    let mut lock = Some(lock);
    panics(&mut || drop(lock.take()));
    assert_eq!(
        drops.load(Ordering::SeqCst),
        6,
        "with the last handle every value is dropped, the one that panics included"
    );
}

/// A waker whose destructor panics is contained like one that panics when it is woken.
#[test]
fn a_waker_that_panics_when_it_is_dropped_does_no_harm() {
    struct Fragile;
    impl Wake for Fragile {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("the destructor of a waker");
        }
    }
    let (lock, lease) = held();
    let mut wait = Task::new(lock.acquire(Ask::default()));
    assert!(wait.poll_with(&Waker::from(Arc::new(Fragile))).is_pending());
    drop(wait);
    drop(lease);
    assert_eq!(lock.counts().free, 1);
}
