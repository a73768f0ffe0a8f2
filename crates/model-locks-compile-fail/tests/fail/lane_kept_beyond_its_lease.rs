//! A reference to the lane is kept and used when the lease has ended.

use model_locks::{Ask, ModelLock, Policy};

fn main() {
    let lock = ModelLock::new([1], Policy::default());
    let mut lease = lock.try_acquire(Ask::default()).unwrap();
    let lane: &mut i32 = &mut lease;
    drop(lease);
    *lane += 1;
}
