//! The end: close against those who come, wait, leave and finish.

use loom::future::block_on;
use loom::sync::atomic::Ordering;
use loom::thread;
use model_locks::AcquireError;
use model_locks::Ask;
use std::task::Poll;

use crate::support::{Bound, assert_idle, counting, engines, held, join, model, poll};

/// An operator closes the model while a request arrives: it is served or refused, and the end comes.
#[test]
fn close_against_acquire() {
    model("close against acquire", Bound::Complete, || {
        let lock = engines::<1>();
        let handle = lock.clone();
        let request = thread::spawn(move || match block_on(handle.acquire(Ask::default())) {
            Ok(mut lease) => lease.enter(),
            Err(error) => assert_eq!(error, AcquireError::Closed),
        });
        lock.close();
        block_on(lock.closed());
        join(request);
        assert_idle(&lock, 1);
    });
}

/// The model is closed while its holder finishes and a request waits.
#[test]
fn close_against_release_with_a_waiter() {
    model("close against release and a waiter", Bound::Complete, || {
        let (lock, lease) = held();
        let (woken, waker) = counting();
        let mut wait = lock.acquire(Ask::default());
        assert!(poll(&mut wait, &waker).is_pending());

        let holder = thread::spawn(move || drop(lease));
        lock.close();
        join(holder);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "granted or refused, and told so once");
        match poll(&mut wait, &waker) {
            Poll::Ready(Ok(lease)) => drop(lease),
            Poll::Ready(Err(error)) => assert_eq!(error, AcquireError::Closed),
            Poll::Pending => panic!("neither granted nor refused"),
        }
        block_on(lock.closed());
        assert_idle(&lock, 1);
    });
}

/// The model is closed while a queued request leaves and the holder finishes. The end must come, and nobody may be left
/// with the lane.
#[test]
fn close_against_cancel_and_release() {
    model("close against cancel and release", Bound::Complete, || {
        let (lock, lease) = held();
        let (_, waker) = counting();
        let mut wait = lock.acquire(Ask::default());
        assert!(poll(&mut wait, &waker).is_pending());

        let leaver = thread::spawn(move || drop(wait));
        let holder = thread::spawn(move || drop(lease));
        lock.close();
        block_on(lock.closed());
        join(leaver);
        join(holder);
        assert_idle(&lock, 1);
    });
}

/// The end is awaited by one thread while another closes and a third returns the last lane.
#[test]
fn end_against_release() {
    model("end against release", Bound::Complete, || {
        let (lock, lease) = held();
        let handle = lock.clone();
        let holder = thread::spawn(move || drop(lease));
        let closer = thread::spawn(move || handle.close());
        block_on(lock.closed());
        assert_idle(&lock, 1);
        join(holder);
        join(closer);
    });
}

/// One that waits for the end moves to another task, and so to another waker, while the last lane comes home.
#[test]
fn end_waker_change_against_release() {
    model("end: waker change against release", Bound::Complete, || {
        let (lock, lease) = held();
        lock.close();
        let (_, early) = counting();
        let (woken, late) = counting();
        let mut end = lock.closed();
        assert!(poll(&mut end, &early).is_pending());

        let holder = thread::spawn(move || drop(lease));
        let seen = poll(&mut end, &late).is_ready();
        join(holder);
        assert!(seen || woken.0.load(Ordering::SeqCst) == 1, "the end came unnoticed");
    });
}
