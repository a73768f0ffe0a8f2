//! The same waits with a borrowed handle, which spares the count of references.

use crate::acquire::{Acquire, AcquireRef};
use crate::error::{AcquireError, TryAcquireError};
use crate::lease::{Lease, LeaseRef};
use crate::lock::ModelLock;
use crate::policy::Ask;

impl<T> ModelLock<T> {
    /// Like [`acquire`](Self::acquire), but both the wait and the lease borrow this handle. It is as fast as it gets, and
    /// the lease cannot leave for a task or a thread that may outlive the handle.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use model_locks::{Ask, ModelLock, Policy};
    ///
    /// let lock = ModelLock::new([0], Policy::default());
    /// *lock.acquire_ref(Ask::default()).await.expect("the lock is open") += 1;
    /// # assert_eq!(*lock.try_acquire(Ask::default()).unwrap(), 1);
    /// # }
    /// ```
    ///
    /// # Fairness
    ///
    /// It waits in the same queue as all others; see [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// The same as [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_ref(&self, ask: Ask) -> AcquireRef<'_, T> {
        Acquire::new(self, ask)
    }

    /// Like [`blocking_acquire`](Self::blocking_acquire), but the lease borrows this handle.
    ///
    /// # Blocking
    ///
    /// Never call it from asynchronous code; see [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Fairness
    ///
    /// It waits in the same queue as all others.
    ///
    /// # Errors
    ///
    /// The same as [`acquire`](Self::acquire).
    #[inline]
    pub fn blocking_acquire_ref(&self, ask: Ask) -> Result<LeaseRef<'_, T>, AcquireError> {
        self.acquire_ref(ask).block()
    }

    /// Like [`try_acquire`](Self::try_acquire), but the lease borrows this handle.
    ///
    /// # Fairness
    ///
    /// It does not barge; see [`try_acquire`](Self::try_acquire).
    ///
    /// # Errors
    ///
    /// The same as [`try_acquire`](Self::try_acquire).
    #[inline]
    pub fn try_acquire_ref(&self, ask: Ask) -> Result<LeaseRef<'_, T>, TryAcquireError> {
        self.take_free(ask).map(|parcel| Lease::new(self, parcel))
    }
}
