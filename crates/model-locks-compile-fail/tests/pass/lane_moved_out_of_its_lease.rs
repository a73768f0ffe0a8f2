//! The lane is borrowed from its lease.

use model_locks::{Ask, ModelLock, Policy};

struct Engine;

impl Engine {
    fn run(&self) {}
}

fn main() {
    let lock = ModelLock::new([Engine], Policy::default());
    let lease = lock.try_acquire(Ask::default()).unwrap();
    let engine: &Engine = &lease;
    engine.run();
}
