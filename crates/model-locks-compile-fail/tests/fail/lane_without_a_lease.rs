//! A lane is used without a lease: the lock has no way to the value.

use model_locks::{Ask, ModelLock, Policy};

struct Engine;

impl Engine {
    fn run(&mut self) {}
}

fn main() {
    let lock = ModelLock::new([Engine], Policy::default());
    let mut lease = lock.try_acquire(Ask::default()).unwrap();
    lease.run();
    lock.run();
}
