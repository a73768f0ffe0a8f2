//! A request that panics, and what becomes of the engine it held.
//!
//! `cargo run -p model-locks --example repair`
//!
//! Two engines serve one queue. One request panics in the middle of its work, so nobody knows in what state its engine
//! was left. That engine is kept out of service, with its reason, until somebody has put it in order; the queue goes on
//! with the other one.

use std::panic;
use std::thread;

use model_locks::{AcquireError, Ask, Counts, LaneState, ModelLock, Policy};

#[derive(Debug)]
struct Engine {
    name: &'static str,
    /// Half an answer in here is what the next request would find.
    cache: Vec<String>,
}

impl Engine {
    fn answer(&mut self, prompt: &str) -> usize {
        for word in prompt.split(' ') {
            self.cache.push(word.to_owned());
            assert!(word != "bad", "the engine cannot digest `{word}`");
        }
        self.cache.drain(..).count()
    }
}

fn serve(lock: &ModelLock<Engine>, prompt: &'static str) -> thread::Result<usize> {
    let lock = lock.clone();
    thread::spawn(move || {
        let mut engine = lock.blocking_acquire(Ask::default()).expect("an engine is in service");
        let words = engine.answer(prompt);
        println!("{}: {words} words for `{prompt}`", engine.name);
        words
    })
    .join()
}

fn main() -> Result<(), AcquireError> {
    // The panics are part of the example; one line each will do.
    panic::set_hook(Box::new(|info| {
        println!("a request panics: {}", info.payload().downcast_ref::<String>().map_or("?", String::as_str));
    }));
    let engines = ["left", "right"].map(|name| Engine { name, cache: Vec::new() });
    let lock = ModelLock::new(engines, Policy::default());

    assert!(serve(&lock, "an ordinary prompt").is_ok());
    assert!(serve(&lock, "a bad prompt").is_err(), "the panic is the request's own");

    for lane in lock.snapshot().lanes {
        println!("lane {}: {:?}", lane.id, lane.state);
    }
    let quarantined = |state: &LaneState| matches!(state, LaneState::Quarantined { .. });
    assert_eq!(lock.snapshot().lanes.iter().filter(|lane| quarantined(&lane.state)).count(), 1);
    for _ in 0..3 {
        assert_eq!(serve(&lock, "the queue goes on").ok(), Some(4), "no half an answer is in the way");
    }

    // Repairing happens outside the lock's mutex and may take its time. A repair that panics, or is dropped unfinished,
    // changes nothing: the lane is in quarantine as before.
    let repair = lock.repair().expect("one lane is in quarantine");
    println!("repairing {}: {}", repair.name, repair.reason());
    assert_eq!(repair.cache, ["a", "bad"], "the value is as the panic left it");
    drop(repair);
    assert_eq!(lock.counts(), Counts { free: 1, quarantined: 1, ..Counts::default() });

    let mut repair = lock.repair().expect("one lane is in quarantine");
    repair.cache.clear();
    repair.finish();
    assert_eq!(lock.counts(), Counts { free: 2, ..Counts::default() });
    println!("both engines are in service again");
    Ok(())
}
