//! A lease that borrows its lock is sent to a thread that may outlive it.

use std::thread;

use model_locks::{Ask, ModelLock, Policy};

fn main() {
    let lock = ModelLock::new([1], Policy::default());
    let lease = lock.try_acquire_ref(Ask::default()).unwrap();
    thread::spawn(move || assert_eq!(*lease, 1)).join().unwrap();
}
