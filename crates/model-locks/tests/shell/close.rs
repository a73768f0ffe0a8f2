//! Closing, in every order with granting, and waiting for the end.

use std::sync::Arc;
use std::task::Waker;

use model_locks::{AcquireError, Ask, ModelLock, Policy, TryAcquireError};

use crate::support::{Count, Task, held, queue_normal};

/// Method: two wait when the lock is closed; both are woken, and both learn why.
#[test]
fn close_wakes_everyone_who_waits() {
    let (lock, lease) = held();
    let mut waits = [queue_normal(&lock), queue_normal(&lock)];
    lock.close();
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.refusal(), AcquireError::Closed);
    }
    assert_eq!(lock.counts().waiting, 0);
    assert_eq!(lock.counts().leased, 1, "the holder keeps its lane");
    drop(lease);
}

#[test]
fn nobody_new_is_granted_after_close() {
    let lock = ModelLock::new([1], Policy::default());
    lock.close();
    assert_eq!(Task::new(lock.acquire(Ask::default())).refusal(), AcquireError::Closed);
    assert_eq!(lock.blocking_acquire(Ask::default()).unwrap_err(), AcquireError::Closed);
    assert_eq!(lock.try_acquire(Ask::default()).unwrap_err(), TryAcquireError::Closed);
    assert_eq!(lock.counts().free, 1);
}

/// Granted, then closed: the grant is honoured although its waiter had not seen it.
#[test]
fn a_grant_made_before_close_is_honoured() {
    let (lock, lease) = held();
    let mut wait = queue_normal(&lock);
    drop(lease);
    lock.close();
    drop(wait.lease());
    assert_eq!(lock.counts().free, 1);
}

/// Closed, then released: the waiter is refused although a lane came home.
#[test]
fn a_waiter_refused_by_close_gets_no_lane_later() {
    let (lock, lease) = held();
    let mut wait = queue_normal(&lock);
    lock.close();
    drop(lease);
    assert_eq!(wait.refusal(), AcquireError::Closed);
    assert_eq!(lock.counts().free, 1);
}

#[test]
fn dropping_a_refused_wait_without_looking_is_harmless() {
    let (lock, lease) = held();
    let waits = [queue_normal(&lock), queue_normal(&lock)];
    lock.close();
    drop(waits);
    drop(lease);
    assert!(Task::new(lock.closed()).poll().is_ready());
}

/// Method: the end is awaited before closing, after closing with a lease out, and after the lease has come home.
#[test]
fn the_end_comes_when_closed_and_every_lane_is_home() {
    let (lock, lease) = held();
    let mut end = Task::new(lock.closed());
    assert!(end.poll().is_pending(), "open and one lane out");
    lock.close();
    assert_eq!(end.wakes(), 0);
    assert!(end.poll().is_pending(), "closed and one lane out");
    drop(lease);
    assert_eq!(end.wakes(), 1);
    assert!(end.poll().is_ready());
    assert!(end.poll().is_ready(), "it stays the end");
}

#[test]
fn an_open_lock_has_not_ended_with_every_lane_home() {
    let lock = ModelLock::new([1], Policy::default());
    let mut end = Task::new(lock.closed());
    assert!(end.poll().is_pending());
    lock.close();
    assert_eq!(end.wakes(), 1);
    assert!(end.poll().is_ready());
}

/// A grant that nobody has claimed is not home.
#[test]
fn the_end_waits_for_an_unclaimed_grant() {
    let (lock, lease) = held();
    let wait = queue_normal(&lock);
    drop(lease);
    lock.close();
    let mut end = Task::new(lock.closed());
    assert!(end.poll().is_pending());
    drop(wait);
    assert_eq!(end.wakes(), 1);
    assert!(end.poll().is_ready());
}

/// A lane in repair is not home; sound, in quarantine again, or retired, it counts no longer.
#[test]
fn the_end_waits_for_a_repair() {
    for ending in 0..3 {
        let (lock, lease) = held();
        lease.quarantine("broken");
        let repair = lock.repair().expect("one lane is in quarantine");
        lock.close();
        let mut end = Task::new(lock.closed());
        assert!(end.poll().is_pending());
        match ending {
            0 => repair.finish(),
            1 => assert_eq!(repair.retire(), 7),
            _ => drop(repair),
        }
        assert_eq!(end.wakes(), 1, "ending {ending}");
        assert!(end.poll().is_ready());
    }
}

/// The end, once reached, stays: a lane that came home in quarantine cannot be taken out again.
#[test]
fn nothing_is_repaired_after_close() {
    let (lock, lease) = held();
    lease.quarantine("broken");
    lock.close();
    assert!(Task::new(lock.closed()).poll().is_ready());
    assert!(lock.repair().is_none());
}

#[test]
fn several_may_wait_for_the_end_and_one_may_leave() {
    let (lock, lease) = held();
    let (mut first, mut second, mut third) =
        (Task::new(lock.closed()), Task::new(lock.closed()), Task::new(lock.closed()));
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending());
    assert!(third.poll().is_pending());
    drop(second);
    lock.close();
    drop(lease);
    assert_eq!((first.wakes(), third.wakes()), (1, 1));
    assert!(first.poll().is_ready());
    drop(third);
}

#[test]
fn the_latest_waker_hears_of_the_end() {
    let (lock, lease) = held();
    lock.close();
    let mut end = Task::new(lock.closed());
    let (early, late) = (Arc::new(Count::default()), Arc::new(Count::default()));
    assert!(end.poll_with(&Waker::from(Arc::clone(&early))).is_pending());
    assert!(end.poll_with(&Waker::from(Arc::clone(&late))).is_pending());
    drop(lease);
    assert_eq!((early.get(), late.get()), (0, 1));
}

#[test]
fn closing_twice_is_closing_once() {
    let (lock, lease) = held();
    let mut wait = queue_normal(&lock);
    lock.close();
    lock.close();
    assert_eq!(wait.wakes(), 1);
    assert_eq!(wait.refusal(), AcquireError::Closed);
    drop(lease);
}

#[test]
fn a_lock_without_lanes_ends_at_once() {
    let lock = ModelLock::<u32>::new([], Policy::default());
    lock.close();
    assert!(Task::new(lock.closed()).poll().is_ready());
}

/// Method: the last handle is dropped while a lease is out; the lane and its lock live until the lease ends.
#[test]
fn a_lease_outlives_every_handle() {
    let (lock, lease) = held();
    drop(lock);
    assert_eq!(*lease, 7);
    drop(lease);
}
