//! Locks that close, and holders that panic, in the middle of things.

use model_locks::model::unwinding;
use model_locks::{AcquireError, Ask, ModelLock, Policy, TryAcquireError};
use shuttle::future::block_on;
use shuttle::thread;

use crate::support::{Watch, any_class, assert_idle, below, chance, explore, poll_once, threads};

/// Five clients, one who closes, and one who waits for the end. After the end no lane is out, and none goes out again.
#[test]
fn closing_in_the_rush_hour() {
    explore("closing in the rush hour", || {
        let (lock, watch) = (ModelLock::new([0, 1], Policy::default()), Watch::default());
        let last = lock.clone();
        let end = thread::spawn(move || {
            block_on(last.closed());
            assert_idle(&last, 2);
            let refused = last.try_acquire(Ask::default()).map(drop);
            assert_eq!(refused, Err(TryAcquireError::Closed));
        });
        let closer = lock.clone();
        let closing = thread::spawn(move || {
            (0..below(6)).for_each(|_| thread::yield_now());
            closer.close();
            assert_eq!(closer.counts().waiting, 0, "nobody waits once `close` has returned");
        });
        let handle = lock.clone();
        threads(5, move |client| {
            for _ in 0..3 {
                let ask = Ask::new(any_class()).tag(client);
                let mut wait = handle.acquire(ask);
                if chance(3) {
                    drop(poll_once(&mut wait));
                    continue;
                }
                match block_on(wait) {
                    Ok(lease) => watch.hold(&lease),
                    Err(error) => assert_eq!(error, AcquireError::Closed),
                }
            }
        });
        closing.join().expect("a panic ends the model");
        end.join().expect("a panic ends the model");
    });
}

/// Five clients, of whom one panics in its hold: its lane stays out of service, and the others go on with the second.
#[test]
fn a_panic_among_many_holders() {
    explore("a panic among many holders", || {
        let (lock, watch) = (ModelLock::new([0, 1], Policy::default()), Watch::default());
        let handle = lock.clone();
        threads(5, move |client| {
            for _ in 0..3 {
                let lease = handle.blocking_acquire(Ask::new(any_class()).tag(client)).expect("one lane is sound");
                watch.hold(&lease);
                if client == 0 {
                    unwinding(|| drop(lease));
                    return;
                }
            }
        });
        let counts = lock.counts();
        assert_eq!((counts.free, counts.quarantined), (1, 1));
        lock.repair().expect("one lane is in quarantine").finish();
        assert_idle(&lock, 2);
    });
}
