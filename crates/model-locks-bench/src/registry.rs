//! Which lock belongs to this name?

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, RwLock};
use std::thread;

use model_locks::{ModelLock, ModelLocks, Policy};

use crate::contest::{Contest, Results};

pub(crate) const ONE: &str = "registry look-up, one thread";
pub(crate) const TWO: &str = "registry look-up, two threads";
pub(crate) const OURS: &str = "ModelLocks::get";
pub(crate) const MAP: &str = "RwLock<HashMap>";
const OPERATIONS: u32 = 20_000;
const ROUNDS: usize = 51;

pub(crate) fn run(results: &mut Results) {
    let names = (0..8).map(|number| format!("vendor/model-{number}b-instruct")).collect::<Vec<_>>();
    let ours = ModelLocks::<String, u64>::new();
    let lock = || ModelLock::new([0], Policy::default());
    for name in &names {
        ours.insert(name.clone(), lock()).expect("the name is free");
    }
    let map = RwLock::new(names.iter().map(|name| (name.clone(), lock())).collect::<HashMap<_, _>>());
    let handle = Arc::new(lock());
    let asked = names[5].as_str();

    let of_ours = || drop(black_box(ours.get(black_box(asked)).expect("it was entered")));
    let of_map = || drop(black_box(map.read().expect("no writer panics").get(black_box(asked)).cloned()));
    let of_handle = || drop(black_box(Arc::clone(black_box(&handle))));
    let contests = [Contest::new(ONE, ROUNDS, OPERATIONS), Contest::of_threads(TWO, 4 * ROUNDS, OPERATIONS)];
    for (mut contest, threads) in contests.into_iter().zip(1..) {
        contest.add(MAP, || repeat(threads, &of_map));
        contest.add(OURS, || repeat(threads, &of_ours));
        contest.add("a handle, cloned", || repeat(threads, &of_handle));
        contest.run(MAP, results);
    }
}

/// The time of one is shown, however many threads do it at once.
fn repeat(threads: usize, operation: &(impl Fn() + Sync)) {
    let all = || (0..OPERATIONS).for_each(|_| operation());
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(all)));
        all();
    });
}
