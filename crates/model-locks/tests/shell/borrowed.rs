//! Waits and leases that borrow their lock.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use model_locks::{AcquireError, AcquireRef, Ask, LeaseRef, ModelLock, Policy, TryAcquireError};

use crate::support::{Task, held, held_with, queue, queue_normal};

/// Method: one that borrows between two that do not, and the other way round.
#[test]
fn both_kinds_wait_in_one_queue() {
    let (lock, lease) = held();
    let mut first = queue_normal(&lock);
    let mut second = Task::new(lock.acquire_ref(Ask::default()));
    assert!(second.poll().is_pending());
    let mut third = queue_normal(&lock);
    drop(lease);
    assert_eq!((first.wakes(), second.wakes(), third.wakes()), (1, 0, 0));
    drop(first.lease());
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second.ready().expect("it was granted"));
    assert_eq!(third.wakes(), 1);
    drop(third.lease());
}

#[test]
fn a_borrowed_lease_is_a_lease() {
    let lock = ModelLock::new([7], Policy::default());
    let mut lease: LeaseRef<'_, u32> = lock.try_acquire_ref(Ask::default().tag(5)).expect("the lane is free");
    *lease += 1;
    assert_eq!((lease.tag(), lease.ticket().get(), lease.lane().get()), (5, 1, 0));
    assert_eq!(lock.try_acquire_ref(Ask::default()).err(), Some(TryAcquireError::Busy));
    drop(lease);
    assert_eq!(*lock.blocking_acquire_ref(Ask::default()).expect("the lane is free"), 8);
    lock.try_acquire_ref(Ask::default()).expect("it came home").quarantine("broken");
    assert_eq!(lock.counts().quarantined, 1);
    assert!(matches!(lock.try_acquire_ref(Ask::default()), Err(TryAcquireError::Quarantined { .. })));
    let refused = lock.blocking_acquire_ref(Ask::default()).expect_err("no lane is in service");
    assert_eq!(refused, AcquireError::Quarantined { reason: "broken".into() });
    lock.close();
    assert_eq!(lock.try_acquire_ref(Ask::default()).err(), Some(TryAcquireError::Closed));
}

#[test]
fn a_borrowed_wait_that_is_dropped_passes_its_grant_on() {
    let (lock, lease) = held_with(Policy { queue_max: 2, ..Policy::default() });
    let mut leaving = Task::new(lock.acquire_ref(Ask::default()));
    assert!(leaving.poll().is_pending());
    let mut next = queue(&lock, Ask::default());
    drop(lease);
    drop(leaving);
    drop(next.lease());
    let waiting = lock.try_acquire_ref(Ask::default()).expect("the lane is free");
    let mut leaving = Task::new(lock.acquire_ref(Ask::default()));
    assert!(leaving.poll().is_pending());
    drop(leaving);
    assert_eq!(lock.counts().waiting, 0);
    drop(waiting);
}

#[test]
fn a_panic_of_one_who_borrows_quarantines_the_lane() {
    let lock = ModelLock::new([Cell::new(7)], Policy::default());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _lease = lock.blocking_acquire_ref(Ask::default());
        panic!("the engine has failed");
    }));
    assert!(panicked.is_err());
    assert_eq!(lock.counts().quarantined, 1);
}

/// A scope is what a borrowed lease is for: its threads end before the lock does.
#[test]
fn a_borrowed_wait_may_be_sent_to_a_thread_of_a_scope() {
    fn send<X: Send>(value: X) -> X {
        value
    }
    let lock = ModelLock::new([Cell::new(7)], Policy::default());
    std::thread::scope(|scope| {
        let mut wait: AcquireRef<'_, Cell<u32>> = send(lock.acquire_ref(Ask::default()));
        let lease = Task::new(&mut wait).ready().expect("the lane is free");
        scope.spawn(move || lease.set(8));
    });
    assert_eq!(lock.try_acquire(Ask::default()).expect("it came home").get(), 8);
}
