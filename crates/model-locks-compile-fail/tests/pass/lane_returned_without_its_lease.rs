//! A function returns the lease, and the lane with it.

use model_locks::{Ask, Lease, ModelLock, Policy};

fn borrow(lock: &ModelLock<i32>) -> impl AsRef<i32> {
    struct Lent<L>(L);

    impl<L: std::ops::Deref<Target = i32>> AsRef<i32> for Lent<L> {
        fn as_ref(&self) -> &i32 {
            &self.0
        }
    }

    let lease: Lease<i32> = lock.try_acquire(Ask::default()).unwrap();
    Lent(lease)
}

fn main() {
    let lock = ModelLock::new([1], Policy::default());
    assert_eq!(*borrow(&lock).as_ref(), 1);
}
