//! Several locks taken by one call.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use model_locks::{
    AcquireAllError, AcquireError, Ask, Event, ModelLock, Observer, Policy, acquire_all, blocking_acquire_all,
};

use crate::support::{Task, queue_normal};

fn three() -> [ModelLock<u32>; 3] {
    [0, 1, 2].map(|value| ModelLock::new([value], Policy::default()))
}

fn take(lock: &ModelLock<u32>) -> model_locks::Lease<u32> {
    lock.try_acquire(Ask::default()).expect("the lane is free")
}

#[test]
fn leases_come_in_the_order_of_the_call() {
    let [a, b, c] = three();
    let mut all = Task::new(acquire_all([(&c, Ask::default()), (&a, Ask::default()), (&b, Ask::default())]));
    assert_eq!(a.counts().free, 1, "nothing happens before the first poll");
    let leases = all.ready().expect("all are free");
    assert_eq!(leases.iter().map(|lease| **lease).collect::<Vec<_>>(), [2, 0, 1]);
}

/// Method: the lock in the middle is held; whatever order the call names, the first is taken and the last is not.
#[test]
fn locks_are_taken_in_the_order_of_their_making() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let locks = three();
        let held = take(&locks[1]);
        let mut all = Task::new(acquire_all(order.map(|at| (&locks[at], Ask::default()))));
        assert!(all.poll().is_pending());
        assert_eq!([0, 1, 2].map(|at| locks[at].counts().free), [0, 0, 1], "{order:?}");
        drop(held);
        assert_eq!(all.wakes(), 1);
        assert_eq!(all.ready().expect("all are free").len(), 3);
        assert!(locks.iter().all(|lock| lock.counts().free == 1), "the leases were dropped");
    }
}

/// Two calls in opposite order, polled in turns: one of them always gets on.
#[test]
fn two_calls_in_opposite_order_do_not_block_each_other() {
    let [a, b, _] = three();
    let held = take(&b);
    let mut first = Task::new(acquire_all([(&a, Ask::default()), (&b, Ask::default())]));
    let mut second = Task::new(acquire_all([(&b, Ask::default()), (&a, Ask::default())]));
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending());
    drop(held);
    drop(first.ready().expect("it holds a and is next at b"));
    drop(second.ready().expect("both are free"));
}

#[test]
fn dropping_it_releases_everything() {
    let [a, b, c] = three();
    let held = take(&c);
    let mut all = Task::new(acquire_all([(&a, Ask::default()), (&b, Ask::default()), (&c, Ask::default())]));
    assert!(all.poll().is_pending());
    let behind = queue_normal(&c);
    drop(all);
    assert_eq!((a.counts().free, b.counts().free), (1, 1));
    drop(held);
    assert_eq!(behind.wakes(), 1, "its place is free");
}

/// Method: an observer of all locks writes down who is released.
#[test]
fn what_was_taken_last_is_released_first() {
    #[derive(Default)]
    struct Log(Mutex<Vec<u64>>);
    impl Observer for Log {
        fn on(&self, event: &Event) {
            if let Event::Released { grant } = event {
                self.0.lock().expect("not poisoned").push(grant.ask.tag);
            }
        }
    }
    for refused in [true, false] {
        let log = Arc::new(Log::default());
        let locks = [0, 1, 2].map(|value| ModelLock::with_observer([value], Policy::default(), log.clone()));
        let held = take(&locks[2]);
        let mut all = Task::new(acquire_all([0, 1, 2].map(|at| (&locks[at], Ask::default().tag(at as u64)))));
        assert!(all.poll().is_pending());
        if refused {
            locks[2].close();
            let error = all.ready().unwrap_err();
            assert_eq!(error, AcquireAllError::Refused { index: 2, error: AcquireError::Closed });
            assert_eq!(error.to_string(), "lock 2 refused");
            assert_eq!(error.source().expect("the reason").to_string(), "lock is closed");
        } else {
            drop(all);
        }
        assert_eq!(*log.0.lock().expect("not poisoned"), [1, 0], "refused: {refused}");
        drop(held);
    }
}

#[test]
fn a_lock_named_twice_is_an_error_before_anything_is_taken() {
    let [a, b, _] = three();
    let again = a.clone();
    let mut all = Task::new(acquire_all([(&a, Ask::default()), (&b, Ask::default()), (&again, Ask::default())]));
    let error = all.ready().unwrap_err();
    assert_eq!((error.to_string().as_str(), error), ("lock 2 is named twice", AcquireAllError::Duplicate { index: 2 }));
    assert_eq!((a.snapshot().granted_total, b.snapshot().granted_total), (0, 0));
}

#[test]
fn no_lock_at_all_is_taken_at_once() {
    assert!(Task::new(acquire_all::<u32>([])).ready().expect("nothing refuses").is_empty());
}

/// Method: two threads take two locks in opposite order, many times; neither waits for ever.
#[test]
fn threads_in_opposite_order_get_on() {
    let [a, b, _] = three();
    std::thread::scope(|scope| {
        for locks in [[&a, &b], [&b, &a]] {
            scope.spawn(move || {
                for _ in 0..300 {
                    let leases = blocking_acquire_all(locks.map(|lock| (lock, Ask::default()))).expect("both are open");
                    assert_eq!(leases.len(), 2);
                }
            });
        }
    });
    assert_eq!((a.counts().free, b.counts().free), (1, 1));
}

/// Nobody has seen the value of a lane that was taken for a call that did not return.
#[test]
fn a_panic_beside_the_call_breaks_no_lane() {
    let (first, second) = (ModelLock::new([0], Policy::default()), ModelLock::new([1], Policy::default()));
    let _held = second.try_acquire(Ask::default()).expect("it is free");
    let mut all = Task::new(acquire_all([(&first, Ask::default()), (&second, Ask::default())]));
    assert!(all.poll().is_pending());
    let mut waits = queue_normal(&first);
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _all = all;
        panic!("something else in the same task");
    }));
    assert!(unwound.is_err());
    assert_eq!(first.counts().quarantined, 0);
    drop(waits.lease());
}
