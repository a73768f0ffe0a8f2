//! Several lanes, and lanes that come later.

use model_locks::{Ask, ModelLock, Policy};

use crate::support::{Task, queue, queue_normal};

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

/// Method: three lanes are used and come home in another order; the next ones go out in the order of coming home.
#[test]
fn the_lane_that_was_free_for_longest_is_taken() {
    let lock = ModelLock::new([0, 1, 2], Policy::default());
    let mut leases: Vec<_> = (0..3).map(|_| lock.try_acquire(Ask::default()).expect("a lane is free")).collect();
    assert_eq!(leases.iter().map(|lease| **lease).collect::<Vec<_>>(), [0, 1, 2]);
    for at in [2, 0, 0] {
        drop(leases.remove(at));
    }
    leases.extend((0..3).map(|_| lock.try_acquire(Ask::default()).expect("a lane is free")));
    assert_eq!(leases.iter().map(|lease| **lease).collect::<Vec<_>>(), [2, 0, 1]);
}

#[test]
fn a_preferred_lane_is_taken_if_it_is_free() {
    let lock = ModelLock::new([0, 1, 2], Policy::default());
    let last = lock.snapshot().lanes[2].id;
    let first = lock.try_acquire(Ask::default().prefer(last)).expect("three lanes are free");
    assert_eq!(first.lane(), last);
    let second = lock.try_acquire(Ask::default().prefer(last)).expect("two lanes are free");
    assert_eq!(*second, 0, "it is not waited for");
}

/// Method: the preferred lane of the first waiter is not the one that comes home first.
#[test]
fn nobody_waits_for_a_preferred_lane_nor_overtakes_for_its_sake() {
    let lock = ModelLock::new([0, 1], Policy::default());
    let first = lock.try_acquire(Ask::default()).expect("two lanes are free");
    let second = lock.try_acquire(Ask::default()).expect("one lane is free");
    let mut one = queue(&lock, Ask::default().prefer(first.lane()));
    let mut two = queue(&lock, Ask::default().prefer(second.lane()));
    drop(second);
    assert_eq!((one.wakes(), two.wakes()), (1, 0));
    let leased = one.lease();
    assert_eq!(*leased, 1);
    drop(first);
    assert_eq!(*two.lease(), 0);
}
