//! The lock: a handle to one core behind one mutex.
//!
//! Every operation is one short section of that mutex (two for a first poll that has to wait and did not expect it), and
//! no foreign code runs inside: no waker, no value's destructor.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use crate::acquire::Acquire;
use crate::core::{Core, Effects};
use crate::error::{AcquireError, Rejected, TryAcquireError};
use crate::lease::Lease;
use crate::observe::{Event, Observer};
use crate::parcel::Parcel;
use crate::policy::{Ask, Policy};
use crate::repair::Repair;
use crate::snapshot::{Counts, LaneId, Snapshot};
use crate::sync::{AtomicBool, Mutex, contain};

/// A lock that owns its lanes and lends each of them to one holder at a time.
///
/// Cloning gives another handle to the same lock. The lanes are dropped with the last handle, lease or wait.
///
/// # Fairness
///
/// Within a [`Class`](crate::Class), lanes are granted in the order in which the asks began to wait, unless clients
/// [share](Policy::fair_share) it. A higher class goes first, but the head of a lower class is passed over at most
/// [`Policy::bypass_max`] times in a row. A lane that comes home is given to the next waiter by whoever brings it, so
/// nobody can slip in between.
pub struct ModelLock<T> {
    pub(crate) shared: Arc<Shared<T>>,
}

/// What all handles, leases and waits of a lock have in common.
pub(crate) struct Shared<T> {
    core: Mutex<Core<Box<Parcel<T>>, Waker>>,
    observer: Option<Arc<dyn Observer>>,
    /// Whether the last one who asked had to wait: then the next one probably has to, too, and brings its waker along to
    /// the first look. Nothing but time depends on this guess, so no order of memory is asked of it. The model checkers see
    /// it, and try every value that it could have.
    is_busy: AtomicBool,
    /// Rises from lock to lock: the order in which several are taken.
    id: u64,
    /// Known outside the mutex, so that charging costs nothing where nothing is counted.
    pub(crate) fair_share: bool,
}

/// Ids are only compared, and each is given once; they order nothing else, so the model checker need not see them.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl<T> Shared<T> {
    /// Whether one who asks now will probably have to wait.
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    /// Learns from the latest ask.
    #[inline]
    pub(crate) fn found_busy(&self, is_busy: bool) {
        if self.is_busy() != is_busy {
            self.is_busy.store(is_busy, Ordering::Relaxed);
        }
    }

    /// Runs one section that may wake somebody: its effects are carried out after it.
    #[inline(always)]
    pub(crate) fn change<R>(
        &self,
        section: impl FnOnce(&mut Core<Box<Parcel<T>>, Waker>, &mut Effects<Waker>) -> R,
    ) -> R {
        let mut effects = Effects::None;
        let result = self.with(|core| section(core, &mut effects));
        effects.run();
        result
    }

    /// Runs one section under the mutex, and tells the observer of it.
    #[inline(always)]
    pub(crate) fn with<R>(&self, section: impl FnOnce(&mut Core<Box<Parcel<T>>, Waker>) -> R) -> R {
        let mut core = self.core.lock();
        let result = section(&mut core);
        if let Some(observer) = &self.observer {
            let news = core.take_news();
            drop(core);
            tell(&**observer, &news);
        }
        result
    }
}

#[cold]
fn tell(observer: &dyn Observer, news: &[Event]) {
    news.iter().for_each(|event| contain(|| observer.on(event)));
}

impl<T> ModelLock<T> {
    /// A lock over these lanes. Without any lane, asks wait until [`add_lane`](Self::add_lane).
    pub fn new(lanes: impl IntoIterator<Item = T>, policy: Policy) -> Self {
        Self::build(lanes, policy, None)
    }

    /// The same, with an observer that hears of every ask and every lease. Without one, nothing is done for it.
    pub fn with_observer(lanes: impl IntoIterator<Item = T>, policy: Policy, observer: Arc<dyn Observer>) -> Self {
        Self::build(lanes, policy, Some(observer))
    }

    fn build(lanes: impl IntoIterator<Item = T>, policy: Policy, observer: Option<Arc<dyn Observer>>) -> Self {
        let mut core = Core::new(&policy);
        if observer.is_some() {
            core.listen();
        }
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        for value in lanes {
            if core.add_lane(Parcel::new(value), &mut Effects::None).is_err() {
                unreachable!("a new lock is open");
            }
        }
        let (core, is_busy, fair_share) = (Mutex::new(core), AtomicBool::new(false), policy.fair_share);
        Self { shared: Arc::new(Shared { core, observer, is_busy, id, fair_share }) }
    }

    /// Waits for a lane, behind everyone of the same class who waits already.
    ///
    /// # Fairness
    ///
    /// First come, first served within a class; what counts is the first poll, not the call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the queue and leaves the order of the others as it was. If a lane had
    /// already been granted to it, the lane goes to the next waiter; it is never lost. Leaking it with `mem::forget`
    /// leaks its place, or the lane it was granted.
    ///
    /// # Errors
    ///
    /// [`AcquireError::QueueFull`] at the bound, [`AcquireError::Closed`] after [`close`](Self::close) unless a lane had
    /// been granted before, [`AcquireError::Quarantined`] if no lane is in service and the policy says to fail,
    /// [`AcquireError::Superseded`] if a newer ask of the same [key](Ask::supersede) has come.
    #[inline]
    pub fn acquire(&self, ask: Ask) -> Acquire<T> {
        Acquire::new(self.clone(), ask)
    }

    /// Like [`acquire`](Self::acquire), but blocks the calling thread. Both kinds of waiters share one queue. A
    /// thread that is blocked cannot give up: whoever needs a deadline waits as a future.
    ///
    /// # Blocking
    ///
    /// Never call it from asynchronous code: it would block the executor, perhaps the very thread that should poll the
    /// holder. A thread that already holds the only lane of this lock waits for itself, for ever.
    ///
    /// # Fairness
    ///
    /// First come, first served within a class, across blocking and asynchronous waiters.
    ///
    /// # Errors
    ///
    /// The same as [`acquire`](Self::acquire).
    #[inline]
    pub fn blocking_acquire(&self, ask: Ask) -> Result<Lease<T>, AcquireError> {
        self.acquire(ask).block()
    }

    /// Takes a lane if one is free now. Never waits.
    ///
    /// # Fairness
    ///
    /// It does not barge: while anyone waits, every lane that comes home is already given away, and this fails.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::Busy`] if no lane is free, [`TryAcquireError::Closed`] after [`close`](Self::close),
    /// [`TryAcquireError::Quarantined`] if no lane is in service and the policy says to fail.
    #[inline]
    pub fn try_acquire(&self, ask: Ask) -> Result<Lease<T>, TryAcquireError> {
        self.take_free(ask).map(|parcel| Lease::new(self.clone(), parcel))
    }

    #[inline(always)]
    pub(crate) fn take_free(&self, ask: Ask) -> Result<Box<Parcel<T>>, TryAcquireError> {
        let taken = self.shared.with(|core| match core.take_free(ask) {
            Some(taken) => Ok(Parcel::address(taken)),
            None => Err(core.try_refusal(ask)),
        });
        match taken {
            Ok(parcel) => Ok(parcel),
            Err(None) => Err(TryAcquireError::Busy),
            Err(Some(AcquireError::Closed)) => Err(TryAcquireError::Closed),
            Err(Some(AcquireError::Quarantined { reason })) => Err(TryAcquireError::Quarantined { reason }),
            Err(Some(AcquireError::QueueFull { .. } | AcquireError::Superseded)) => {
                unreachable!("only one who would wait finds the queue full, and only one who waits is superseded")
            }
        }
    }

    /// Adds a lane. The next waiter gets it, if there is one.
    ///
    /// # Fairness
    ///
    /// The lane goes to the next waiter in the same step, so nobody can slip in between.
    ///
    /// # Errors
    ///
    /// [`Rejected`] gives the value back when the lock is closed.
    pub fn add_lane(&self, value: T) -> Result<LaneId, Rejected<T>> {
        let parcel = Parcel::new(value);
        let added = self.shared.change(|core, effects| core.add_lane(parcel, effects));
        added.map_err(|parcel| Rejected { value: parcel.value })
    }

    /// Takes a quarantined lane out for repair: the one of the lowest id.
    ///
    /// `None` if no lane is in quarantine, or if the lock is closed: then what has come home stays home.
    ///
    /// # Blocking
    ///
    /// Waits for nobody but the sections of other operations, which are short. The repair itself is done outside.
    pub fn repair(&self) -> Option<Repair<T>> {
        self.begin_repair(None)
    }

    /// Takes this lane out for repair, if it is in quarantine.
    ///
    /// `None` if it is not, or if the lock is closed: then what has come home stays home.
    ///
    /// ```
    /// use model_locks::{Ask, ModelLock, Policy};
    ///
    /// let lock = ModelLock::new(["one", "another"], Policy::default());
    /// let lease = lock.try_acquire(Ask::default())?;
    /// let lane = lease.lane();
    /// lease.quarantine("engine reported an error");
    ///
    /// let mut repair = lock.repair_lane(lane).expect("it is in quarantine");
    /// *repair = "a new one";
    /// repair.finish();
    /// # Ok::<(), model_locks::TryAcquireError>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// As with [`repair`](Self::repair).
    pub fn repair_lane(&self, lane: LaneId) -> Option<Repair<T>> {
        self.begin_repair(Some(lane))
    }

    fn begin_repair(&self, which: Option<LaneId>) -> Option<Repair<T>> {
        let (lane, value, reason) = self.shared.with(|core| core.begin_repair(which))?;
        Some(Repair::new(Arc::clone(&self.shared), lane, value, reason))
    }

    /// Everything about the lock at this moment, copied. Takes time in proportion to the number of waiters.
    ///
    /// # Blocking
    ///
    /// Waits for nobody but the sections of other operations, which are short.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.with(|core| core.snapshot())
    }

    /// How many lanes are in which state, and how many wait. Takes the same time however many wait.
    ///
    /// # Blocking
    ///
    /// Waits for nobody but the sections of other operations, which are short.
    pub fn counts(&self) -> Counts {
        self.shared.with(|core| core.counts())
    }

    pub(crate) fn id(&self) -> u64 {
        self.shared.id
    }

    /// Whether both handles lead to one lock.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

// What a panic leaves behind is quarantined, and observers can do no harm: there is no broken state to be seen.
impl<T> UnwindSafe for ModelLock<T> {}
impl<T> RefUnwindSafe for ModelLock<T> {}

impl<T> Clone for ModelLock<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for ModelLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelLock").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
