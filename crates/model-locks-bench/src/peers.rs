//! The locks that are compared, behind two traits: one for tasks and one for threads.

use std::sync::Arc;

use model_locks::{Ask, ModelLock, Policy};
use tokio::sync::{Mutex, Semaphore};

pub(crate) const OURS: &str = "model-locks acquire";
pub(crate) const OURS_REF: &str = "model-locks acquire_ref";
pub(crate) const TOKIO_LOCK: &str = "tokio Mutex lock";
pub(crate) const TOKIO_OWNED: &str = "tokio Mutex lock_owned";
pub(crate) const TOKIO_BLOCKING: &str = "tokio Mutex blocking_lock";
pub(crate) const TOKIO_BLOCKING_OWNED: &str = "tokio blocking_lock_owned";

/// One that tasks wait for.
pub(crate) trait AsyncPeer: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> Self;

    fn acquire(&self) -> impl Future<Output: Granted> + Send;
}

/// What a wait ends with. A benchmark goes on as its users would: with the guard, after a look for an error.
pub(crate) trait Granted: Send {
    fn guard(self) -> impl Send;
}

impl<G: Send, E: Send + std::fmt::Debug> Granted for Result<G, E> {
    #[inline]
    fn guard(self) -> impl Send {
        self.expect("the lock is open, and all may wait")
    }
}

/// A lock that never refuses gives the guard itself.
macro_rules! granted {
    ($($guard:ty),*) => {
        $(impl Granted for $guard {
            #[inline]
            fn guard(self) -> impl Send {
                self
            }
        })*
    };
}

granted!(tokio::sync::MutexGuard<'_, u64>, tokio::sync::OwnedMutexGuard<u64>);
granted!(async_lock::MutexGuard<'_, u64>, async_lock::MutexGuardArc<u64>);

/// One that threads wait for.
pub(crate) trait BlockingPeer: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> Self;

    fn acquire(&self) -> impl Sized;

    fn try_acquire(&self) -> Option<impl Sized>;
}

#[derive(Clone)]
pub(crate) struct Ours(pub(crate) ModelLock<u64>);

impl Ours {
    /// Nobody is refused, however many wait.
    fn lock() -> ModelLock<u64> {
        ModelLock::new([0], Policy { queue_max: usize::MAX, ..Policy::default() })
    }
}

impl AsyncPeer for Ours {
    const NAME: &'static str = OURS;

    fn new() -> Self {
        Self(Self::lock())
    }

    fn acquire(&self) -> impl Future<Output: Granted> + Send {
        self.0.acquire(Ask::default())
    }
}

/// The same with a borrowed handle.
#[derive(Clone)]
pub(crate) struct OursRef(ModelLock<u64>);

impl AsyncPeer for OursRef {
    const NAME: &'static str = OURS_REF;

    fn new() -> Self {
        Self(Ours::lock())
    }

    fn acquire(&self) -> impl Future<Output: Granted> + Send {
        self.0.acquire_ref(Ask::default())
    }
}

impl BlockingPeer for OursRef {
    const NAME: &'static str = OURS_REF;

    fn new() -> Self {
        Self(Ours::lock())
    }

    fn acquire(&self) -> impl Sized {
        self.0.blocking_acquire_ref(Ask::default()).expect("the lock is open")
    }

    fn try_acquire(&self) -> Option<impl Sized> {
        self.0.try_acquire_ref(Ask::default()).ok()
    }
}

impl BlockingPeer for Ours {
    const NAME: &'static str = OURS;

    fn new() -> Self {
        Self(Self::lock())
    }

    fn acquire(&self) -> impl Sized {
        self.0.blocking_acquire(Ask::default()).expect("the lock is open")
    }

    fn try_acquire(&self) -> Option<impl Sized> {
        self.0.try_acquire(Ask::default()).ok()
    }
}

/// A peer that is an `Arc` of something: how it is made and how it is waited for.
macro_rules! async_peer {
    ($peer:ident, $inner:ty, $name:expr, $new:expr, |$lock:ident| $acquire:expr) => {
        #[derive(Clone)]
        pub(crate) struct $peer(Arc<$inner>);

        impl AsyncPeer for $peer {
            const NAME: &'static str = $name;

            fn new() -> Self {
                Self(Arc::new($new))
            }

            fn acquire(&self) -> impl Future<Output: Granted> + Send {
                let $lock = &self.0;
                $acquire
            }
        }
    };
}

async_peer!(TokioLock, Mutex<u64>, TOKIO_LOCK, Mutex::new(0), |lock| lock.lock());
async_peer!(TokioOwned, Mutex<u64>, TOKIO_OWNED, Mutex::new(0), |lock| Arc::clone(lock).lock_owned());
async_peer!(TokioPermit, Semaphore, "tokio Semaphore acquire", Semaphore::new(1), |lock| lock.acquire());
async_peer!(TokioOwnedPermit, Semaphore, "tokio acquire_owned", Semaphore::new(1), |lock| {
    Arc::clone(lock).acquire_owned()
});
async_peer!(AsyncLock, async_lock::Mutex<u64>, "async-lock lock", async_lock::Mutex::new(0), |lock| lock.lock());
async_peer!(AsyncArc, async_lock::Mutex<u64>, "async-lock lock_arc", async_lock::Mutex::new(0), |lock| lock.lock_arc());

/// The same for threads.
macro_rules! blocking_peer {
    ($peer:ident, $inner:ty, $name:expr, $new:expr, |$lock:ident| $acquire:expr, $try_acquire:expr) => {
        #[derive(Clone)]
        pub(crate) struct $peer(Arc<$inner>);

        impl BlockingPeer for $peer {
            const NAME: &'static str = $name;

            fn new() -> Self {
                Self(Arc::new($new))
            }

            fn acquire(&self) -> impl Sized {
                let $lock = &self.0;
                $acquire
            }

            fn try_acquire(&self) -> Option<impl Sized> {
                let $lock = &self.0;
                $try_acquire
            }
        }
    };
}

blocking_peer!(
    Std,
    std::sync::Mutex<u64>,
    "std Mutex",
    std::sync::Mutex::new(0),
    |lock| lock.lock().expect("no holder panics"),
    lock.try_lock().ok()
);
blocking_peer!(
    ParkingLot,
    parking_lot::Mutex<u64>,
    "parking_lot Mutex",
    parking_lot::Mutex::new(0),
    |lock| lock.lock(),
    lock.try_lock()
);
blocking_peer!(
    ParkingLotFair,
    parking_lot::Mutex<u64>,
    "parking_lot unlock_fair",
    parking_lot::Mutex::new(0),
    |lock| Fair(Some(lock.lock())),
    lock.try_lock().map(|guard| Fair(Some(guard)))
);
blocking_peer!(
    TokioBlocking,
    Mutex<u64>,
    TOKIO_BLOCKING,
    Mutex::new(0),
    |lock| lock.blocking_lock(),
    lock.try_lock().ok()
);
blocking_peer!(
    TokioBlockingOwned,
    Mutex<u64>,
    TOKIO_BLOCKING_OWNED,
    Mutex::new(0),
    |lock| Arc::clone(lock).blocking_lock_owned(),
    Arc::clone(lock).try_lock_owned().ok()
);
blocking_peer!(
    AsyncBlocking,
    async_lock::Mutex<u64>,
    "async-lock lock_blocking",
    async_lock::Mutex::new(0),
    |lock| lock.lock_blocking(),
    lock.try_lock()
);

/// A guard that hands over to the first who sleeps.
struct Fair<'a>(Option<parking_lot::MutexGuard<'a, u64>>);

impl Drop for Fair<'_> {
    fn drop(&mut self) {
        if let Some(guard) = self.0.take() {
            parking_lot::MutexGuard::unlock_fair(guard);
        }
    }
}
