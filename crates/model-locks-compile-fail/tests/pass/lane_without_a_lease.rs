//! A lane is used through its lease.

use model_locks::{Ask, ModelLock, Policy};

struct Engine;

impl Engine {
    fn run(&mut self) {}
}

fn main() {
    let lock = ModelLock::new([Engine], Policy::default());
    let mut lease = lock.try_acquire(Ask::default()).unwrap();
    lease.run();
}
