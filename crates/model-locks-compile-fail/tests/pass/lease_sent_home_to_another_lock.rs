//! A lock takes values.

use model_locks::{Ask, Lease, ModelLock, Policy};

struct Engine;

fn hold(_: &Lease<Engine>) {}

fn main() {
    let one = ModelLock::new([Engine], Policy::default());
    let other = ModelLock::new([Engine], Policy::default());
    let lease: Lease<Engine> = one.try_acquire(Ask::default()).unwrap();
    hold(&lease);
    other.add_lane(Engine).unwrap();
}
