//! A lease is given back, once, and last.

use model_locks::{Ask, ModelLock, Policy};

fn main() {
    let lock = ModelLock::new([1], Policy::default());
    let lease = lock.try_acquire(Ask::default()).unwrap();
    drop(lease);
}
