//! A fair, cancel-safe, bounded and visible lock that *owns* what it guards.
//!
//! A [`ModelLock`] holds one **lane** or more: values that must be used by one request at a time, such as a context of
//! an inference engine that is not thread-safe. Whoever wants a lane waits in order, receives it as a [`Lease`], and
//! gives it back by dropping the lease. The lane is *moved* from the lock into the lease and from there to the next
//! waiter, so it cannot be lent twice, and code without a lease has nothing to call.
//!
//! ```
//! use model_locks::{Ask, Class, ModelLock, Policy};
//!
//! // One lane: a mutex with a queue. More lanes: as many holders at once.
//! let lock = ModelLock::new([String::from("engine")], Policy::default());
//!
//! // Asynchronous code writes `lock.acquire(ask).await?`; a thread may block instead.
//! let mut lease = lock.blocking_acquire(Ask::new(Class::Interactive).tag(17))?;
//! lease.push_str(" was here");
//!
//! // Everything that happens is visible: who holds a lane, and who waits, in the order of service.
//! assert_eq!(lock.counts().leased, 1);
//! drop(lease);
//! assert_eq!(lock.counts().free, 1);
//! # Ok::<(), model_locks::AcquireError>(())
//! ```
//!
//! # What it promises
//!
//! - **Exclusion**: a lane is lent to at most one lease, which takes it home to its own lock by itself.
//! - **Conservation**: no lane is lost or duplicated, whatever is dropped, cancelled, closed or panics.
//! - **Order**: first come, first served within a [`Class`]; a lower class is passed over a bounded number of times.
//!   With [`Policy::fair_share`] the clients of a class share its service instead, never further apart than stated.
//! - **Bound**: at most [`Policy::queue_max`] wait; one more is refused at once.
//! - **Cancel safety**: a wait may be dropped at any moment; a lane already granted to it goes to the next waiter.
//! - **Close**: nobody new is granted, grants already made are honoured, and [`ModelLock::closed`] tells when the last
//!   lane has come home.
//! - **Quarantine**: a lane whose holder panicked is not lent again before somebody has repaired it.
//! - **No barging**: [`ModelLock::try_acquire`] never overtakes a waiter.
//! - **No circles**: several locks are taken by [`acquire_all`], in one order whatever order they are named in.
//!
//! # What else it does
//!
//! - [`Ask::supersede`]: only the newest ask of a key waits. [`Ask::prefer`]: a lane to take if there is a choice.
//! - [`ModelLock::take_lane`]: a lane leaves while others go on; [`ModelLock::drain`] and [`ModelLock::take_lanes`]: all do.
//! - [`ModelLock::acquire_ref`]: a wait and a lease that borrow the lock, where counting references is too slow.
//! - [`ModelLock::sweep`]: grants that nobody claims are reported, and taken back for the sake of those behind.
//! - [`Lease::charge`]: counts what a client uses, for fair share. [`ModelLock::expected_wait`]: how long a wait will be.
//! - [`Observer`]: hears of every ask and every lease, outside the mutex.
//!
//! # What it does not do
//!
//! It needs Rust 1.85, no runtime and no other crate, and knows no clock. A deadline is composed outside:
//! `timeout(limit, lock.acquire(ask))` is safe because a wait may be dropped at any moment. It does not detect deadlocks
//! among leases that were not taken by one call. The programs in `examples` show it at work.
//!
//! # One wait, one task
//!
//! A grant belongs to one [`Acquire`]. If that future is alive but nobody polls it, everybody behind it waits. Await it
//! at once or give it a task of its own; never park it beside a loop that goes on without it. A host that cannot be sure
//! of that calls [`ModelLock::sweep`] from its tick.

#![forbid(unsafe_code)]

mod acquire;
mod blocking;
mod borrowed;
mod close;
mod core;
mod error;
mod lease;
mod lock;
mod observe;
mod pace;
mod parcel;
mod policy;
mod registry;
mod repair;
mod several;
mod snapshot;
mod sweep;
mod sync;
mod take;

#[cfg(doctest)]
mod proofs;

pub use acquire::{Acquire, AcquireRef};
pub use close::Closed;
pub use error::{AcquireAllError, AcquireError, AliasError, NameTaken, Rejected, TryAcquireError, UnknownModel};
pub use lease::{Lease, LeaseRef};
pub use lock::ModelLock;
pub use observe::{Event, Grant, Observer};
pub use policy::{Ask, Class, Policy, WhenAllQuarantined};
pub use registry::ModelLocks;
pub use repair::Repair;
pub use several::{AcquireAll, acquire_all, blocking_acquire_all};
pub use snapshot::{Counts, LaneId, LaneState, LaneView, ParkedView, Snapshot, Ticket, WaiterView};
pub use sweep::{Patience, Swept, Unclaimed};
pub use take::TakeLane;

/// What only a model-checked build has: the stand-in for a panic.
#[cfg(any(model_locks_loom, model_locks_shuttle))]
#[doc(hidden)]
pub mod model {
    pub use crate::sync::unwinding;
}
