//! Order, classes, the bound, and no barging.

use std::sync::Arc;
use std::task::Waker;

use model_locks::{AcquireError, Ask, Class, ModelLock, Policy, TryAcquireError};

use crate::support::{Count, Task, held, held_with, queue, queue_normal};

/// Method: three wait; each release must wake exactly the next and nobody else.
#[test]
fn lanes_are_granted_in_order_of_arrival() {
    let (lock, lease) = held();
    let mut waits = [queue_normal(&lock), queue_normal(&lock), queue_normal(&lock)];

    drop(lease);
    for turn in 0..3 {
        let wakes: Vec<usize> = waits.iter().map(Task::wakes).collect();
        let expected: Vec<usize> = (0..3).map(|wait| usize::from(wait <= turn)).collect();
        assert_eq!(wakes, expected, "turn {turn}");
        for behind in &mut waits[turn + 1..] {
            assert!(behind.poll().is_pending(), "somebody was served before their turn");
        }
        drop(waits[turn].lease());
    }
    assert_eq!(lock.counts().free, 1);
}

/// A future takes its place when it is first polled, not when it is made.
#[test]
fn the_first_poll_counts_and_not_the_call() {
    let (lock, lease) = held();
    let mut made_first = Task::new(lock.acquire(Ask::default()));
    let mut polled_first = queue_normal(&lock);
    assert_eq!(lock.counts().waiting, 1, "an unpolled future has asked for nothing");
    assert!(made_first.poll().is_pending());

    drop(lease);
    assert!(made_first.poll().is_pending());
    drop(polled_first.lease());
    drop(made_first.lease());
}

#[test]
fn dropping_an_unpolled_future_does_nothing() {
    let lock = ModelLock::new([1], Policy::default());
    let before = lock.snapshot();
    drop(lock.acquire(Ask::default()));
    assert_eq!(lock.snapshot(), before);
}

#[test]
fn tickets_rise_by_one_and_the_lease_knows_its_ask() {
    let lock = ModelLock::new(['a'], Policy::default());
    for number in 1..=3 {
        let lease = lock.try_acquire(Ask::new(Class::Background).tag(90 + number)).expect("the lane is free");
        assert_eq!(lease.ticket().get(), number);
        assert_eq!(lease.tag(), 90 + number);
        assert_eq!(lease.class(), Class::Background);
        assert_eq!(lease.lane().get(), 0);
        assert_eq!(*lease, 'a');
    }
}

/// Method: the lane is released once per waiter, and the order of service is compared with the order of class.
#[test]
fn a_higher_class_goes_first() {
    let (lock, lease) = held();
    let mut background = queue(&lock, Ask::new(Class::Background));
    let mut normal = queue(&lock, Ask::new(Class::Normal));
    let mut interactive = queue(&lock, Ask::new(Class::Interactive));

    drop(lease);
    assert_eq!((interactive.wakes(), normal.wakes(), background.wakes()), (1, 0, 0));
    drop(interactive.lease());
    assert_eq!((normal.wakes(), background.wakes()), (1, 0));
    drop(normal.lease());
    drop(background.lease());
}

/// Method: an endless line of interactive asks; the waiter below must be served after exactly as many as its bound.
#[test]
fn the_head_of_a_class_is_passed_over_as_often_as_its_bound_says() {
    for (class, bound) in [(Class::Normal, 4), (Class::Background, 16)] {
        let (lock, mut lease) = held();
        let mut below = queue(&lock, Ask::new(class));
        let mut passed_over = 0;
        loop {
            let mut above = queue(&lock, Ask::new(Class::Interactive));
            drop(lease);
            if below.wakes() == 1 {
                break;
            }
            passed_over += 1;
            assert!(passed_over <= bound, "{class:?} is passed over for ever");
            lease = above.lease();
        }
        assert_eq!(passed_over, bound, "{class:?}");
        drop(below.lease());
    }
}

/// With two classes due at once, the lower goes first and the other right after it.
#[test]
fn of_two_classes_that_are_due_the_lower_goes_first() {
    let policy = Policy { bypass_max: [0, 1, 1], ..Policy::default() };
    let (lock, lease) = held_with(policy);
    let mut interactive = [queue(&lock, Ask::new(Class::Interactive)), queue(&lock, Ask::new(Class::Interactive))];
    let mut normal = queue(&lock, Ask::new(Class::Normal));
    let mut background = queue(&lock, Ask::new(Class::Background));

    drop(lease);
    drop(interactive[0].lease());
    drop(background.lease());
    drop(normal.lease());
    drop(interactive[1].lease());
}

/// Method: classes and tags of a mixed queue, then service in fact; the snapshot must have foretold it.
#[test]
fn the_snapshot_lists_waiters_in_the_order_of_service() {
    let policy = Policy { bypass_max: [0, 2, 3], ..Policy::default() };
    let (lock, lease) = held_with(policy);
    let classes = [2, 0, 1, 0, 0, 1, 2, 0, 0].map(|class| Class::ALL[class]);
    let mut waits: Vec<_> =
        (0..).zip(classes).map(|(tag, class)| (tag, queue(&lock, Ask::new(class).tag(tag)))).collect();
    let foretold: Vec<u64> = lock.snapshot().waiting.iter().map(|waiter| waiter.tag).collect();
    assert!(lock.snapshot().waiting.iter().enumerate().all(|(at, waiter)| waiter.position == at));

    let mut served = Vec::new();
    drop(lease);
    while let Some(at) = waits.iter().position(|(_, wait)| wait.wakes() == 1) {
        let (tag, mut wait) = waits.remove(at);
        served.push(tag);
        drop(wait.lease());
    }
    assert_eq!(served, foretold);
    assert_eq!(served.len(), 9);
}

/// One more than the bound is refused at once, changes nothing, and may come back later.
#[test]
fn one_too_many_is_refused_at_once() {
    let (lock, lease) = held_with(Policy { queue_max: 2, ..Policy::default() });
    let mut first = queue_normal(&lock);
    let _second = queue_normal(&lock);
    let before = lock.snapshot();

    let mut third = Task::new(lock.acquire(Ask::new(Class::Interactive)));
    assert_eq!(third.refusal(), AcquireError::QueueFull { waiting: 2, limit: 2 });
    assert_eq!(lock.blocking_acquire(Ask::default()).unwrap_err(), AcquireError::QueueFull { waiting: 2, limit: 2 });
    assert_eq!(lock.snapshot(), before);

    // Whoever has been granted a lane no longer waits.
    drop(lease);
    let _fourth = queue_normal(&lock);
    drop(first.lease());
}

#[test]
fn without_a_queue_only_a_free_lane_is_granted() {
    let (lock, lease) = held_with(Policy { queue_max: 0, ..Policy::default() });
    let mut wait = Task::new(lock.acquire(Ask::default()));
    assert_eq!(wait.refusal(), AcquireError::QueueFull { waiting: 0, limit: 0 });
    drop(lease);
    drop(Task::new(lock.acquire(Ask::default())).lease());
    drop(lock.blocking_acquire(Ask::default()).expect("the lane is free"));
}

/// Method: a lane comes home while somebody waits. It belongs to the waiter, who has not been polled yet.
#[test]
fn try_acquire_does_not_overtake() {
    let (lock, lease) = held();
    let mut wait = queue_normal(&lock);
    assert_eq!(lock.try_acquire(Ask::default()).unwrap_err(), TryAcquireError::Busy);
    drop(lease);
    assert_eq!(lock.try_acquire(Ask::new(Class::Interactive)).unwrap_err(), TryAcquireError::Busy);
    assert!(Task::new(lock.acquire(Ask::new(Class::Interactive))).poll().is_pending());

    drop(wait.lease());
    drop(lock.try_acquire(Ask::default()).expect("nobody waits any more"));
}

/// A first poll that finds a free lane must not touch the waker.
#[test]
fn a_free_lane_needs_no_waker() {
    let lock = ModelLock::new([1], Policy::default());
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let held_before = Arc::strong_count(&count);
    let mut wait = Task::new(lock.acquire(Ask::default()));
    let lease = wait.poll_with(&waker);
    assert!(lease.is_ready());
    assert_eq!(Arc::strong_count(&count), held_before, "the lock keeps a waker");
}

/// Method: polled with one waker and then with another; only the second may be woken. The first is let go.
#[test]
fn the_latest_waker_is_woken() {
    let (lock, lease) = held();
    let mut wait = Task::new(lock.acquire(Ask::default()));
    let (early, late) = (Arc::new(Count::default()), Arc::new(Count::default()));
    assert!(wait.poll_with(&Waker::from(Arc::clone(&early))).is_pending());
    assert!(wait.poll_with(&Waker::from(Arc::clone(&late))).is_pending());
    assert_eq!(Arc::strong_count(&early), 1, "the old waker is dropped");

    drop(lease);
    assert_eq!((early.get(), late.get()), (0, 1));
    assert_eq!(Arc::strong_count(&late), 1, "a woken waker is used up");
    drop(wait.lease());
}

#[test]
fn a_spurious_poll_changes_nothing() {
    let (lock, lease) = held();
    let mut first = queue_normal(&lock);
    let mut second = queue_normal(&lock);
    let before = lock.snapshot();
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending());
    assert_eq!(lock.snapshot(), before);
    drop(lease);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
}

#[test]
#[should_panic(expected = "polled after it has returned")]
fn polling_after_the_end_panics() {
    let lock = ModelLock::new([1], Policy::default());
    let mut wait = Task::new(lock.acquire(Ask::default()));
    drop(wait.lease());
    let _ = wait.poll();
}
