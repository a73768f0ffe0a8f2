//! A lease of one model is used where one of another is asked for.

use model_locks::{Ask, Lease, ModelLock, Policy};

struct Fast;
struct Deep;

fn think(_: Lease<Deep>) {}

fn main() {
    let fast = ModelLock::new([Fast], Policy::default());
    let deep = ModelLock::new([Deep], Policy::default());
    let lease = fast.try_acquire(Ask::default()).unwrap();
    think(lease);
    drop((fast, deep));
}
