//! Taking lanes out of a lock in use, and emptying one that is closed.

use std::sync::Arc;
use std::task::Waker;

use model_locks::{AcquireError, Ask, LaneState, ModelLock, Patience, Policy};

use crate::support::{Count, Task, held, queue_normal};

#[test]
fn a_lane_at_home_leaves_at_the_first_poll() {
    let lock = ModelLock::new(["a", "b"], Policy::default());
    let lane = lock.snapshot().lanes[0].id;
    let mut take = Task::new(lock.take_lane(lane));
    assert_eq!(lock.counts().free, 2, "nothing happens before the first poll");
    assert_eq!(take.ready(), Some("a"));
    assert_eq!(lock.snapshot().lanes.len(), 1);
    assert_eq!(Task::new(lock.take_lane(lane)).ready(), None, "it has left");
    assert_eq!(lock.add_lane("c").expect("open").get(), 2, "its id is not given again");
}

#[test]
fn a_quarantined_lane_leaves_at_once() {
    let (lock, lease) = held();
    let lane = lease.lane();
    lease.quarantine("broken");
    assert_eq!(Task::new(lock.take_lane(lane)).ready(), Some(7));
    assert!(queue_normal(&lock).poll().is_pending(), "without lanes one waits");
}

/// Method: one waits for the lane that is to leave; only the taker is woken when it comes home.
#[test]
fn a_lane_that_is_held_leaves_when_it_comes_home() {
    let (lock, lease) = held();
    let wait = queue_normal(&lock);
    let mut take = Task::new(lock.take_lane(lease.lane()));
    assert!(take.poll().is_pending());
    assert_eq!((take.wakes(), *lease), (0, 7), "the holder keeps it");

    drop(lease);
    assert_eq!((take.wakes(), wait.wakes()), (1, 0));
    assert_eq!(lock.snapshot().lanes[0].state, LaneState::Leaving);
    assert_eq!((lock.counts().leaving, lock.counts().free), (1, 0));
    assert!(lock.try_acquire(Ask::default()).is_err(), "nobody else gets it");
    assert_eq!(take.ready(), Some(7));
    assert_eq!((lock.counts().leaving, wait.wakes()), (0, 0));
}

/// Those who wait get the other lanes.
#[test]
fn others_go_on_using_the_rest() {
    let lock = ModelLock::new(["a", "b"], Policy::default());
    let first = lock.try_acquire(Ask::default()).expect("two lanes are free");
    let second = lock.try_acquire(Ask::default()).expect("one lane is free");
    let mut take = Task::new(lock.take_lane(first.lane()));
    assert!(take.poll().is_pending());
    let mut wait = queue_normal(&lock);
    drop(first);
    assert_eq!(wait.wakes(), 0);
    drop(second);
    assert_eq!(*wait.lease(), "b");
    assert_eq!(take.ready(), Some("a"));
}

#[test]
fn a_grant_made_before_is_honoured_and_a_dropped_one_is_not_passed_on() {
    for claims in [true, false] {
        let (lock, lease) = held();
        let lane = lease.lane();
        let (mut first, second) = (queue_normal(&lock), queue_normal(&lock));
        drop(lease);
        let mut take = Task::new(lock.take_lane(lane));
        assert!(take.poll().is_pending(), "it is promised to the first");
        if claims {
            drop(first.lease());
        } else {
            drop(first);
        }
        assert_eq!((take.wakes(), second.wakes()), (1, 0), "claims: {claims}");
        assert_eq!(take.ready(), Some(7));
    }
}

/// Method: the taker changes its mind before the lane comes home, and after.
#[test]
fn a_take_that_is_called_off_leaves_the_lane_in_service() {
    for is_home in [false, true] {
        let (lock, lease) = held();
        let mut wait = queue_normal(&lock);
        let mut take = Task::new(lock.take_lane(lease.lane()));
        assert!(take.poll().is_pending());
        let lease = if is_home {
            drop(lease);
            None
        } else {
            Some(lease)
        };
        drop(take);
        assert_eq!(wait.wakes(), usize::from(is_home));
        drop(lease);
        assert_eq!(*wait.lease(), 7);
        assert_eq!(lock.counts().free, 1);
    }
}

/// A lane that comes home broken leaves broken; called off, it is in quarantine, and those who wait are refused.
#[test]
fn a_broken_lane_leaves_and_if_called_off_stays_in_quarantine() {
    for called_off in [false, true] {
        let (lock, lease) = held();
        let mut wait = queue_normal(&lock);
        let mut take = Task::new(lock.take_lane(lease.lane()));
        assert!(take.poll().is_pending());
        lease.quarantine("broken");
        assert_eq!((take.wakes(), wait.wakes()), (1, 0), "another lane may be added");
        assert!(lock.repair().is_none(), "it is no longer there to be repaired");
        if called_off {
            drop(take);
            assert!(matches!(wait.refusal(), AcquireError::Quarantined { .. }));
            assert_eq!(lock.repair().expect("it is in quarantine").reason(), "broken");
        } else {
            assert_eq!(take.ready(), Some(7));
        }
    }
}

/// With one lane leaving and the others in quarantine nobody can be served.
#[test]
fn waiters_are_refused_when_the_last_sound_lane_leaves() {
    let lock = ModelLock::new([1, 2], Policy::default());
    let sound = lock.try_acquire(Ask::default()).expect("two lanes are free");
    lock.try_acquire(Ask::default()).expect("one lane is free").quarantine("broken");
    let mut wait = queue_normal(&lock);
    let mut take = Task::new(lock.take_lane(sound.lane()));
    assert!(take.poll().is_pending());
    drop(sound);
    assert_eq!((take.wakes(), wait.wakes()), (1, 1));
    assert!(matches!(wait.refusal(), AcquireError::Quarantined { .. }));
}

#[test]
fn a_lane_is_taken_by_one() {
    let (lock, lease) = held();
    let mut first = Task::new(lock.take_lane(lease.lane()));
    assert!(first.poll().is_pending());
    assert_eq!(Task::new(lock.take_lane(lease.lane())).ready(), None);
    drop(lease);
    assert_eq!(first.ready(), Some(7));
}

#[test]
fn a_lane_retired_by_its_repair_is_not_waited_for() {
    let (lock, lease) = held();
    let lane = lease.lane();
    lease.quarantine("broken");
    let repair = lock.repair().expect("one lane is in quarantine");
    let mut take = Task::new(lock.take_lane(lane));
    assert!(take.poll().is_pending());
    assert_eq!(repair.retire(), 7);
    assert_eq!(take.wakes(), 1);
    assert_eq!(take.ready(), None);
}

#[test]
fn the_latest_waker_hears_that_the_lane_is_home() {
    let (lock, lease) = held();
    let mut take = Task::new(lock.take_lane(lease.lane()));
    let (early, late) = (Arc::new(Count::default()), Arc::new(Count::default()));
    assert!(take.poll_with(&Waker::from(Arc::clone(&early))).is_pending());
    assert!(take.poll_with(&Waker::from(Arc::clone(&late))).is_pending());
    drop(lease);
    assert_eq!((early.get(), late.get()), (0, 1));
}

/// The end waits until a leaving lane has been fetched or stays.
#[test]
fn a_leaving_lane_is_not_home() {
    for called_off in [false, true] {
        let (lock, lease) = held();
        let mut take = Task::new(lock.take_lane(lease.lane()));
        assert!(take.poll().is_pending());
        drop(lease);
        let mut end = Task::new(lock.drain());
        assert!(end.poll().is_pending());
        assert!(lock.take_lanes().is_none());
        if called_off {
            drop(take);
        } else {
            assert_eq!(take.ready(), Some(7));
        }
        assert_eq!(end.wakes(), 1, "called off: {called_off}");
        assert!(end.poll().is_ready());
    }
}

/// `drain` closes at once, polled or not, and its lanes are given out once, sound or not.
#[test]
fn a_drained_lock_gives_its_lanes_back() {
    let lock = ModelLock::new(["a", "b", "c"], Policy::default());
    let lease = lock.try_acquire(Ask::default()).expect("three lanes are free");
    lock.try_acquire(Ask::default()).expect("two lanes are free").quarantine("broken");
    assert!(lock.take_lanes().is_none(), "it is open");
    let mut end = Task::new(lock.drain());
    assert!(lock.counts().closed);
    assert!(end.poll().is_pending());
    assert!(lock.take_lanes().is_none(), "a lane is out");
    drop(lease);
    assert!(end.poll().is_ready());
    let lanes: Vec<_> = lock.take_lanes().expect("drained").into_iter().map(|(id, lane)| (id.get(), lane)).collect();
    assert_eq!(lanes, [(0, "a"), (1, "b"), (2, "c")]);
    assert_eq!(lock.take_lanes(), Some(vec![]));
    assert!(end.poll().is_ready(), "it stays the end");
}

/// Beside a free lane nobody waits, but somebody may be parked: it must not wait on when the last sound lane is gone.
#[test]
fn one_who_is_parked_is_refused_when_the_last_sound_lane_leaves() {
    let (lock, lease) = held();
    let mut parked = queue_normal(&lock);
    let mut second = queue_normal(&lock);
    drop(lease);
    assert_eq!(lock.sweep(0, Patience { report: 0, revoke: 0 }).revoked.len(), 1);
    drop(second.lease());
    let sound = lock.snapshot().lanes[0].id;
    let broken = lock.add_lane(1).expect("the lock is open");
    lock.try_acquire(Ask::default().prefer(broken)).expect("it is free").quarantine("broken");
    assert!(Task::new(lock.take_lane(sound)).ready().is_some(), "it was home");
    assert_eq!(parked.refusal(), AcquireError::Quarantined { reason: "broken".into() });
}
