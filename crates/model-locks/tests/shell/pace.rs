//! The wait that is to be expected.

use model_locks::{Ask, ModelLock, Policy};

use crate::support::{held, queue_normal};

/// Method: of three lanes one after the other breaks, and each time the rest has to do; then one is repaired.
#[test]
fn only_lanes_in_service_count() {
    let lock = ModelLock::new([1, 2, 3], Policy::default());
    lock.record_hold(600);
    assert_eq!(lock.expected_wait(2), Some(600));
    let lease = lock.try_acquire(Ask::default()).expect("a lane is free");
    assert_eq!(lock.expected_wait(2), Some(600), "a lane in use comes back");

    lease.quarantine("broken");
    assert_eq!(lock.expected_wait(2), Some(900));
    let repair = lock.repair().expect("one is in quarantine");
    assert_eq!(lock.expected_wait(2), Some(900));
    let lease = lock.try_acquire(Ask::default()).expect("a lane is free");
    lease.quarantine("broken as well");
    assert_eq!(lock.expected_wait(2), Some(1800));
    let lease = lock.try_acquire(Ask::default()).expect("a lane is free");
    lease.quarantine("all broken");
    assert_eq!(lock.expected_wait(2), None);
    repair.finish();
    assert_eq!(lock.expected_wait(2), Some(1800));
}

/// A lane that is granted and not claimed yet comes back as well.
#[test]
fn a_lane_that_is_granted_is_in_service() {
    let (lock, lease) = held();
    lock.record_hold(600);
    let wait = queue_normal(&lock);
    drop(lease);
    assert_eq!((lock.counts().granted, lock.expected_wait(1)), (1, Some(1200)));
    drop(wait);
}

#[test]
fn the_latest_holds_count_for_an_eighth_each() {
    let lock = ModelLock::new([1], Policy::default());
    assert_eq!(lock.expected_wait(0), None);
    for (hold, expected) in [(800, 800), (1600, 900), (100, 800), (0, 700)] {
        lock.record_hold(hold);
        assert_eq!(lock.expected_wait(0), Some(expected));
    }
    assert_eq!(lock.clone().expected_wait(9), Some(7000), "all handles know");
}
