//! Asks that replace older ones.

use model_locks::{AcquireError, Ask, Class, Policy};

use crate::support::{Task, held, held_with, queue, queue_normal};

fn keyed(key: u64) -> Ask {
    Ask::default().supersede(key)
}

/// Method: the older ask is first in line when the newer one comes; it is woken and told, and nobody else is.
#[test]
fn a_newer_ask_replaces_the_older_one_that_waits() {
    let (lock, _lease) = held();
    let mut old = queue(&lock, keyed(1));
    let others = [queue(&lock, keyed(2)), queue_normal(&lock)];
    let new = queue(&lock, keyed(1));
    assert_eq!((old.wakes(), new.wakes()), (1, 0));
    assert!(others.iter().all(|other| other.wakes() == 0), "other keys are left alone");
    assert_eq!(lock.counts().waiting, 3);
    assert_eq!(old.refusal(), AcquireError::Superseded);
    assert_eq!(AcquireError::Superseded.to_string(), "superseded by a newer ask");
}

/// The newer ask waits at the end, not in the place of the older one.
#[test]
fn a_newer_ask_overtakes_nobody() {
    let (lock, lease) = held();
    let _old = queue(&lock, keyed(1));
    let mut other = queue_normal(&lock);
    let mut new = queue(&lock, keyed(1));
    drop(lease);
    assert_eq!((other.wakes(), new.wakes()), (1, 0));
    drop(other.lease());
    drop(new.lease());
}

#[test]
fn a_key_reaches_across_classes() {
    let (lock, _lease) = held();
    let mut old = queue(&lock, Ask::new(Class::Background).supersede(1));
    let _new = queue(&lock, Ask::new(Class::Interactive).supersede(1));
    assert_eq!(old.refusal(), AcquireError::Superseded);
}

#[test]
fn in_a_full_queue_the_replaced_one_makes_room() {
    let (lock, _lease) = held_with(Policy { queue_max: 1, ..Policy::default() });
    let mut old = queue(&lock, keyed(1));
    let mut other = Task::new(lock.acquire(keyed(2)));
    assert_eq!(other.refusal(), AcquireError::QueueFull { waiting: 1, limit: 1 });
    assert_eq!(old.wakes(), 0, "one that is refused replaces nobody");
    let _new = queue(&lock, keyed(1));
    assert_eq!(old.refusal(), AcquireError::Superseded);
    assert_eq!(lock.counts().waiting, 1);
}

/// Neither a grant that was not looked at yet nor a lease is taken away.
#[test]
fn whoever_has_a_lane_keeps_it() {
    let (lock, lease) = held();
    let mut granted = queue(&lock, keyed(1));
    drop(lease);
    let mut waits = queue(&lock, keyed(1));
    let leased = granted.lease();
    let mut newest = queue(&lock, keyed(1));
    assert_eq!(waits.refusal(), AcquireError::Superseded);
    drop(leased);
    drop(newest.lease());
}

#[test]
fn one_that_does_not_come_to_wait_replaces_nobody() {
    let (lock, _lease) = held();
    let old = queue(&lock, keyed(1));
    assert!(lock.try_acquire(keyed(1)).is_err());
    drop(lock.acquire(keyed(1)));
    assert_eq!((old.wakes(), lock.counts().waiting), (0, 1));
}

/// A key is free again once its ask has left, been granted or refused.
#[test]
fn a_key_is_forgotten_with_its_ask() {
    let (lock, lease) = held();
    drop(queue(&lock, keyed(1)));
    let mut second = queue(&lock, keyed(1));
    drop(lease);
    let lease = second.lease();
    let mut third = queue(&lock, keyed(1));
    lock.close();
    assert_eq!(third.refusal(), AcquireError::Closed);
    drop(lease);
}
