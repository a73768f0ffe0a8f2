//! A handle to the lock is cloned.

use model_locks::{Ask, Lease, ModelLock, Policy};

fn main() {
    let lock = ModelLock::new([1], Policy::default());
    let lease: Lease<i32> = lock.try_acquire(Ask::default()).unwrap();
    let other: ModelLock<i32> = lock.clone();
    drop((lease, other));
}
