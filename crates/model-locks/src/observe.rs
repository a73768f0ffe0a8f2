//! Who is told what happens to a lock.

use crate::error::AcquireError;
use crate::policy::Ask;
use crate::snapshot::{LaneId, Ticket};

/// Hears what happens to a lock; see [`ModelLock::with_observer`](crate::ModelLock::with_observer).
///
/// It is called by the thread that caused the event, after the lock's mutex is released and before anybody is woken: so it
/// may use the lock, and it should be quick. The events of one operation come in order. Those of two operations that
/// happen at once may come in either order; tickets tell which grant was first.
///
/// # Panics
///
/// A panic of an observer is contained and has no effect on the lock.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use model_locks::{Ask, Event, ModelLock, Observer, Policy};
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<String>>);
///
/// impl Observer for Log {
///     fn on(&self, event: &Event) {
///         let line = match event {
///             Event::Granted { grant, .. } => format!("{} has ticket {}", grant.ask.tag, grant.ticket),
///             Event::Released { grant } => format!("{} is done", grant.ask.tag),
///             _ => return,
///         };
///         self.0.lock().unwrap().push(line);
///     }
/// }
///
/// let log = Arc::new(Log::default());
/// let lock = ModelLock::with_observer(["engine"], Policy::default(), log.clone());
/// drop(lock.try_acquire(Ask::default().tag(7))?);
/// assert_eq!(*log.0.lock().unwrap(), ["7 has ticket 1", "7 is done"]);
/// # Ok::<(), model_locks::TryAcquireError>(())
/// ```
pub trait Observer: Send + Sync {
    /// Hears of one event.
    fn on(&self, event: &Event);
}

/// What happened. `waiting` is how many waited just after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An ask began to wait.
    Enqueued {
        /// What was asked.
        ask: Ask,
        /// How many wait, this one included.
        waiting: usize,
    },
    /// An ask that [does not wait](crate::ModelLock::try_acquire) found every lane in use.
    Busy {
        /// What was asked.
        ask: Ask,
        /// How many wait.
        waiting: usize,
    },
    /// A lane was given: at once, or to one that waited and will claim it when it is polled.
    Granted {
        /// Which lane, to whom.
        grant: Grant,
        /// How many still wait.
        waiting: usize,
    },
    /// One that had waited saw its grant. It is a lease from now on.
    Claimed {
        /// Which lane, by whom.
        grant: Grant,
    },
    /// A grant was not claimed in time and was [taken back](crate::ModelLock::sweep). Its waiter is parked; when
    /// it is polled again, it is granted a lane or enqueued. If another of its key waits or is parked, the older of the two
    /// is superseded, and refused next.
    Revoked {
        /// Which lane, from whom.
        grant: Grant,
        /// How many still wait, those parked not included.
        waiting: usize,
    },
    /// A lease ended, and the lane came home, sound or not.
    Released {
        /// Which lane, by whom.
        grant: Grant,
    },
    /// A wait was dropped, perhaps with a lane granted that it never claimed.
    Left {
        /// What was asked.
        ask: Ask,
        /// How many still wait.
        waiting: usize,
    },
    /// An ask was refused, at once or after waiting.
    Refused {
        /// What was asked.
        ask: Ask,
        /// Why.
        error: AcquireError,
        /// How many still wait.
        waiting: usize,
    },
}

/// A lane in the hands of one ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// The number of the grant.
    pub ticket: Ticket,
    /// Which lane.
    pub lane: LaneId,
    /// What was asked.
    pub ask: Ask,
}
