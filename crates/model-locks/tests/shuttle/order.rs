//! Who came first, as an observer sees it: what a snapshot shows must agree with the tickets that follow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use model_locks::{Ask, Class, ModelLock, Policy, Snapshot};
use shuttle::thread;

use crate::support::{any_class, explore, threads};

/// The class and the ticket of each request, by its tag, and what was seen meanwhile.
type History = (BTreeMap<u64, (Class, u64)>, Vec<Snapshot>);

/// `count` requests, one a thread, while another thread takes snapshots.
fn watched(policy: Policy, count: u64, ask: fn(u64) -> Ask) -> History {
    let lock = ModelLock::new([0], policy);
    let granted = Arc::new(Mutex::new(BTreeMap::new()));
    let observed = lock.clone();
    let observer = thread::spawn(move || {
        let look = |_| {
            thread::yield_now();
            observed.snapshot()
        };
        (0..8).map(look).collect::<Vec<_>>()
    });
    let record = Arc::clone(&granted);
    threads(count, move |tag| {
        let lease = lock.blocking_acquire(ask(tag).tag(tag)).expect("the lock is open");
        lease.charge(tag % 3);
        thread::yield_now();
        record.lock().expect("nobody panics with it").insert(tag, (lease.class(), lease.ticket().get()));
    });
    let snapshots = observer.join().expect("a panic ends the model");
    let granted = granted.lock().expect("nobody panics with it").clone();
    assert_eq!(granted.len() as u64, count, "everybody is served");
    (granted, snapshots)
}

/// Method: whoever stands before another of the same class in any snapshot has the lower ticket.
#[test]
fn within_a_class_nobody_overtakes() {
    explore("within a class nobody overtakes", || {
        let (granted, snapshots) = watched(Policy::default(), 6, |_| Ask::new(any_class()));
        for snapshot in snapshots {
            for (at, first) in snapshot.waiting.iter().enumerate() {
                let behind = snapshot.waiting[at + 1..].iter().filter(|other| other.class == first.class);
                for second in behind {
                    assert!(granted[&first.tag].1 < granted[&second.tag].1, "{} overtook {}", second.tag, first.tag);
                }
            }
        }
    });
}

/// The same among the asks of one client, with fair share. Method: three clients of unlike
/// size, whose holders are charged differently.
#[test]
fn with_fair_share_nobody_overtakes_within_a_client() {
    explore("with fair share nobody overtakes within a client", || {
        let policy = Policy { fair_share: true, ..Policy::default() };
        let client = |tag: u64| if tag < 3 { Ask::default().client(tag / 2) } else { Ask::default().client(7) };
        let (granted, snapshots) = watched(policy, 7, client);
        for snapshot in snapshots {
            for (at, first) in snapshot.waiting.iter().enumerate() {
                let behind = snapshot.waiting[at + 1..].iter().filter(|other| other.client == first.client);
                for second in behind {
                    assert!(granted[&first.tag].1 < granted[&second.tag].1, "{} overtook {}", second.tag, first.tag);
                }
            }
        }
    });
}

/// Method: from any snapshot on, the first who waits in the lowest class sees at most as many grants go by as the bound
/// says, and then its own.
#[test]
fn the_head_of_a_class_is_passed_over_so_often_and_no_more() {
    explore("the head of a class is passed over a bounded number of times", || {
        const BOUND: u32 = 2;
        let policy = Policy { bypass_max: [0, 0, BOUND], ..Policy::default() };
        let ask = |tag: u64| Ask::new(if tag < 2 { Class::Background } else { Class::Interactive });
        let (granted, snapshots) = watched(policy, 8, ask);
        for snapshot in snapshots {
            if let Some(head) = snapshot.waiting.iter().find(|waiter| waiter.class == Class::Background) {
                let passed = granted[&head.tag].1 - snapshot.granted_total - 1;
                assert!(passed <= u64::from(BOUND), "the head of its class was passed over {passed} times");
            }
        }
    });
}
