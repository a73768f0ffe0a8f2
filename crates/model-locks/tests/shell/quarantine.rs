//! Lanes that nobody should be lent: after a panic, or because the holder says so.

use std::panic::{AssertUnwindSafe, catch_unwind};

use model_locks::{AcquireError, Ask, LaneState, Lease, ModelLock, Policy, TryAcquireError, WhenAllQuarantined};

use crate::support::{Task, held, held_with, queue_normal};

/// Ends a hold by a panic of its holder.
fn panic_while_holding<T>(lease: Lease<T>) {
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _lease = lease;
        panic!("the engine failed");
    }));
    assert!(unwound.is_err());
}

fn waiting_policy() -> Policy {
    Policy { when_all_quarantined: WhenAllQuarantined::Wait, ..Policy::default() }
}

/// Method: the holder panics; the lane must be in quarantine with its value, and not be granted.
#[test]
fn a_lane_whose_holder_panicked_is_quarantined() {
    let (lock, lease) = held();
    panic_while_holding(lease);
    let LaneState::Quarantined { reason } = lock.snapshot().lanes.remove(0).state else { panic!("not in quarantine") };
    assert_eq!(&*reason, "holder of ticket 1 panicked");
    assert_eq!(lock.try_acquire(Ask::default()).unwrap_err(), TryAcquireError::Quarantined { reason });
    assert_eq!(*lock.repair().expect("one lane is in quarantine"), 7, "the value is kept");
}

/// A hold that begins and ends while its thread unwinds from an older panic is sound.
/// Method: a destructor that runs during the unwinding takes and returns the lane.
#[test]
fn a_panic_from_before_the_hold_is_ignored() {
    struct UsesTheLock(ModelLock<u32>);
    impl Drop for UsesTheLock {
        fn drop(&mut self) {
            drop(self.0.try_acquire(Ask::default()).expect("the lane is free"));
        }
    }
    let lock = ModelLock::new([1], Policy::default());
    let user = UsesTheLock(lock.clone());
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _user = user;
        panic!("unrelated");
    }));
    assert!(unwound.is_err());
    assert_eq!(lock.counts().free, 1);
}

#[test]
fn a_panic_caught_within_the_hold_is_the_holders_own_business() {
    let (lock, lease) = held();
    assert!(catch_unwind(|| panic!("handled by the holder")).is_err());
    drop(lease);
    assert_eq!(lock.counts().free, 1);
}

/// Every lane is gone and the policy says to fail: those who wait and those who come are told, with the reason.
#[test]
fn with_every_lane_in_quarantine_waiters_fail() {
    let (lock, lease) = held();
    let mut waits = [queue_normal(&lock), queue_normal(&lock)];
    lease.quarantine("out of memory");
    let error = AcquireError::Quarantined { reason: "out of memory".into() };
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.refusal(), error);
    }
    assert_eq!(Task::new(lock.acquire(Ask::default())).refusal(), error);
    assert_eq!(lock.blocking_acquire(Ask::default()).unwrap_err(), error);
    assert_eq!(error.to_string(), "every lane is in quarantine: out of memory");
}

/// The same, but the policy says to wait: nobody is woken before the lane has been repaired.
#[test]
fn with_every_lane_in_quarantine_waiters_wait_if_told_so() {
    let (lock, lease) = held_with(waiting_policy());
    let mut wait = queue_normal(&lock);
    lease.quarantine("out of memory");
    assert_eq!(wait.wakes(), 0);
    assert!(wait.poll().is_pending());
    assert_eq!(lock.try_acquire(Ask::default()).unwrap_err(), TryAcquireError::Busy);

    let mut repair = lock.repair().expect("one lane is in quarantine");
    *repair = 8;
    assert_eq!(wait.wakes(), 0);
    repair.finish();
    assert_eq!(wait.wakes(), 1);
    assert_eq!(*wait.lease(), 8);
}

/// One lane in quarantine does not stop the others.
#[test]
fn other_lanes_go_on() {
    let lock = ModelLock::new([1, 2], Policy::default());
    let first = lock.try_acquire(Ask::default()).expect("two lanes are free");
    let second = lock.try_acquire(Ask::default()).expect("one lane is free");
    let mut wait = queue_normal(&lock);
    first.quarantine("broken");
    assert_eq!(wait.wakes(), 0, "the other lane is still in service");
    drop(second);
    assert_eq!(*wait.lease(), 2);
    assert_eq!(lock.counts().quarantined, 1);
}

/// A granted lane counts as in service, and its waiter is not refused.
#[test]
fn an_unclaimed_grant_is_in_service() {
    let lock = ModelLock::new([1, 2], Policy::default());
    let first = lock.try_acquire(Ask::default()).expect("two lanes are free");
    let second = lock.try_acquire(Ask::default()).expect("one lane is free");
    let mut granted = queue_normal(&lock);
    let mut behind = queue_normal(&lock);
    drop(first);
    second.quarantine("broken");
    assert_eq!(behind.wakes(), 0);
    drop(granted.lease());
    drop(behind.lease());
}

#[test]
fn a_repair_that_is_dropped_quarantines_again() {
    let (lock, lease) = held();
    lease.quarantine("broken");
    let repair = lock.repair().expect("one lane is in quarantine");
    assert_eq!((repair.reason(), repair.lane().get(), *repair), ("broken", 0, 7));
    assert_eq!(lock.snapshot().lanes[0].state, LaneState::InRepair);
    assert!(lock.repair().is_none(), "nobody else can repair the same lane");
    drop(repair);
    assert_eq!(lock.snapshot().lanes[0].state, LaneState::Quarantined { reason: "broken".into() });
    lock.repair().expect("it can be tried again").finish();
    assert_eq!(lock.counts().free, 1);
}

#[test]
fn a_repair_that_panics_quarantines_again() {
    let (lock, lease) = held();
    lease.quarantine("broken");
    let repair = lock.repair().expect("one lane is in quarantine");
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _repair = repair;
        panic!("cannot be repaired");
    }));
    assert!(unwound.is_err());
    assert_eq!(lock.counts().quarantined, 1);
}

/// A lane in repair is not in service, so with no other lane asks fail until it is finished.
#[test]
fn a_lane_in_repair_counts_as_quarantined() {
    let (lock, lease) = held();
    lease.quarantine("broken");
    let repair = lock.repair().expect("one lane is in quarantine");
    let error = AcquireError::Quarantined { reason: "broken".into() };
    assert_eq!(Task::new(lock.acquire(Ask::default())).refusal(), error);
    repair.finish();
    drop(Task::new(lock.acquire(Ask::default())).lease());
}

/// A retired lane is gone; its id is not used again, and its value belongs to whoever retired it.
#[test]
fn a_retired_lane_is_gone() {
    let (lock, lease) = held();
    lease.quarantine("broken");
    assert_eq!(lock.repair().expect("one lane is in quarantine").retire(), 7);
    assert!(lock.snapshot().lanes.is_empty());

    let mut wait = queue_normal(&lock);
    assert_eq!(lock.add_lane(8).expect("open").get(), 1);
    assert_eq!(*wait.lease(), 8);
}

/// Method: the second of three lanes breaks, then the first; the second is asked for, and nothing else is given out.
#[test]
fn a_lane_is_repaired_by_its_id() {
    let lock = ModelLock::new([1, 2, 3], Policy::default());
    let leases = [(); 3].map(|()| lock.try_acquire(Ask::default()).expect("a lane is free"));
    let ids = leases.each_ref().map(|lease| lease.lane());
    let [first, second, third] = leases;
    drop(third);
    second.quarantine("second");
    first.quarantine("first");
    assert!(lock.repair_lane(ids[2]).is_none(), "it is sound");

    let mut repair = lock.repair_lane(ids[1]).expect("it is in quarantine");
    assert_eq!((repair.lane(), repair.reason(), *repair), (ids[1], "second", 2));
    assert!(lock.repair_lane(ids[1]).is_none(), "it is in repair");
    *repair = 20;
    repair.finish();
    let lease = lock.try_acquire(Ask::default().prefer(ids[1])).expect("it is back");
    assert_eq!((lease.lane(), *lease), (ids[1], 20));
    assert!(lock.repair_lane(ids[1]).is_none(), "it is lent");

    lock.close();
    assert!(lock.repair_lane(ids[0]).is_none(), "what is home stays home");
    assert_eq!(lock.counts().quarantined, 1);
}
