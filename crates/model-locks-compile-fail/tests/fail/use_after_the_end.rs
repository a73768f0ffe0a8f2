//! A lease is used after it was given back.

use model_locks::{Ask, ModelLock, Policy};

fn main() {
    let lock = ModelLock::new([1], Policy::default());
    let lease = lock.try_acquire(Ask::default()).unwrap();
    drop(lease);
    assert_eq!(*lease, 1);
}
