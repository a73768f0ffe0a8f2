//! Everything at once: no lane may be lost, and nobody may sleep for ever (shuttle reports that as a deadlock).

use model_locks::{AcquireError, Ask, ModelLock, Policy, WhenAllQuarantined};
use shuttle::future::block_on;

use crate::support::{Watch, any_class, assert_idle, below, chance, explore, poll_once, threads};

/// One step of a client: it waits as a task or as a thread, does not wait at all, or leaves early.
fn one_request(lock: &ModelLock<u32>, watch: &Watch, tag: u64) {
    let ask = Ask::new(any_class()).tag(tag);
    match below(5) {
        0 => drop(lock.try_acquire(ask).map(|lease| watch.hold(&lease))),
        1 => drop(poll_once(&mut lock.acquire(ask))),
        2 => watch.hold(&lock.blocking_acquire(ask).expect("the lock is open")),
        3 => watch.hold(&block_on(lock.acquire(ask)).expect("the lock is open")),
        // A wait that begins under one waker and goes on under another.
        _ => {
            let mut wait = lock.acquire(ask);
            let lease = match poll_once(&mut wait) {
                std::task::Poll::Ready(answer) => answer,
                std::task::Poll::Pending => block_on(wait),
            };
            watch.hold(&lease.expect("the lock is open"));
        }
    }
}

/// Six clients, two lanes, four requests each.
#[test]
fn requests_of_all_kinds() {
    explore("requests of all kinds", || {
        let (lock, watch) = (ModelLock::new([0, 1], Policy::default()), Watch::default());
        let handle = lock.clone();
        threads(6, move |client| (0..4).for_each(|_| one_request(&handle, &watch, client)));
        assert_idle(&lock, 2);
    });
}

/// Five clients of one lane, five requests each, asleep in turn as threads and as tasks.
#[test]
fn threads_and_tasks_take_turns_at_one_lane() {
    explore("threads and tasks at one lane", || {
        let (lock, watch) = (ModelLock::new([0], Policy::default()), Watch::default());
        let handle = lock.clone();
        threads(5, move |client| {
            for turn in 0..5 {
                let ask = Ask::new(any_class()).tag(client);
                let lease =
                    if (client + turn) % 2 == 0 { handle.blocking_acquire(ask) } else { block_on(handle.acquire(ask)) };
                watch.hold(&lease.expect("the lock is open"));
            }
        });
        assert_idle(&lock, 1);
        assert_eq!(lock.snapshot().granted_total, 25, "each request is granted once");
    });
}

/// Five clients that share two lanes by use, some of whose requests leave: what is counted for whom must
/// agree with who waits and who holds, which the core asserts of itself, and nobody may sleep for ever.
#[test]
fn clients_that_share_and_leave() {
    explore("clients that share and leave", || {
        let policy = Policy { fair_share: true, ..Policy::default() };
        let (lock, watch) = (ModelLock::new([0, 1], policy), Watch::default());
        let handle = lock.clone();
        threads(5, move |client| {
            for _ in 0..3 {
                let ask = Ask::new(any_class()).client(client / 2).tag(client);
                let mut early = handle.acquire(ask);
                let answer = poll_once(&mut early);
                if chance(2) {
                    drop((answer, early));
                    let lease = handle.blocking_acquire(ask).expect("the lock is open");
                    lease.charge(below(4) as u64);
                    watch.hold(&lease);
                    lease.charge(1);
                } else if let std::task::Poll::Ready(answer) = answer {
                    watch.hold(&answer.expect("the lock is open"));
                } else {
                    let lease = block_on(early).expect("the lock is open");
                    lease.charge(below(4) as u64);
                    watch.hold(&lease);
                }
            }
        });
        assert_idle(&lock, 2);
    });
}

/// Seven clients that mostly leave: after one poll, or after two. Whoever stays must be served.
#[test]
fn a_storm_of_cancels() {
    explore("a storm of cancels", || {
        let (lock, watch) = (ModelLock::new([0], Policy::default()), Watch::default());
        let handle = lock.clone();
        threads(7, move |client| {
            for _ in 0..3 {
                if client == 0 {
                    watch.hold(&handle.blocking_acquire(Ask::default()).expect("the lock is open"));
                    continue;
                }
                let mut wait = handle.acquire(Ask::new(any_class()).tag(client));
                if poll_once(&mut wait).is_pending() {
                    shuttle::thread::yield_now();
                    if chance(2) {
                        drop(poll_once(&mut wait));
                    }
                }
            }
        });
        assert_idle(&lock, 1);
    });
}

/// Five clients whose holds sometimes break the lane, and one who repairs. Asks wait while everything is broken.
#[test]
fn lanes_break_and_are_repaired() {
    explore("lanes break and are repaired", || {
        let policy = Policy { when_all_quarantined: WhenAllQuarantined::Wait, ..Policy::default() };
        let (lock, watch) = (ModelLock::new([0, 1], policy), Watch::default());
        let handle = lock.clone();
        threads(5, move |client| {
            for _ in 0..3 {
                let lease = handle.blocking_acquire(Ask::new(any_class()).tag(client)).expect("they wait for repair");
                watch.hold(&lease);
                if chance(3) {
                    // Whoever breaks a lane sends for repair, so no lane stays broken for ever. The one that comes may
                    // find another's, and sometimes gives up at first.
                    lease.quarantine("broken");
                    let mut repair = handle.repair();
                    if chance(4) && repair.is_some() {
                        drop(repair);
                        repair = handle.repair();
                    }
                    repair.into_iter().for_each(|repair| repair.finish());
                }
            }
        });
        while let Some(repair) = lock.repair() {
            repair.finish();
        }
        assert_idle(&lock, 2);
    });
}

/// Six clients and room for two who wait: nobody is refused unless two wait, and nobody else suffers for it.
#[test]
fn a_queue_that_is_often_full() {
    explore("a queue that is often full", || {
        let policy = Policy { queue_max: 2, ..Policy::default() };
        let (lock, watch) = (ModelLock::new([0], policy), Watch::default());
        let handle = lock.clone();
        let served = threads(6, move |client| {
            let requests = (0..3).map(|_| match handle.blocking_acquire(Ask::new(any_class()).tag(client)) {
                Ok(lease) => {
                    watch.hold(&lease);
                    1
                }
                Err(error) => {
                    assert_eq!(error, AcquireError::QueueFull { waiting: 2, limit: 2 });
                    0
                }
            });
            requests.sum::<u64>()
        });
        assert_idle(&lock, 1);
        assert_eq!(lock.snapshot().granted_total, served.iter().sum::<u64>(), "granted is served");
    });
}
