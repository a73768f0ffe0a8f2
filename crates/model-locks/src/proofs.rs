//! What must not compile, each beside a twin that does, so that it fails for the reason it should.

/// A lane is used through a lease.
///
/// ```
/// use model_locks::{Ask, ModelLock, Policy};
/// struct Engine;
/// impl Engine { fn run(&mut self) {} }
/// let lock = ModelLock::new([Engine], Policy::default());
/// let mut lease = lock.try_acquire(Ask::default()).unwrap();
/// lease.run();
/// ```
///
/// Without one there is nothing to call: the lock has no way to the value.
///
/// ```compile_fail,E0599
/// use model_locks::{Ask, ModelLock, Policy};
/// struct Engine;
/// impl Engine { fn run(&mut self) {} }
/// let lock = ModelLock::new([Engine], Policy::default());
/// let mut lease = lock.try_acquire(Ask::default()).unwrap();
/// lock.run();
/// ```
struct NoUseWithoutALease;

/// A handle is cloned.
///
/// ```
/// use model_locks::{Ask, ModelLock, Policy};
/// let lock = ModelLock::new([1], Policy::default());
/// let lease = lock.try_acquire(Ask::default()).unwrap();
/// let other: ModelLock<i32> = lock.clone();
/// ```
///
/// A lease is not, not even when its value could be.
///
/// ```compile_fail,E0308
/// use model_locks::{Ask, Lease, ModelLock, Policy};
/// let lock = ModelLock::new([1], Policy::default());
/// let lease = lock.try_acquire(Ask::default()).unwrap();
/// let other: Lease<i32> = lease.clone();
/// ```
struct NoClonedLease;

/// A reference to the lane is used while the lease lives.
///
/// ```
/// use model_locks::{Ask, ModelLock, Policy};
/// let lock = ModelLock::new([1], Policy::default());
/// let mut lease = lock.try_acquire(Ask::default()).unwrap();
/// let lane: &mut i32 = &mut lease;
/// *lane += 1;
/// drop(lease);
/// ```
///
/// It cannot be kept for later.
///
/// ```compile_fail,E0505
/// use model_locks::{Ask, ModelLock, Policy};
/// let lock = ModelLock::new([1], Policy::default());
/// let mut lease = lock.try_acquire(Ask::default()).unwrap();
/// let lane: &mut i32 = &mut lease;
/// drop(lease);
/// *lane += 1;
/// ```
struct NoReferenceBeyondTheLease;

/// A lease ends once.
///
/// ```
/// use model_locks::{Ask, ModelLock, Policy};
/// let lock = ModelLock::new([1], Policy::default());
/// let lease = lock.try_acquire(Ask::default()).unwrap();
/// lease.quarantine("broken");
/// ```
///
/// Whoever has given the lane away has it no longer.
///
/// ```compile_fail,E0382
/// use model_locks::{Ask, ModelLock, Policy};
/// let lock = ModelLock::new([1], Policy::default());
/// let lease = lock.try_acquire(Ask::default()).unwrap();
/// lease.quarantine("broken");
/// assert_eq!(*lease, 1);
/// ```
struct NoUseAfterTheEnd;

/// A value that may be shared is shared through its lease.
///
/// ```
/// use model_locks::{Ask, ModelLock, Policy};
/// let lock = ModelLock::new([1_u8], Policy::default());
/// let lease = lock.try_acquire(Ask::default()).unwrap();
/// std::thread::scope(|scope| { scope.spawn(|| *lease); });
/// ```
///
/// One that may not be is not.
///
/// ```compile_fail,E0277
/// use model_locks::{Ask, ModelLock, Policy};
/// let lock = ModelLock::new([std::cell::Cell::new(1_u8)], Policy::default());
/// let lease = lock.try_acquire(Ask::default()).unwrap();
/// std::thread::scope(|scope| { scope.spawn(|| lease.get()); });
/// ```
struct NoSharingOfWhatMustNotBeShared;

/// The example of the readme runs.
#[doc = include_str!("../README.md")]
struct Readme;
