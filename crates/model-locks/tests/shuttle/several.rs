//! Three locks and many who want two or three of them, in any order.

use model_locks::{Ask, ModelLock, Policy, acquire_all, blocking_acquire_all};
use shuttle::future::block_on;

use crate::support::{Watch, any_class, assert_idle, below, explore, poll_once, threads};

fn any_order() -> [usize; 3] {
    let mut order = [0, 1, 2];
    (1..3).for_each(|at| order.swap(at, below(at + 1)));
    order
}

/// Six clients. Some wait as tasks and some as threads, some leave half-way, some want one lock only. A circle would be a
/// deadlock, and a lane that a leaver has taken and not given back would be missed in the end.
#[test]
fn many_want_several_locks() {
    explore("many want several locks", || {
        let locks = [(); 3].map(|()| ModelLock::new([0], Policy::default()));
        let watches = [(); 3].map(|()| Watch::default());
        let handles = locks.clone();
        threads(6, move |client| {
            for _ in 0..3 {
                let order = any_order();
                let wanted = &order[..1 + below(3)];
                let asks = wanted.iter().map(|&at| (&handles[at], Ask::new(any_class()).tag(client)));
                let leases = match below(3) {
                    0 => blocking_acquire_all(asks),
                    1 => block_on(acquire_all(asks)),
                    _ => {
                        drop(poll_once(&mut acquire_all(asks)));
                        continue;
                    }
                };
                for (lease, &at) in leases.expect("all are open").iter().zip(wanted) {
                    watches[at].hold(lease);
                }
            }
        });
        locks.iter().for_each(|lock| assert_idle(lock, 1));
    });
}

/// The same three locks, of which one is closed in the middle: whoever needs it is refused and gives the others back.
#[test]
fn one_of_several_locks_is_closed() {
    explore("one of several locks is closed", || {
        let locks = [(); 3].map(|()| ModelLock::new([0], Policy::default()));
        let handles = locks.clone();
        let served = threads(6, move |client| {
            if client == 0 {
                handles[1].close();
            }
            let asks = any_order().map(|at| (&handles[at], Ask::default().tag(client)));
            usize::from(blocking_acquire_all(asks).is_ok())
        });
        assert_eq!(served[0], 0, "it had closed one itself");
        locks.iter().for_each(|lock| assert_idle(lock, 1));
        assert!(locks[1].take_lanes().is_some(), "closed, and its lane is home");
    });
}
