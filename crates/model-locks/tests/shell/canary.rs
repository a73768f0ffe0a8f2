//! The planted bug is there, so that a test which should notice it can be shown to notice it.

use model_locks::Policy;

use crate::support::{held_with, queue_normal};

#[test]
fn the_canary_grants_the_newest_first() {
    let (lock, lease) = held_with(Policy { canary_lifo: true, ..Policy::default() });
    let (first, second, mut third) = (queue_normal(&lock), queue_normal(&lock), queue_normal(&lock));
    drop(lease);
    assert_eq!((first.wakes(), second.wakes(), third.wakes()), (0, 0, 1));
    drop(third.lease());
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[test]
fn the_canary_is_off_by_default() {
    assert!(!Policy::default().canary_lifo);
}
