//! A lease is made out of nothing, without a lock.

use model_locks::{Ask, Lease, ModelLock, Policy};

fn main() {
    let lock = ModelLock::new([1, 2], Policy::default());
    let first: Lease<i32> = lock.try_acquire(Ask::default()).unwrap();
    let second: Lease<i32> = Lease {};
    drop((first, second));
}
