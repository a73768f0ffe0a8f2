//! What may be sent where. These are checked when the test is compiled.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use model_locks::{
    Acquire, AcquireAll, AcquireError, Closed, Event, Lease, ModelLock, ModelLocks, Policy, Repair, Snapshot, Swept,
    TakeLane,
};

fn send<X: Send>() {}
fn sync<X: Sync>() {}
fn unpin<X: Unpin>() {}
fn owned<X: 'static>() {}

/// A value that may be sent but not shared is enough for everything; nothing asks for `T: Sync`.
#[test]
fn a_value_need_only_be_send() {
    type T = Cell<u8>;
    send::<ModelLock<T>>();
    sync::<ModelLock<T>>();
    send::<ModelLocks<String, T>>();
    sync::<ModelLocks<String, T>>();
    send::<Acquire<T>>();
    send::<Closed<T>>();
    send::<Lease<T>>();
    send::<Repair<T>>();
    send::<TakeLane<T>>();
    send::<AcquireAll<T>>();
}

#[test]
fn what_is_awaited_or_held_is_owned_and_movable() {
    type T = std::marker::PhantomPinned;
    unpin::<Acquire<T>>();
    unpin::<Closed<T>>();
    unpin::<TakeLane<T>>();
    unpin::<AcquireAll<T>>();
    unpin::<Lease<T>>();
    owned::<Acquire<T>>();
    owned::<Closed<T>>();
    owned::<TakeLane<T>>();
    owned::<Lease<T>>();
    owned::<Repair<T>>();
}

#[test]
fn plain_data_is_plain() {
    send::<(AcquireError, Event, Snapshot, Swept, Policy)>();
    sync::<(AcquireError, Event, Snapshot, Swept, Policy)>();
}

fn clone<X: Clone>() {}

/// Asserts that a type lacks a trait: the inherent constant, which would be preferred, exists only if it has it.
macro_rules! lacks {
    ($type:ty: $bound:ident) => {{
        struct Ask<X: ?Sized>(PhantomData<X>);
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<X: ?Sized> Otherwise for Ask<X> {}
        #[expect(dead_code, reason = "used only if the assertion fails")]
        impl<X: ?Sized + $bound> Ask<X> {
            const HAS: bool = true;
        }
        const { assert!(!<Ask<$type>>::HAS) }
    }};
}

/// A shared lease is a shared value: what must not be shared in itself must not be shared through its lease.
#[test]
fn a_lease_is_shared_only_if_its_value_may_be() {
    sync::<Lease<u8>>();
    lacks!(Lease<Cell<u8>>: Sync);
    lacks!(Repair<Cell<u8>>: Sync);
}

#[test]
fn a_value_that_must_not_be_sent_binds_its_lock_to_the_thread() {
    lacks!(ModelLock<Rc<u8>>: Send);
    lacks!(ModelLock<Rc<u8>>: Sync);
    lacks!(Lease<Rc<u8>>: Send);
    lacks!(Acquire<Rc<u8>>: Send);
}

#[test]
fn a_lease_is_not_cloned() {
    clone::<ModelLock<Rc<u8>>>();
    lacks!(Lease<u8>: Clone);
    lacks!(Repair<u8>: Clone);
    lacks!(Acquire<u8>: Clone);
}

#[test]
fn a_handle_may_be_used_after_a_panic() {
    fn is_unwind_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    is_unwind_safe::<ModelLock<u32>>();
}
