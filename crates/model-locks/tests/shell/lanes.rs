//! Several lanes, and lanes that come later.

use model_locks::{Ask, ModelLock, Policy};

use crate::support::{Task, queue_normal};

#[test]
fn each_lane_has_one_holder() {
    let lock = ModelLock::new(["a", "b"], Policy::default());
    let first = lock.try_acquire(Ask::default()).expect("two lanes are free");
    let second = lock.try_acquire(Ask::default()).expect("one lane is free");
    assert_eq!((*first, *second), ("a", "b"));
    assert!(lock.try_acquire(Ask::default()).is_err());

    let mut wait = queue_normal(&lock);
    drop(first);
    assert_eq!(*wait.lease(), "a");
    assert_eq!(*second, "b");
}

#[test]
fn what_a_holder_writes_the_next_one_reads() {
    let lock = ModelLock::new([String::new()], Policy::default());
    lock.blocking_acquire(Ask::default()).expect("open").push_str("one");
    lock.blocking_acquire(Ask::default()).expect("open").push_str(" two");
    assert_eq!(*lock.try_acquire(Ask::default()).expect("open"), "one two");
}

#[test]
fn without_lanes_asks_wait_until_one_is_added() {
    let lock = ModelLock::new([], Policy::default());
    let mut first = queue_normal(&lock);
    let second = queue_normal(&lock);
    assert_eq!(lock.add_lane("late").expect("open").get(), 0);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert_eq!(*first.lease(), "late");
}

#[test]
fn an_added_lane_serves_the_next_waiter() {
    let lock = ModelLock::new([1], Policy::default());
    let lease = lock.try_acquire(Ask::default()).expect("the lane is free");
    let mut wait = queue_normal(&lock);
    let added = lock.add_lane(2).expect("open");
    let second = wait.lease();
    assert_eq!((second.lane(), *second), (added, 2));
    assert_eq!(*lease, 1);
}

#[test]
fn a_closed_lock_gives_a_new_lane_back() {
    let lock = ModelLock::new([String::from("old")], Policy::default());
    lock.close();
    let rejected = lock.add_lane(String::from("new")).unwrap_err();
    assert_eq!(rejected.to_string(), "lock is closed");
    assert_eq!(rejected.into_inner(), "new");
    assert_eq!(lock.snapshot().lanes.len(), 1);
}

#[test]
fn handles_lead_to_one_lock() {
    let lock = ModelLock::new([1], Policy::default());
    let other = lock.clone();
    assert!(lock.is_same(&other));
    assert!(!lock.is_same(&ModelLock::new([1], Policy::default())));
    let _lease = other.try_acquire(Ask::default()).expect("the lane is free");
    assert!(Task::new(lock.acquire(Ask::default())).poll().is_pending());
}
