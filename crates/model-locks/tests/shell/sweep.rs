//! Grants that nobody claims: the hang, and the cure.

use model_locks::{AcquireError, Ask, Class, Counts, ModelLock, Patience, Policy, Swept};

use crate::support::{Task, held, held_with, queue, queue_normal};

/// Revokes what a second sweep finds ten later.
const PATIENCE: Patience = Patience { report: 5, revoke: 10 };

fn tags(found: &[model_locks::Unclaimed]) -> Vec<(u64, u64)> {
    found.iter().map(|unclaimed| (unclaimed.grant.ask.tag, unclaimed.age)).collect()
}

/// The hang: a future that is alive and not polled keeps everybody waiting. The cure: the host's tick.
#[test]
fn a_forgotten_grant_is_passed_on() {
    let (lock, lease) = held();
    let mut forgotten = queue(&lock, Ask::default().tag(1).client(4));
    let mut second = queue(&lock, Ask::default().tag(2));
    drop(lease);
    assert_eq!((forgotten.wakes(), second.wakes()), (1, 0));
    assert!(second.poll().is_pending(), "it would wait for ever");

    assert_eq!(lock.sweep(100, PATIENCE), Swept::default(), "seen for the first time");
    let swept = lock.sweep(105, PATIENCE);
    assert_eq!((tags(&swept.unclaimed), swept.revoked.len()), (vec![(1, 5)], 0));
    assert_eq!(second.wakes(), 0, "it is only reported");
    let swept = lock.sweep(110, PATIENCE);
    assert_eq!((swept.unclaimed.len(), tags(&swept.revoked)), (0, vec![(1, 10)]));
    assert_eq!((forgotten.wakes(), second.wakes()), (1, 1));
    assert_eq!(lock.counts(), Counts { granted: 1, parked: 1, ..Counts::default() });
    let parked = lock.snapshot().parked;
    assert_eq!(
        parked.iter().map(|one| (one.tag, one.class, one.client)).collect::<Vec<_>>(),
        [(1, Class::Normal, Some(4))]
    );
    let lease = second.lease();
    assert_eq!(lease.ticket().get(), 3, "the grant that was taken back used up ticket 2");

    assert!(forgotten.poll().is_pending(), "it waits again");
    drop(lease);
    assert_eq!(forgotten.wakes(), 2);
    drop(forgotten.lease());
    assert_eq!(lock.counts().free, 1);
}

/// Method: the first of three loses its grant to the second and looks again; it is before the third.
#[test]
fn a_parked_waiter_keeps_its_place() {
    let (lock, lease) = held();
    let mut first = queue_normal(&lock);
    let mut second = queue_normal(&lock);
    let third = queue_normal(&lock);
    drop(lease);
    let _ = lock.sweep(0, Patience { revoke: 0, ..PATIENCE });
    let lease = second.lease();
    let fourth = queue_normal(&lock);
    assert!(first.poll().is_pending());
    drop(lease);
    assert_eq!((first.wakes(), third.wakes(), fourth.wakes()), (2, 0, 0));
    drop(first.lease());
}

/// Method: the first and the second lose the grant one after the other, and look again in either order.
#[test]
fn parked_waiters_keep_their_order_among_themselves() {
    for first_looks_first in [true, false] {
        let (lock, lease) = held();
        let mut waits = [queue_normal(&lock), queue_normal(&lock), queue_normal(&lock), queue_normal(&lock)];
        drop(lease);
        let now = Patience { revoke: 0, ..PATIENCE };
        assert_eq!(lock.sweep(0, now).revoked.len(), 1);
        assert_eq!(lock.sweep(0, now).revoked.len(), 1);
        let lease = waits[2].lease();
        assert_eq!(lock.counts().parked, 2);
        let order = if first_looks_first { [0, 1] } else { [1, 0] };
        for looks in order {
            assert!(waits[looks].poll().is_pending());
        }
        drop(lease);
        for turn in [0, 1, 3] {
            drop(waits[turn].lease());
        }
    }
}

/// While it is parked it is passed over, and its dead future costs nothing more.
#[test]
fn a_parked_waiter_is_not_chosen_before_it_looks() {
    let (lock, lease) = held();
    let parked = queue_normal(&lock);
    let mut second = queue_normal(&lock);
    drop(lease);
    let _ = lock.sweep(0, Patience { revoke: 0, ..PATIENCE });
    drop(second.lease());
    assert_eq!((parked.wakes(), lock.counts().free), (1, 1));
    drop(lock.try_acquire(Ask::default()).expect("nobody who looks is waiting"));
    drop(parked);
    assert_eq!(lock.counts(), Counts { free: 1, ..Counts::default() });
}

#[test]
fn a_parked_waiter_takes_a_free_lane_at_once() {
    let (lock, lease) = held();
    let mut parked = queue_normal(&lock);
    let mut second = queue_normal(&lock);
    drop(lease);
    let _ = lock.sweep(0, Patience { revoke: 0, ..PATIENCE });
    drop(second.lease());
    drop(parked.lease());
}

#[test]
fn nothing_is_taken_back_when_nobody_waits() {
    let (lock, lease) = held();
    let mut wait = queue_normal(&lock);
    drop(lease);
    for now in [0, 10, 1_000_000] {
        assert!(lock.sweep(now, PATIENCE).revoked.is_empty());
    }
    assert_eq!(lock.sweep(2_000_000, PATIENCE).unclaimed.len(), 1, "it is reported all the same");
    drop(wait.lease());
}

/// A hold may last as long as it likes, and so may a wait.
#[test]
fn a_lease_is_never_taken_back() {
    let (lock, lease) = held();
    let wait = queue_normal(&lock);
    for now in [0, 1_000_000] {
        assert_eq!(lock.sweep(now, PATIENCE), Swept::default());
    }
    assert_eq!((*lease, wait.wakes()), (7, 0));
}

/// The age belongs to the grant: one that was taken back and granted again has its whole time again.
#[test]
fn a_second_grant_has_a_term_of_its_own() {
    let (lock, lease) = held();
    let mut first = queue_normal(&lock);
    let mut second = queue_normal(&lock);
    drop(lease);
    assert!(lock.sweep(0, PATIENCE).revoked.is_empty());
    assert_eq!(lock.sweep(10, PATIENCE).revoked.len(), 1);
    let lease = second.lease();
    assert!(first.poll().is_pending());
    let _third = queue_normal(&lock);
    drop(lease);
    assert_eq!(lock.sweep(15, PATIENCE), Swept::default());
    assert!(lock.sweep(24, PATIENCE).revoked.is_empty());
    assert_eq!(lock.sweep(25, PATIENCE).revoked.len(), 1);
}

#[test]
fn a_parked_waiter_counts_against_the_queue() {
    let (lock, lease) = held_with(Policy { queue_max: 2, ..Policy::default() });
    let parked = queue_normal(&lock);
    let mut second = queue_normal(&lock);
    drop(lease);
    let _third = queue_normal(&lock);
    let _ = lock.sweep(0, Patience { revoke: 0, ..PATIENCE });
    assert_eq!((lock.counts().waiting, lock.counts().parked), (1, 1));
    let refused = Task::new(lock.acquire(Ask::default())).refusal();
    assert_eq!(refused, AcquireError::QueueFull { waiting: 2, limit: 2 });
    drop(parked);
    let _fourth = queue_normal(&lock);
    drop(second.lease());
}

#[test]
fn a_parked_waiter_is_refused_with_the_others() {
    for breaks in [true, false] {
        let (lock, lease) = held();
        let mut parked = queue_normal(&lock);
        let mut second = queue_normal(&lock);
        drop(lease);
        let _ = lock.sweep(0, Patience { revoke: 0, ..PATIENCE });
        let lease = second.lease();
        if breaks {
            lease.quarantine("broken");
            assert!(matches!(parked.refusal(), AcquireError::Quarantined { .. }));
        } else {
            lock.close();
            assert_eq!(parked.refusal(), AcquireError::Closed);
            drop(lease);
        }
        assert_eq!(lock.counts().parked, 0);
    }
}

/// Method: the newer ask comes while the older one is granted, or while it is parked.
#[test]
fn a_parked_waiter_is_superseded() {
    for comes_before in [true, false] {
        let (lock, lease) = held();
        let keyed = Ask::default().supersede(1);
        let mut old = queue(&lock, keyed);
        let mut other = queue_normal(&lock);
        drop(lease);
        let newer = comes_before.then(|| queue(&lock, keyed));
        assert_eq!(lock.sweep(0, Patience { revoke: 0, ..PATIENCE }).revoked.len(), 1);
        let mut newer = newer.unwrap_or_else(|| queue(&lock, keyed));
        assert_eq!(old.refusal(), AcquireError::Superseded);
        drop(other.lease());
        drop(newer.lease());
        assert_eq!(lock.counts(), Counts { free: 1, ..Counts::default() });
    }
}

/// A lane that is to leave is not taken from its last holder for the sake of those behind it.
#[test]
fn a_grant_of_a_lane_that_is_to_leave_stands() {
    let (lock, lease) = held();
    let lane = lease.lane();
    let (mut first, _second) = (queue_normal(&lock), queue_normal(&lock));
    drop(lease);
    let mut take = Task::new(lock.take_lane(lane));
    assert!(take.poll().is_pending());
    let swept = lock.sweep(0, Patience { report: 0, revoke: 0 });
    assert_eq!((swept.unclaimed.len(), swept.revoked.len()), (1, 0));
    drop(first.lease());
    assert_eq!(take.ready(), Some(7));
}

/// Its class is entitled again, and a higher class goes first as always.
#[test]
fn a_parked_waiter_waits_in_its_class() {
    let (lock, lease) = held();
    let mut low = queue(&lock, Ask::new(Class::Background));
    drop(lease);
    let mut high = queue(&lock, Ask::new(Class::Interactive));
    let _ = lock.sweep(0, Patience { revoke: 0, ..PATIENCE });
    let lease = high.lease();
    let mut higher = queue(&lock, Ask::new(Class::Interactive));
    assert!(low.poll().is_pending());
    drop(lease);
    assert_eq!((low.wakes(), higher.wakes()), (1, 1));
    drop(higher.lease());
    drop(low.lease());
}

/// Whichever of the two is taken back first.
#[test]
fn of_two_that_lose_their_grants_the_older_is_superseded() {
    let lock = ModelLock::new([0, 1], Policy::default());
    let mut leases = [0, 1].map(|_| lock.try_acquire(Ask::default()).ok());
    let key = Ask::default().supersede(1);
    let mut older = queue(&lock, key);
    drop(leases[0].take());
    let mut newer = queue(&lock, key);
    drop(leases[1].take());
    let _others = [queue_normal(&lock), queue_normal(&lock)];
    assert_eq!(lock.sweep(0, Patience { report: 0, revoke: 0 }).revoked.len(), 2);
    assert!(newer.poll().is_pending(), "there is no newer one");
    assert_eq!(older.refusal(), AcquireError::Superseded);
}

#[test]
fn a_patience_without_end_never_takes_back() {
    let (lock, lease) = held();
    let _waits = [queue_normal(&lock), queue_normal(&lock)];
    drop(lease);
    let patience = Patience { report: 5, revoke: u64::MAX };
    assert_eq!(lock.sweep(0, patience), Swept::default());
    let swept = lock.sweep(u64::MAX, patience);
    assert_eq!((swept.unclaimed.len(), swept.revoked.len()), (1, 0));
}

/// A time at the end of its range is a time like any other.
#[test]
fn a_grant_first_seen_at_the_end_of_time_grows_old() {
    let (lock, lease) = held();
    let _waits = [queue_normal(&lock), queue_normal(&lock)];
    drop(lease);
    let patience = Patience { report: 1, revoke: u64::MAX };
    let _first_seen = lock.sweep(u64::MAX, patience);
    assert_eq!(lock.sweep(u64::MAX, patience).unclaimed.len(), 1);
}
