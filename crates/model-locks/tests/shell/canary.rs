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
fn the_canary_loses_a_grant_that_nobody_claims() {
    for is_planted in [false, true] {
        let (lock, lease) = held_with(Policy { canary_loses_grants: is_planted, ..Policy::default() });
        let (first, second) = (queue_normal(&lock), queue_normal(&lock));
        drop(lease);
        assert_eq!((first.wakes(), second.wakes()), (1, 0));
        drop(first);
        assert_eq!(second.wakes(), usize::from(!is_planted), "passed on, unless the bug is planted");
    }
}

#[test]
fn the_canaries_are_off_by_default() {
    let policy = Policy::default();
    assert!(!policy.canary_lifo && !policy.canary_loses_grants);
}
