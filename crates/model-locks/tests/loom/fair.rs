//! What is charged while others come and go.

use loom::future::block_on;
use loom::thread;
use model_locks::Ask;
use model_locks::ModelLock;
use model_locks::Policy;
use std::task::Poll;

use crate::support::{Bound, Engine, assert_idle, counting, join, model, poll};

fn fair<const N: usize>() -> ModelLock<Engine> {
    ModelLock::new([(); N].map(|()| Engine::new()), Policy { fair_share: true, ..Policy::default() })
}

/// A holder counts a token just when another lane comes home. Whichever is first, one waiter gets that lane and the
/// other gets the next: client 1 goes first if it was not charged yet, client 2 if it was.
#[test]
fn charge_against_release() {
    model("charge against release", Bound::Complete, || {
        let lock = fair::<2>();
        let holder = lock.try_acquire(Ask::default().client(1)).expect("a lane is free");
        let other = lock.try_acquire(Ask::default().client(3)).expect("a lane is free");
        let (_, waker) = counting();
        let mut one = lock.acquire(Ask::default().client(1));
        let mut two = lock.acquire(Ask::default().client(2));
        assert!(poll(&mut one, &waker).is_pending());
        assert!(poll(&mut two, &waker).is_pending());

        let release = thread::spawn(move || drop(other));
        holder.charge(1);
        join(release);
        let (first, second) = (poll(&mut one, &waker), poll(&mut two, &waker));
        assert!(first.is_ready() != second.is_ready(), "one lane came home");
        drop(holder);
        let first = if let Poll::Ready(answer) = first { answer } else { block_on(one) };
        let second = if let Poll::Ready(answer) = second { answer } else { block_on(two) };
        first.expect("the lock is open").enter();
        second.expect("the lock is open").enter();
        assert_idle(&lock, 2);
    });
}

/// A holder counts what it uses while another client begins to wait and a third one leaves, each of which changes who
/// is known to the class.
#[test]
fn charge_against_acquire_and_cancel() {
    model("charge against acquire and cancel", Bound::Complete, || {
        let lock = fair::<1>();
        let holder = lock.try_acquire(Ask::default().client(1)).expect("the lane is free");
        let (_, waker) = counting();
        let mut leaver = lock.acquire(Ask::default().client(3));
        assert!(poll(&mut leaver, &waker).is_pending());

        let handle = lock.clone();
        let comer = thread::spawn(move || block_on(handle.acquire(Ask::default().client(2))).map(drop));
        let cancel = thread::spawn(move || drop(leaver));
        holder.charge(2);
        drop(holder);
        join(comer).expect("the lock is open");
        join(cancel);
        assert_idle(&lock, 1);
    });
}
