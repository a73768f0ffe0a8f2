//! Lanes that come, leave and are broken while many want them.

use model_locks::{Ask, ModelLock, Policy};
use shuttle::future::block_on;
use shuttle::thread;

use crate::support::{Watch, any_class, assert_idle, below, chance, explore, poll_once, threads};

/// Five clients of two lanes, and two hosts who load a third lane and unload one that may be held, promised, wanted by the
/// other host or gone. Sometimes they think better of it. No lane is lost on its way, and every client is served.
#[test]
fn lanes_come_and_go_under_load() {
    explore("lanes come and go under load", || {
        let (lock, watch) = (ModelLock::new([0, 1], Policy::default()), Watch::default());
        let handle = lock.clone();
        let host = move |number: u64| {
            let mut taken = 0;
            for _ in 0..2 {
                handle.add_lane(10 + number).expect("the lock is open");
                let lanes = handle.snapshot().lanes;
                let mut take = handle.take_lane(lanes[below(lanes.len())].id);
                if chance(3) {
                    // Called off, unless the lane was home. It stays in service.
                    taken += usize::from(matches!(poll_once(&mut take), std::task::Poll::Ready(Some(_))));
                } else {
                    taken += usize::from(block_on(take).is_some());
                }
            }
            taken
        };
        let hosts = [0, 1].map(|number| {
            let host = host.clone();
            thread::spawn(move || host(number))
        });
        let handle = lock.clone();
        threads(5, move |client| {
            for turn in 0..3 {
                let ask = Ask::new(any_class()).tag(client);
                let lease = if turn == 1 { block_on(handle.acquire(ask)) } else { handle.blocking_acquire(ask) };
                watch.hold(&lease.expect("a lane that leaves was not the last: each host loads one before"));
            }
        });
        let taken = hosts.map(|host| host.join().expect("a panic ends the model"));
        assert_idle(&lock, 6 - taken.iter().sum::<usize>());
    });
}

/// Lanes break, are repaired, retired or taken out broken, while four clients go on with what is left. One sound lane stays.
#[test]
fn broken_lanes_are_repaired_or_taken() {
    explore("broken lanes are repaired or taken", || {
        let (lock, watch) = (ModelLock::new([0, 1, 2], Policy::default()), Watch::default());
        let stays = lock.snapshot().lanes[0].id;
        let handle = lock.clone();
        let gone = threads(4, move |client| {
            let mut gone = 0;
            for _ in 0..3 {
                let ask = Ask::new(any_class()).tag(client).prefer(stays);
                let lease = handle.blocking_acquire(ask).expect("one lane is sound");
                watch.hold(&lease);
                let lane = lease.lane();
                if lane == stays || chance(2) {
                    continue;
                }
                lease.quarantine("broken");
                gone += match below(3) {
                    0 => usize::from(handle.repair().map(|repair| repair.retire()).is_some()),
                    1 => usize::from(block_on(handle.take_lane(lane)).is_some()),
                    _ => {
                        handle.repair().into_iter().for_each(|repair| repair.finish());
                        0
                    }
                };
            }
            gone
        });
        while let Some(repair) = lock.repair() {
            repair.finish();
        }
        assert_idle(&lock, 3 - gone.iter().sum::<usize>());
    });
}
