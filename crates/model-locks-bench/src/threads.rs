//! Two threads that want the lock again and again, and each holds it until the other wants it, too. A fair lock changes
//! hands each time, an unfair one hardly ever, so the unfair ones are there for scale only.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::contest::{Contest, Results};
use crate::peers::*;

pub(crate) const TWO: &str = "2 OS threads";
/// Few, so that there can be many rounds, and all candidates meet the scheduler in all its moods.
const TURNS: u32 = 100;
/// Each candidate runs forty times after each other one.
const ROUNDS: usize = 320;

pub(crate) fn run(results: &mut Results) {
    let mut contest = Contest::of_threads(TWO, ROUNDS, 2 * TURNS);
    add::<Std>(&mut contest);
    add::<ParkingLot>(&mut contest);
    add::<ParkingLotFair>(&mut contest);
    add::<TokioBlocking>(&mut contest);
    add::<TokioBlockingOwned>(&mut contest);
    add::<AsyncBlocking>(&mut contest);
    add::<Ours>(&mut contest);
    add::<OursRef>(&mut contest);
    contest.run(TOKIO_BLOCKING, results);
}

fn add<P: BlockingPeer>(contest: &mut Contest<'_>) {
    let lock = P::new();
    let wanting = AtomicUsize::new(0);
    let leaving = AtomicUsize::new(0);
    contest.add(P::NAME, move || {
        leaving.store(0, Ordering::SeqCst);
        let turns = || {
            for _ in 0..TURNS {
                wanting.fetch_add(1, Ordering::SeqCst);
                let guard = lock.acquire();
                wanting.fetch_sub(1, Ordering::SeqCst);
                while wanting.load(Ordering::SeqCst) + leaving.load(Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
                hold();
                drop(guard);
            }
            leaving.fetch_add(1, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            scope.spawn(turns);
            turns();
        });
    });
}

/// Some work, long enough for the other thread to get from wanting the lock to waiting for it.
fn hold() {
    for turn in 0..100 {
        black_box(turn);
        spin_loop();
    }
}
