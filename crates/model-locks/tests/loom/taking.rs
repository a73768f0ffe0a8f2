//! Lanes that leave and asks that are replaced, while lanes come home.

use loom::future::block_on;
use loom::sync::atomic::Ordering;
use loom::thread;
use model_locks::AcquireError;
use model_locks::Ask;
use model_locks::Counts;
use std::task::Poll;

use crate::support::{Bound, Engine, assert_idle, counting, engines, held, join, model, poll};

/// A model is unloaded while its holder finishes: the lane leaves, and only then does it exist nowhere.
#[test]
fn take_against_release() {
    model("take against release", Bound::Complete, || {
        let (lock, lease) = held();
        let lane = lease.lane();
        let holder = thread::spawn(move || drop(lease));
        assert!(block_on(lock.take_lane(lane)).is_some());
        join(holder);
        assert_eq!(lock.counts(), Counts::default());
    });
}

/// The same while a request waits, which another lane must serve that is loaded just then.
#[test]
fn take_against_release_with_a_waiter() {
    model("take against release and a waiter", Bound::Complete, || {
        let (lock, lease) = held();
        let ((_, one), (woken, two)) = (counting(), counting());
        let mut take = lock.take_lane(lease.lane());
        let mut wait = lock.acquire(Ask::default());
        assert!(poll(&mut wait, &two).is_pending());
        assert!(poll(&mut take, &one).is_pending());
        let holder = thread::spawn(move || drop(lease));
        lock.add_lane(Engine::new()).expect("the lock is open");
        join(holder);
        assert!(poll(&mut take, &one).is_ready(), "it has come home");
        let Poll::Ready(Ok(lease)) = poll(&mut wait, &two) else { panic!("nobody serves the waiter") };
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        drop(lease);
    });
}

/// The unloading is called off while the lane comes home. It must stay, and the request that waits must get it.
#[test]
fn call_off_against_release() {
    model("call-off against release", Bound::Complete, || {
        let (lock, lease) = held();
        let (_, waker) = counting();
        let mut take = lock.take_lane(lease.lane());
        assert!(poll(&mut take, &waker).is_pending());
        let (woken, waker) = counting();
        let mut wait = lock.acquire(Ask::default());
        assert!(poll(&mut wait, &waker).is_pending());

        let holder = thread::spawn(move || drop(lease));
        drop(take);
        join(holder);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        let Poll::Ready(Ok(lease)) = poll(&mut wait, &waker) else { panic!("the lane went astray") };
        drop(lease);
        assert_idle(&lock, 1);
    });
}

/// Two threads want the same lane while it comes home: one of them gets it.
#[test]
fn two_takers() {
    model("two takers", Bound::Complete, || {
        let (lock, lease) = held();
        let (lane, handle) = (lease.lane(), lock.clone());
        let other = thread::spawn(move || block_on(handle.take_lane(lane)).is_some());
        drop(lease);
        let first = block_on(lock.take_lane(lane)).is_some();
        assert!(first != join(other), "both or neither");
    });
}

/// A taker moves to another task while the lane comes home.
#[test]
fn taker_waker_change_against_release() {
    model("taker: waker change against release", Bound::Complete, || {
        let (lock, lease) = held();
        let (_, early) = counting();
        let (woken, late) = counting();
        let mut take = lock.take_lane(lease.lane());
        assert!(poll(&mut take, &early).is_pending());
        let holder = thread::spawn(move || drop(lease));
        let seen = poll(&mut take, &late).is_ready();
        join(holder);
        assert!(seen || woken.0.load(Ordering::SeqCst) == 1, "it came home unnoticed");
    });
}

/// The last lane is fetched from a lock while it is closed, by one that then waits for the end.
#[test]
fn end_against_take() {
    model("end against take", Bound::Complete, || {
        let (lock, lease) = held();
        let (_, waker) = counting();
        let mut take = lock.take_lane(lease.lane());
        assert!(poll(&mut take, &waker).is_pending());
        drop(lease);
        let taker = thread::spawn(move || drop(poll(&mut take, &waker)));
        block_on(lock.drain());
        join(taker);
        assert!(lock.take_lanes().is_some());
    });
}

/// A newer request replaces the one that waits while the lane is handed to it: it is granted or told, and both end.
#[test]
fn supersede_against_hand_over() {
    model("supersede against hand-over", Bound::Complete, || {
        let (lock, lease) = held();
        let ask = Ask::default().supersede(1);
        let (woken, waker) = counting();
        let mut old = lock.acquire(ask);
        assert!(poll(&mut old, &waker).is_pending());
        let handle = lock.clone();
        let newer = thread::spawn(move || block_on(handle.acquire(ask)).expect("the lock is open").enter());
        drop(lease);
        match poll(&mut old, &waker) {
            Poll::Ready(Ok(lease)) => drop(lease),
            Poll::Ready(Err(error)) => assert_eq!(error, AcquireError::Superseded),
            Poll::Pending => panic!("neither granted nor told"),
        }
        join(newer);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "granted or replaced, and told so once");
        assert_idle(&lock, 1);
    });
}

/// Two lanes come home and are asked for by preference, by two requests that prefer the same one.
#[test]
fn two_that_prefer_one_lane() {
    model("two that prefer one lane", Bound::Complete, || {
        let lock = engines::<2>();
        let ask = Ask::default().prefer(lock.snapshot().lanes[1].id);
        let handle = lock.clone();
        let other = thread::spawn(move || handle.try_acquire(ask).expect("two lanes for two").enter());
        lock.try_acquire(ask).expect("two lanes for two").enter();
        join(other);
        assert_idle(&lock, 2);
    });
}
