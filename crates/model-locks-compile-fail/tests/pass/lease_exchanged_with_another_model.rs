//! Two leases of one model are exchanged. Each goes home to its own lane all the same.

use model_locks::{Ask, ModelLock, Policy};

struct Fast;
struct Deep;

fn exchange<X>(one: &mut X, other: &mut X) {
    std::mem::swap(one, other);
}

fn main() {
    let fast = ModelLock::new([Fast, Fast], Policy::default());
    let deep = ModelLock::new([Deep], Policy::default());
    let mut one = fast.try_acquire(Ask::default()).unwrap();
    let mut other = fast.try_acquire(Ask::default()).unwrap();
    exchange(&mut one, &mut other);
    drop(deep);
}
