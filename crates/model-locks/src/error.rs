//! Why a lane was not granted, and what the caller can do about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why [`acquire`](crate::ModelLock::acquire) or [`blocking_acquire`](crate::ModelLock::blocking_acquire) was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireError {
    /// As many wait as the policy permits. Nothing was changed; try again later.
    QueueFull {
        /// How many were waiting.
        waiting: usize,
        /// The bound, [`Policy::queue_max`](crate::Policy::queue_max).
        limit: usize,
    },
    /// The lock is closed and stays closed.
    Closed,
    /// Every lane is in quarantine. Repair one, or add one.
    Quarantined {
        /// Why the first of these lanes was quarantined.
        reason: Arc<str>,
    },
    /// A newer ask with the same [key](crate::Ask::supersede) has come. Nobody is interested in this one any more.
    Superseded,
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { waiting, limit } => {
                write!(f, "queue is full: {waiting} waiting, limit {limit}")
            }
            Self::Closed => f.write_str("lock is closed"),
            Self::Quarantined { reason } => write!(f, "every lane is in quarantine: {reason}"),
            Self::Superseded => f.write_str("superseded by a newer ask"),
        }
    }
}

impl Error for AcquireError {}

/// Why [`try_acquire`](crate::ModelLock::try_acquire) was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryAcquireError {
    /// No lane is free. It may be worth waiting.
    Busy,
    /// The lock is closed and stays closed.
    Closed,
    /// Every lane is in quarantine, and the policy says to fail.
    Quarantined {
        /// Why the first of these lanes was quarantined.
        reason: Arc<str>,
    },
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("no lane is free"),
            Self::Closed => f.write_str("lock is closed"),
            Self::Quarantined { reason } => write!(f, "every lane is in quarantine: {reason}"),
        }
    }
}

impl Error for TryAcquireError {}

/// Why [`acquire_all`](crate::acquire_all) took nothing. `index` counts the locks in the order of the call, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireAllError {
    /// The same lock was named before. Nothing was changed.
    Duplicate {
        /// Which place in the call named it again.
        index: usize,
    },
    /// A lock refused.
    Refused {
        /// Which lock.
        index: usize,
        /// Why.
        error: AcquireError,
    },
}

impl fmt::Display for AcquireAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { index } => write!(f, "lock {index} is named twice"),
            Self::Refused { index, .. } => write!(f, "lock {index} refused"),
        }
    }
}

impl Error for AcquireAllError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Duplicate { .. } => None,
            Self::Refused { error, .. } => Some(error),
        }
    }
}

/// A value that [`add_lane`](crate::ModelLock::add_lane) could not take because the lock is closed.
pub struct Rejected<T> {
    pub(crate) value: T,
}

impl<T> Rejected<T> {
    /// The value, back in the hands of its owner.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lock is closed")
    }
}

impl<T> Error for Rejected<T> {}

/// The registry knows no model of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownModel;

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no model of that name")
    }
}

impl Error for UnknownModel {}

/// The registry has this name already, as a model or as an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTaken;

impl fmt::Display for NameTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("name is taken")
    }
}

impl Error for NameTaken {}

/// Why a name was not taken as an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasError {
    /// The registry has this name already, as a model or as an alias.
    NameTaken,
    /// The registry knows no model of the name that the alias should stand for.
    UnknownModel,
}

impl fmt::Display for AliasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken => NameTaken.fmt(f),
            Self::UnknownModel => UnknownModel.fmt(f),
        }
    }
}

impl Error for AliasError {}
