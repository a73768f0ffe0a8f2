//! What an observer hears, and that it can do no harm.

use std::sync::{Arc, Mutex, OnceLock};

use model_locks::{AcquireError, Ask, Event, ModelLock, Observer, Policy};

use crate::support::{Task, Wait, queue};

/// Writes down what it hears, in short.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn on(&self, event: &Event) {
        let line = match event {
            Event::Enqueued { ask, waiting } => format!("{} enqueued, {waiting}", ask.tag),
            Event::Granted { grant, waiting } => format!("{} granted #{}, {waiting}", grant.ask.tag, grant.ticket),
            Event::Claimed { grant } => format!("{} claimed lane {}", grant.ask.tag, grant.lane),
            Event::Released { grant } => format!("{} released #{}", grant.ask.tag, grant.ticket),
            Event::Left { ask, waiting } => format!("{} left, {waiting}", ask.tag),
            Event::Refused { ask, error, waiting } => format!("{} refused: {error}, {waiting}", ask.tag),
            Event::Busy { ask, waiting } => format!("{} found it busy, {waiting}", ask.tag),
            _ => "?".to_string(),
        };
        self.0.lock().expect("not poisoned").push(line);
    }
}

impl Log {
    /// What it has heard since it was asked last.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("not poisoned"))
    }
}

fn tag(tag: u64) -> Ask {
    Ask::default().tag(tag)
}

/// Method: one life of each kind, and what was heard after each step.
#[test]
fn it_hears_everything_that_happens_to_an_ask() {
    let log = Arc::new(Log::default());
    let lock = ModelLock::with_observer(["engine"], Policy { queue_max: 3, ..Policy::default() }, log.clone());
    assert!(log.heard().is_empty());
    let lease = lock.try_acquire(tag(1)).expect("the lane is free");
    assert_eq!(log.heard(), ["1 granted #1, 0"]);
    assert!(lock.try_acquire(tag(10)).is_err() && lock.try_acquire_ref(tag(11)).is_err());
    assert_eq!(log.heard(), ["10 found it busy, 0", "11 found it busy, 0"]);
    let mut second = queue(&lock, tag(2).supersede(9));
    let third = queue(&lock, tag(3));
    let fourth = queue(&lock, tag(4));
    assert_eq!(log.heard(), ["2 enqueued, 1", "3 enqueued, 2", "4 enqueued, 3"]);
    let full = Task::new(lock.acquire(tag(5))).refusal();
    assert_eq!(full, AcquireError::QueueFull { waiting: 3, limit: 3 });
    assert_eq!(log.heard(), ["5 refused: queue is full: 3 waiting, limit 3, 3"]);
    let mut newer = queue(&lock, tag(6).supersede(9));
    assert_eq!(log.heard(), ["2 refused: superseded by a newer ask, 2", "6 enqueued, 3"]);
    assert_eq!(second.refusal(), AcquireError::Superseded);
    drop(third);
    assert_eq!(log.heard(), ["3 left, 2"]);
    drop(lease);
    assert_eq!(log.heard(), ["1 released #1", "4 granted #2, 1"]);
    drop(fourth);
    assert_eq!(log.heard(), ["4 left, 1", "6 granted #3, 0"]);
    let lease = newer.lease();
    assert_eq!(log.heard(), ["6 claimed lane 0"]);
    let mut last = queue(&lock, tag(7));
    lease.quarantine("broken");
    let refused = "7 refused: every lane is in quarantine: broken, 0";
    assert_eq!(log.heard(), ["7 enqueued, 1", "6 released #3", refused]);
    assert!(last.poll().is_ready());
    lock.repair().expect("one lane is in quarantine").finish();
    assert!(log.heard().is_empty(), "a repair is not a lease, and a refusal is told once");
    lock.close();
    assert!(lock.try_acquire(tag(8)).is_err());
    assert_eq!(log.heard(), ["8 refused: lock is closed, 0"]);
}

/// Panics at everything.
struct Panics;

impl Observer for Panics {
    fn on(&self, event: &Event) {
        panic!("this observer panics at {event:?}");
    }
}

/// Method: one life of each kind under an observer that always panics; all lanes are home at the end, and sound.
#[test]
fn a_panicking_observer_is_contained() {
    let lock = ModelLock::with_observer([1, 2], Policy { queue_max: 1, ..Policy::default() }, Arc::new(Panics));
    let first = lock.try_acquire(tag(1)).expect("two lanes are free");
    let second = lock.blocking_acquire(tag(2)).expect("one lane is free");
    let mut wait = queue(&lock, tag(3));
    drop(first);
    assert_eq!(wait.wakes(), 1);
    drop(wait.lease());
    drop(second);
    lock.close();
    assert_eq!(Task::new(lock.acquire(tag(4))).refusal(), AcquireError::Closed);
    assert_eq!((lock.counts().free, lock.counts().quarantined), (2, 0));
}

/// Uses the lock that it observes.
#[derive(Default)]
struct CallsBack(OnceLock<ModelLock<u32>>);

impl Observer for CallsBack {
    fn on(&self, event: &Event) {
        let Some(lock) = self.0.get() else { return };
        let _ = lock.snapshot();
        match event {
            Event::Enqueued { .. } => drop(lock.add_lane(8)),
            Event::Granted { grant, .. } if grant.ask.tag == 1 => drop(lock.try_acquire(tag(2))),
            Event::Released { grant } if grant.ask.tag == 1 => lock.close(),
            _ => {}
        }
    }
}

/// Method: it adds a lane for one that has only just begun to wait, takes and returns another, and closes.
#[test]
fn an_observer_may_use_the_lock() {
    let observer = Arc::new(CallsBack::default());
    let lock = ModelLock::with_observer([7], Policy::default(), observer.clone());
    assert!(observer.0.set(lock.clone()).is_ok());
    let lease = lock.try_acquire(tag(1)).expect("the lane is free");
    let mut wait = Task::new(lock.acquire(tag(3)));
    assert!(wait.poll().is_pending(), "it is woken, and looks again");
    assert_eq!((wait.wakes(), *wait.lease()), (1, 8));
    drop(lease);
    assert!(lock.counts().closed);
    assert_eq!(lock.counts().free, 2);
}

/// It hears of a grant before the waiter is woken.
#[test]
fn it_hears_before_anybody_is_woken() {
    struct Sees(Mutex<Option<Wait<u32>>>, Mutex<Vec<usize>>);
    impl Observer for Sees {
        fn on(&self, event: &Event) {
            if let (Event::Granted { .. }, Some(wait)) = (event, &*self.0.lock().expect("not poisoned")) {
                self.1.lock().expect("not poisoned").push(wait.wakes());
            }
        }
    }
    let sees = Arc::new(Sees(Mutex::new(None), Mutex::default()));
    let lock = ModelLock::with_observer([7], Policy::default(), sees.clone());
    let lease = lock.try_acquire(tag(1)).expect("the lane is free");
    *sees.0.lock().expect("not poisoned") = Some(queue(&lock, tag(2)));
    drop(lease);
    assert_eq!(*sees.1.lock().expect("not poisoned"), [0]);
    let wait = sees.0.lock().expect("not poisoned").take().expect("it was put there");
    assert_eq!(wait.wakes(), 1);
}
