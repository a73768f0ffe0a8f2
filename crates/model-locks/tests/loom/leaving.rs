//! Waits that end early or move, against the hand-over that may be under way to them.

use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering;
use loom::thread;
use model_locks::Ask;
use std::pin::pin;
use std::sync::Arc as StdArc;
use std::task::Context;
use std::task::Poll;

use crate::support::{Bound, assert_idle, block_once, counting, held, join, model, poll};

/// A client leaves (its wait is polled once and dropped, as by a deadline) while the holder finishes. The lane must come
/// home whichever happens first.
#[test]
fn cancel_against_hand_over_2() {
    model("cancel against hand-over, 2 threads", Bound::Complete, || {
        let (lock, lease) = held();
        let handle = lock.clone();
        let leaver = thread::spawn(move || {
            let (_, waker) = counting();
            drop(poll(&mut handle.acquire(Ask::default()), &waker));
        });
        drop(lease);
        join(leaver);
        assert_idle(&lock, 1);
    });
}

/// The same with a third request behind the one that leaves: it must be served. Its thread sleeps for ever if the lane is
/// lost or the wake-up is.
#[test]
fn cancel_against_hand_over_3() {
    model("cancel against hand-over, 3 threads", Bound::Complete, || {
        let (lock, lease) = held();
        let handles = [lock.clone(), lock.clone()];
        let [leaves, stays] = handles;
        let leaver = thread::spawn(move || {
            let (_, waker) = counting();
            drop(poll(&mut leaves.acquire(Ask::default()), &waker));
        });
        let stayer = thread::spawn(move || block_once(&stays));
        drop(lease);
        join(leaver);
        join(stayer);
        assert_idle(&lock, 1);
    });
}

/// The holder finishes while the first of two queued requests is dropped by another thread: a connection that closes just
/// when its turn comes. The second must be woken exactly once, and be granted.
#[test]
fn grant_against_drop_of_the_waiter() {
    model("grant against drop of the waiter", Bound::Complete, || {
        let (lock, lease) = held();
        let (_, first_waker) = counting();
        let (woken, second_waker) = counting();
        let mut first = lock.acquire(Ask::default());
        let mut second = lock.acquire(Ask::default());
        assert!(poll(&mut first, &first_waker).is_pending());
        assert!(poll(&mut second, &second_waker).is_pending());

        let leaver = thread::spawn(move || drop(first));
        drop(lease);
        join(leaver);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        let Poll::Ready(Ok(lease)) = poll(&mut second, &second_waker) else { panic!("passed over") };
        drop(lease);
        assert_idle(&lock, 1);
    });
}

/// A wait moves to another task, and so to another waker, while the lane comes home. It must see the grant, or the new
/// waker must be woken.
#[test]
fn waker_change_against_hand_over() {
    model("waker change against hand-over", Bound::Complete, || {
        let (lock, lease) = held();
        let (_, early) = counting();
        let (woken, late) = counting();
        let mut wait = lock.acquire(Ask::default());
        assert!(poll(&mut wait, &early).is_pending());

        let holder = thread::spawn(move || drop(lease));
        let seen = poll(&mut wait, &late);
        join(holder);
        assert!(seen.is_ready() || woken.0.load(Ordering::SeqCst) == 1, "granted unnoticed");
        drop(seen);
        drop(wait);
        assert_idle(&lock, 1);
    });
}

/// A deadline passes (another thread says so) while the lane is handed over: whoever waits takes one last look and leaves.
/// The lane is used or passed on.
#[test]
fn deadline_against_hand_over() {
    model("deadline against hand-over", Bound::Complete, || {
        let (lock, lease) = held();
        let over = StdArc::new(AtomicUsize::new(0));
        let (clock, handle) = (StdArc::clone(&over), lock.clone());
        let deadline = thread::spawn(move || clock.store(1, Ordering::SeqCst));
        let request = thread::spawn(move || {
            let (_, waker) = counting();
            let mut wait = pin!(handle.acquire(Ask::default()));
            let mut context = Context::from_waker(&waker);
            let first = wait.as_mut().poll(&mut context);
            if first.is_pending() && over.load(Ordering::SeqCst) == 1 {
                drop(wait.as_mut().poll(&mut context));
            }
        });
        drop(lease);
        join(deadline);
        join(request);
        assert_idle(&lock, 1);
    });
}
