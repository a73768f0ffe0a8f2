//! The lane is moved out of its lease, to be used without one later.

use model_locks::{Ask, ModelLock, Policy};

struct Engine;

impl Engine {
    fn run(&self) {}
}

fn main() {
    let lock = ModelLock::new([Engine], Policy::default());
    let lease = lock.try_acquire(Ask::default()).unwrap();
    let engine: Engine = *lease;
    engine.run();
}
