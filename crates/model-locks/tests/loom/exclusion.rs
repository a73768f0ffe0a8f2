//! Who is inside: at most one holder a lane, whoever comes and however.

use loom::thread;
use model_locks::Ask;
use model_locks::Class;

use crate::support::{Bound, assert_idle, block_once, counting, engines, held, join, model, poll, use_once};

/// Two requests for one model.
#[test]
fn exclusion_2() {
    model("exclusion, 2 threads", Bound::Complete, || {
        let lock = engines::<1>();
        let handle = lock.clone();
        let other = thread::spawn(move || use_once(&handle));
        use_once(&lock);
        join(other);
        assert_idle(&lock, 1);
    });
}

/// Three requests for one model, each a worker thread that blocks.
#[test]
fn exclusion_3() {
    model("exclusion, 3 threads", Bound::Complete, || {
        let lock = engines::<1>();
        let handles = [lock.clone(), lock.clone()];
        let others = handles.map(|handle| thread::spawn(move || block_once(&handle)));
        block_once(&lock);
        let [(), ()] = others.map(join);
        assert_idle(&lock, 1);
    });
}

/// The same as tasks. The executor of the checker also wakes them for no reason, so this is complete in principle, but only
/// after many minutes.
#[test]
fn exclusion_3_tasks() {
    model("exclusion, 3 tasks", Bound::Preemptions(5), || {
        let lock = engines::<1>();
        let handles = [lock.clone(), lock.clone()];
        let others = handles.map(|handle| thread::spawn(move || use_once(&handle)));
        use_once(&lock);
        let [(), ()] = others.map(join);
        assert_idle(&lock, 1);
    });
}

/// Three requests for a model with two lanes.
#[test]
fn two_lanes() {
    model("two lanes, 3 threads", Bound::Complete, || {
        let lock = engines::<2>();
        let handles = [lock.clone(), lock.clone()];
        let others = handles.map(|handle| thread::spawn(move || use_once(&handle)));
        use_once(&lock);
        let [(), ()] = others.map(join);
        assert_idle(&lock, 2);
    });
}

/// Two requests that each come twice, so that lanes go back and forth.
#[test]
fn two_rounds() {
    model("exclusion, 2 threads, 2 rounds", Bound::Complete, || {
        let lock = engines::<1>();
        let handle = lock.clone();
        let other = thread::spawn(move || {
            use_once(&handle);
            use_once(&handle);
        });
        use_once(&lock);
        use_once(&lock);
        join(other);
        assert_idle(&lock, 1);
    });
}

/// A blocking request (a worker thread) and an asynchronous one wait for the same holder.
#[test]
fn blocking_and_asynchronous() {
    model("blocking and asynchronous", Bound::Complete, || {
        let (lock, lease) = held();
        let (blocks, awaits) = (lock.clone(), lock.clone());
        let blocking = thread::spawn(move || block_once(&blocks));
        let asynchronous = thread::spawn(move || use_once(&awaits));
        drop(lease);
        join(blocking);
        join(asynchronous);
        assert_idle(&lock, 1);
    });
}

/// A request that does not wait tries its luck while the lane is handed over: it must not take the lane from the waiter.
#[test]
fn try_against_hand_over() {
    model("try against hand-over", Bound::Complete, || {
        let (lock, lease) = held();
        let (_, waker) = counting();
        let mut wait = lock.acquire(Ask::new(Class::Background));
        assert!(poll(&mut wait, &waker).is_pending());

        let handle = lock.clone();
        let trying = thread::spawn(move || handle.try_acquire(Ask::new(Class::Interactive)).is_err());
        drop(lease);
        assert!(join(trying), "somebody overtook a waiter");
        assert!(poll(&mut wait, &waker).is_ready());
    });
}
