//! What a lock shows of itself: plain data, copied under the lock's mutex, valid as of that moment.
//!
//! Nothing here may decide anything: by the time it is read, it has changed. It is for people, logs and metrics.

use std::fmt;
use std::sync::Arc;

use crate::policy::Class;

/// The number of a grant: 1 for the first grant of a lock, rising by one with each.
///
/// A grant whose waiter left before claiming it used up its number, so the tickets of leases may have gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// The bare number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a lane within its lock: 0 for the first, rising by one. The id of a lane that has left is not given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub(crate) u32);

impl LaneId {
    /// The bare number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything about a lock at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The lanes, by ascending id. Retired ones are gone.
    pub lanes: Vec<LaneView>,
    /// Those who wait, in the order in which they would be granted if nobody else came, nobody left, and nobody
    /// [charged](crate::Lease::charge) anything.
    pub waiting: Vec<WaiterView>,
    /// Those who lost a grant because they did not claim it, and have not been polled since, in order of arrival.
    pub parked: Vec<ParkedView>,
    /// Whether the lock is closed.
    pub closed: bool,
    /// Grants made so far; also the number of the latest ticket.
    pub granted_total: u64,
}

/// One lane of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneView {
    /// Which lane.
    pub id: LaneId,
    /// Where it is.
    pub state: LaneState,
}

/// Where a lane is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaneState {
    /// In the lock, and nobody waits.
    Free,
    /// Given to a waiter that has not been polled since. If a lane stays here, its future is alive and
    /// forgotten; see [`ModelLock::sweep`](crate::ModelLock::sweep).
    Granted {
        /// The number of the grant.
        ticket: Ticket,
        /// The class of the ask.
        class: Class,
        /// The tag of the ask.
        tag: u64,
        /// The [client](crate::Ask::client) of the ask.
        client: Option<u64>,
    },
    /// Held through a [`Lease`](crate::Lease). A lease that was leaked with `mem::forget` is shown here for ever.
    Leased {
        /// The number of the grant.
        ticket: Ticket,
        /// The class of the ask.
        class: Class,
        /// The tag of the ask.
        tag: u64,
        /// The [client](crate::Ask::client) of the ask.
        client: Option<u64>,
    },
    /// In the lock, but not to be lent before it is repaired.
    Quarantined {
        /// Why.
        reason: Arc<str>,
    },
    /// Out for repair.
    InRepair,
    /// In the lock, to be fetched by whoever [takes it out](crate::ModelLock::take_lane).
    Leaving,
}

/// One waiter of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaiterView {
    /// How many would be granted before this one.
    pub position: usize,
    /// The class of the ask.
    pub class: Class,
    /// The tag of the ask.
    pub tag: u64,
    /// The [client](crate::Ask::client) of the ask.
    pub client: Option<u64>,
}

/// One of those in a [`Snapshot`] who lost a grant to a [sweep](crate::ModelLock::sweep) and must be polled before they wait
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedView {
    /// The class of the ask.
    pub class: Class,
    /// The tag of the ask.
    pub tag: u64,
    /// The [client](crate::Ask::client) of the ask.
    pub client: Option<u64>,
}

/// How many lanes are in which state, and how many wait. Cheaper than a [`Snapshot`].
// Exhaustive on purpose: a host's test compares all of it at once. A new state of a lane is a change that hosts should notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lanes in the lock, ready to be lent.
    pub free: usize,
    /// Lanes held through a lease.
    pub leased: usize,
    /// Lanes granted to a waiter that has not claimed them yet.
    pub granted: usize,
    /// Lanes in quarantine, those out for repair included.
    pub quarantined: usize,
    /// Lanes that wait to be fetched by whoever [takes them out](crate::ModelLock::take_lane).
    pub leaving: usize,
    /// Asks that wait for a lane.
    pub waiting: usize,
    /// Asks that lost a grant because they did not claim it, and have not been polled since. They count as waiting for
    /// [`queue_max`](crate::Policy::queue_max), but get no lane before they are polled.
    pub parked: usize,
    /// Whether the lock is closed.
    pub closed: bool,
}
