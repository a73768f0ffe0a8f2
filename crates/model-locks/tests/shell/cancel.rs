//! Cancelling a wait in each of its states.

use std::mem;

use model_locks::{LaneState, ModelLock, Policy};

use crate::support::{held, held_with, queue, queue_normal};
use model_locks::{Ask, Class};

/// Method: three wait, one of them leaves, and the others are served in their order.
#[test]
fn leaving_keeps_the_order_of_the_others() {
    for leaver in 0..3 {
        let (lock, lease) = held();
        let mut waits = vec![queue_normal(&lock), queue_normal(&lock), queue_normal(&lock)];
        drop(waits.remove(leaver));
        assert_eq!(lock.counts().waiting, 2);
        assert!(waits.iter().all(|wait| wait.wakes() == 0), "leaving wakes nobody");

        drop(lease);
        assert_eq!((waits[0].wakes(), waits[1].wakes()), (1, 0), "leaver {leaver}");
        drop(waits[0].lease());
        drop(waits[1].lease());
        assert_eq!(lock.counts().free, 1);
    }
}

/// A lane granted to a waiter that is being dropped must reach the next one.
/// Method: the lane is granted to the first, which is dropped before it looks.
#[test]
fn a_grant_to_a_dropped_waiter_is_passed_on() {
    let (lock, lease) = held();
    let first = queue_normal(&lock);
    let mut second = queue_normal(&lock);
    let third = queue_normal(&lock);
    drop(lease);
    assert_eq!((first.wakes(), second.wakes(), third.wakes()), (1, 0, 0));

    drop(first);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    assert_eq!(second.lease().ticket().get(), 3, "the grant that was not used took ticket 2");
}

#[test]
fn a_grant_to_the_last_waiter_that_is_dropped_frees_the_lane() {
    let (lock, lease) = held();
    let wait = queue_normal(&lock);
    drop(lease);
    assert_eq!(lock.counts().granted, 1);
    drop(wait);
    assert_eq!(lock.counts().free, 1);
    drop(lock.try_acquire(Ask::default()).expect("the lane is free again"));
}

/// Method: a line of granted waiters, each dropped in turn; the last one gets the lane.
#[test]
fn a_grant_passes_through_a_whole_line_of_leavers() {
    let (lock, lease) = held();
    let waits: Vec<_> = (0..20).map(|_| queue_normal(&lock)).collect();
    let mut last = queue_normal(&lock);
    drop(lease);
    for wait in waits {
        assert_eq!(wait.wakes(), 1);
        drop(wait);
    }
    drop(last.lease());
}

#[test]
fn a_place_in_the_queue_is_free_again_after_leaving() {
    let (lock, _lease) = held_with(Policy { queue_max: 1, ..Policy::default() });
    drop(queue_normal(&lock));
    drop(queue_normal(&lock));
    assert_eq!(lock.counts().waiting, 0);
}

/// A class that empties forgets that it was passed over.
/// Method: a background waiter is passed over once and leaves; the next one may be passed over as often as any.
#[test]
fn an_emptied_class_is_not_owed_anything() {
    let (lock, lease) = held_with(Policy { bypass_max: [0, 1, 1], ..Policy::default() });
    let leaver = queue(&lock, Ask::new(Class::Background));
    let mut interactive = queue(&lock, Ask::new(Class::Interactive));
    drop(lease);
    let lease = interactive.lease();
    drop(leaver);

    let background = queue(&lock, Ask::new(Class::Background));
    let interactive = queue(&lock, Ask::new(Class::Interactive));
    drop(lease);
    assert_eq!((interactive.wakes(), background.wakes()), (1, 0));
}

#[test]
fn dropping_a_finished_wait_does_nothing() {
    let (lock, lease) = held();
    let mut wait = queue_normal(&lock);
    drop(lease);
    let lease = wait.lease();
    let before = lock.snapshot();
    drop(wait);
    assert_eq!(lock.snapshot(), before);
    drop(lease);
}

/// A leaked lease is safe, and visible for ever.
#[test]
fn a_forgotten_lease_stays_visible() {
    let lock = ModelLock::new(["engine"], Policy::default());
    let lease = lock.try_acquire(Ask::new(Class::Background).tag(5).client(9)).expect("the lane is free");
    let ticket = lease.ticket();
    mem::forget(lease);
    let state = LaneState::Leased { ticket, class: Class::Background, tag: 5, client: Some(9) };
    assert_eq!(lock.snapshot().lanes[0].state, state);
}

/// So is a granted wait that nobody polls.
#[test]
fn an_unclaimed_grant_is_visible() {
    let (lock, lease) = held();
    let wait = queue(&lock, Ask::new(Class::Interactive).tag(9));
    drop(lease);
    let snapshot = lock.snapshot();
    let LaneState::Granted { ticket, class, tag, .. } = snapshot.lanes[0].state else { panic!("{snapshot:?}") };
    assert_eq!((ticket.get(), class, tag), (2, Class::Interactive, 9));
    assert_eq!(lock.counts().waiting, 0);
    drop(wait);
}
