//! A lock that is watched: the observer runs outside the mutex, so everything else may happen meanwhile.

use loom::future::block_on;
use loom::thread;
use model_locks::Ask;
use model_locks::Event;
use model_locks::Lease;
use model_locks::ModelLock;
use model_locks::Observer;
use model_locks::Policy;
use std::sync::Arc as StdArc;
use std::sync::Mutex as StdMutex;

use crate::support::{Bound, Engine, assert_idle, counting, join, model, poll, use_once};

/// The tickets that were granted and those that came home, as the host's log would have them.
#[derive(Default)]
struct Log {
    granted: StdMutex<Vec<u64>>,
    released: StdMutex<Vec<u64>>,
}

impl Observer for Log {
    fn on(&self, event: &Event) {
        // Other threads run between the step and its report.
        thread::yield_now();
        let (list, grant) = match event {
            Event::Granted { grant, .. } => (&self.granted, grant),
            Event::Released { grant } => (&self.released, grant),
            _ => return,
        };
        list.lock().expect("nobody panics with it").push(grant.ticket.get());
    }
}

impl Log {
    /// Asserts that each ticket up to `last` was granted once and came home once, in whatever order that was heard.
    fn assert_complete(&self, last: u64) {
        for list in [&self.granted, &self.released] {
            let mut heard = list.lock().expect("nobody panics with it").clone();
            heard.sort_unstable();
            assert_eq!(heard, (1..=last).collect::<Vec<_>>());
        }
    }
}

fn observed(observer: StdArc<dyn Observer>) -> (ModelLock<Engine>, Lease<Engine>) {
    let lock = ModelLock::with_observer([Engine::new()], Policy::default(), observer);
    let lease = lock.try_acquire(Ask::default()).expect("the lane is free");
    (lock, lease)
}

/// A holder finishes, and its release is reported slowly, while a request arrives or waits already: it is served all the
/// same, and the log is complete in the end.
#[test]
fn release_while_the_observer_runs() {
    model("release while the observer runs", Bound::Complete, || {
        let log = StdArc::new(Log::default());
        let (lock, lease) = observed(log.clone());
        let handle = lock.clone();
        let request = thread::spawn(move || use_once(&handle));
        drop(lease);
        join(request);
        assert_idle(&lock, 1);
        log.assert_complete(2);
    });
}

/// A holder finishes while the request that waits is dropped: whoever passes the lane on, each grant is reported once,
/// and the one that was never claimed is not reported as released.
#[test]
fn observed_grant_against_drop_of_the_waiter() {
    model("observed grant against drop of the waiter", Bound::Complete, || {
        let log = StdArc::new(Log::default());
        let (lock, lease) = observed(log.clone());
        let (_, waker) = counting();
        let mut wait = lock.acquire(Ask::default());
        assert!(poll(&mut wait, &waker).is_pending());
        let leaver = thread::spawn(move || drop(wait));
        drop(lease);
        join(leaver);
        assert_idle(&lock, 1);
        let granted = log.granted.lock().expect("nobody panics with it").len();
        assert!((1..=2).contains(&granted), "the waiter was granted the lane or left before");
        assert_eq!(*log.released.lock().expect("nobody panics with it"), [1]);
    });
}

/// An observer that uses the lock it hears of.
#[derive(Default)]
struct CallsBack(StdMutex<Option<ModelLock<Engine>>>);

impl Observer for CallsBack {
    fn on(&self, event: &Event) {
        let is_first = matches!(event, Event::Released { grant } if grant.ticket.get() == 1);
        let lock = self.0.lock().expect("nobody panics with it").clone();
        if let Some(lock) = lock.filter(|_| is_first) {
            let _ = lock.counts();
            // It must not overtake whoever waits; if nobody does, it gives the lane back at once.
            drop(lock.try_acquire(Ask::default()).map(|mut lease| lease.enter()));
        }
    }
}

/// The host's log asks the lock for its counts, and tries for a lane, while a request arrives: the request is served.
#[test]
fn an_observer_that_calls_back() {
    model("an observer that calls back", Bound::Complete, || {
        let observer = StdArc::new(CallsBack::default());
        let (lock, lease) = observed(observer.clone());
        *observer.0.lock().expect("nobody panics with it") = Some(lock.clone());
        let handle = lock.clone();
        let request = thread::spawn(move || {
            block_on(handle.acquire(Ask::default())).expect("the lock is open").enter();
        });
        drop(lease);
        join(request);
        // The lock and its observer hold each other.
        *observer.0.lock().expect("nobody panics with it") = None;
        assert_idle(&lock, 1);
    });
}
