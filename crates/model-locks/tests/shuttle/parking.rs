//! Grants that nobody claims, and asks of which only the newest counts.

use std::collections::BTreeSet;

use model_locks::{AcquireError, Ask, ModelLock, Patience, Policy};
use shuttle::future::block_on;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use shuttle::thread;

use crate::support::{Watch, any_class, assert_idle, below, chance, explore, poll_once, threads};

/// Takes every unclaimed grant back at once.
const NOW: Patience = Patience { report: 0, revoke: 0 };

/// The host's tick, as often as it takes until `done`.
fn ticks(lock: &ModelLock<u32>, done: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (lock, done) = (lock.clone(), Arc::clone(done));
    thread::spawn(move || {
        for now in 0.. {
            let _ = lock.sweep(now, NOW);
            if done.load(Ordering::SeqCst) {
                return;
            }
            thread::yield_now();
        }
    })
}

/// Two futures that are polled once and then kept until everybody else is done, four clients, one lane, and a tick: the
/// clients are served although lanes are granted to the two again and again.
#[test]
fn futures_that_nobody_polls_hold_nobody_up() {
    explore("futures that nobody polls", || {
        let (lock, watch) = (ModelLock::new([0], Policy::default()), Watch::default());
        let lease = lock.try_acquire(Ask::default()).expect("the lane is free");
        let mut kept = [0, 1].map(|tag| lock.acquire(Ask::new(any_class()).tag(tag)));
        kept.iter_mut().for_each(|wait| assert!(poll_once(wait).is_pending()));
        let done = Arc::new(AtomicBool::new(false));
        let tick = ticks(&lock, &done);
        let handle = lock.clone();
        let returning = thread::spawn(move || drop(lease));
        threads(4, move |client| {
            for _ in 0..2 {
                let ask = Ask::new(any_class()).tag(client);
                let lease = if chance(2) { block_on(handle.acquire(ask)) } else { handle.blocking_acquire(ask) };
                watch.hold(&lease.expect("the lock is open"));
            }
        });
        returning.join().expect("a panic ends the model");
        // One of them may have the lane now, unclaimed, and the tick takes it back for the other.
        for wait in kept {
            drop(block_on(wait).expect("the lock is open"));
        }
        done.store(true, Ordering::SeqCst);
        tick.join().expect("a panic ends the model");
        assert_idle(&lock, 1);
    });
}

/// Five clients of two lanes who are slow to look, and may leave instead, under a tick: what is taken back is neither lost
/// nor given twice.
#[test]
fn slow_clients_under_a_tick() {
    explore("slow clients under a tick", || {
        let (lock, watch) = (ModelLock::new([0, 1], Policy::default()), Watch::default());
        let done = Arc::new(AtomicBool::new(false));
        let tick = ticks(&lock, &done);
        let handle = lock.clone();
        threads(5, move |client| {
            for _ in 0..3 {
                let mut wait = handle.acquire(Ask::new(any_class()).tag(client));
                if let std::task::Poll::Ready(lease) = poll_once(&mut wait) {
                    watch.hold(&lease.expect("the lock is open"));
                    continue;
                }
                (0..below(4)).for_each(|_| thread::yield_now());
                if !chance(4) {
                    watch.hold(&block_on(wait).expect("the lock is open"));
                }
            }
        });
        done.store(true, Ordering::SeqCst);
        tick.join().expect("a panic ends the model");
        assert_idle(&lock, 2);
    });
}

/// Six clients, one lane and two keys: asks replace each other, sometimes while their grant is taken back. Each is served
/// or told so, the lane goes to none that was told, and the newest of each key is served.
#[test]
fn a_storm_of_newer_asks() {
    explore("a storm of newer asks", || {
        let (lock, watch) = (ModelLock::new([0], Policy { queue_max: 3, ..Policy::default() }), Watch::default());
        let done = Arc::new(AtomicBool::new(false));
        let tick = ticks(&lock, &done);
        let refused = Arc::new(AtomicU64::new(0));
        let (handle, count) = (lock.clone(), Arc::clone(&refused));
        let served = threads(6, move |client| {
            let mut served = Vec::new();
            for turn in 0..3 {
                let key = (client + turn) % 2;
                let ask = Ask::new(any_class()).tag(client).supersede(key);
                let answer = if chance(2) { block_on(handle.acquire(ask)) } else { handle.blocking_acquire(ask) };
                match answer {
                    Ok(lease) => {
                        watch.hold(&lease);
                        served.push(key);
                    }
                    Err(error) => {
                        assert_eq!(error, AcquireError::Superseded, "two keys never fill a queue of three");
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
            served
        });
        done.store(true, Ordering::SeqCst);
        tick.join().expect("a panic ends the model");
        assert_idle(&lock, 1);
        let served = served.concat();
        assert_eq!(served.len() as u64 + refused.load(Ordering::SeqCst), 18, "each ask ends once");
        let keys = served.into_iter().collect::<BTreeSet<_>>();
        assert_eq!(keys, BTreeSet::from([0, 1]), "nobody replaces the newest");
    });
}
