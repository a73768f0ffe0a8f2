//! A grant that is taken back against the one it was meant for.

use loom::sync::atomic::Ordering;
use loom::thread;
use model_locks::Ask;
use model_locks::Patience;
use std::task::Poll;

use crate::support::{Bound, assert_idle, counting, held, join, model, poll, sleep_on};

/// Takes every unclaimed grant back at once.
const NOW: Patience = Patience { report: 0, revoke: 0 };

/// The host's tick finds a grant unclaimed just when its task wakes up. Whoever wins, both requests are served.
#[test]
fn revoke_against_claim() {
    model("revoke against claim", Bound::Complete, || {
        let (lock, lease) = held();
        let (_, waker) = counting();
        let mut first = lock.acquire(Ask::default());
        let mut second = lock.acquire(Ask::default());
        assert!(poll(&mut first, &waker).is_pending());
        assert!(poll(&mut second, &waker).is_pending());
        drop(lease);

        let handle = lock.clone();
        let tick = thread::spawn(move || handle.sweep(0, NOW).revoked.len());
        let claim = thread::spawn(move || sleep_on(first).expect("the lock is open").enter());
        sleep_on(second).expect("the lock is open").enter();
        join(tick);
        join(claim);
        assert_idle(&lock, 1);
    });
}

/// The same with a client that leaves just then: the lane is passed on by exactly one of the two.
#[test]
fn revoke_against_drop() {
    model("revoke against drop", Bound::Complete, || {
        let (lock, lease) = held();
        let ((_, waker), (woken, second_waker)) = (counting(), counting());
        let mut first = lock.acquire(Ask::default());
        let mut second = lock.acquire(Ask::default());
        assert!(poll(&mut first, &waker).is_pending());
        assert!(poll(&mut second, &second_waker).is_pending());
        drop(lease);

        let leaver = thread::spawn(move || drop(first));
        let _ = lock.sweep(0, NOW);
        join(leaver);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        let Poll::Ready(Ok(lease)) = poll(&mut second, &second_waker) else { panic!("the lane went astray") };
        drop(lease);
        assert_idle(&lock, 1);
    });
}

/// One that was parked looks again, with another waker, while the lane comes home: it takes it or is woken.
#[test]
fn resume_against_release() {
    model("resume against release", Bound::Complete, || {
        let (lock, lease) = held();
        let ((_, waker), (woken, late)) = (counting(), counting());
        let mut first = lock.acquire(Ask::default());
        let mut second = lock.acquire(Ask::default());
        assert!(poll(&mut first, &waker).is_pending());
        assert!(poll(&mut second, &waker).is_pending());
        drop(lease);
        assert_eq!(lock.sweep(0, NOW).revoked.len(), 1);
        let Poll::Ready(Ok(lease)) = poll(&mut second, &waker) else { panic!("it was passed on") };

        let holder = thread::spawn(move || drop(lease));
        let seen = poll(&mut first, &late);
        join(holder);
        assert!(seen.is_ready() || woken.0.load(Ordering::SeqCst) == 1, "granted unnoticed");
        drop((seen, first));
        assert_idle(&lock, 1);
    });
}
