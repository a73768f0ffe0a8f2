//! The core against a model that is right at a glance: every short history, and long random ones.

mod deep;
mod exhaustive;
mod random;
mod reference;
mod shares;
mod slab;
mod trial;

pub(super) use random::Random;
pub(super) use shares::Obvious;

/// The goal is 128 bytes for each waiter, its future and its node together.
#[test]
fn a_waiter_takes_little_room() {
    let node = size_of::<super::queue::Node<std::task::Waker>>();
    let future = size_of::<crate::Acquire<u64>>();
    assert!(node + future <= 128, "{node} and {future} bytes");
}
