//! A lease is cloned. Its value could be, and that makes no difference.

use model_locks::{Ask, Lease, ModelLock, Policy};

fn main() {
    let lock = ModelLock::new([1], Policy::default());
    let lease: Lease<i32> = lock.try_acquire(Ask::default()).unwrap();
    let other: Lease<i32> = lease.clone();
    drop((lease, other));
}
