//! Several locks taken together, always in one order, so that no two who do so can wait for each other.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::acquire::Acquire;
use crate::blocking::block;
use crate::error::AcquireAllError;
use crate::lease::Lease;
use crate::lock::ModelLock;
use crate::policy::Ask;

/// Takes a lane of each of these locks: all or none. The leases come in the order of the call.
///
/// The locks are taken one after the other in an order of their own, which is the same in every call: the order in which
/// they were made. So two calls never wait for each other in a circle, whatever order they name the locks in. That holds
/// only for locks taken by *one* call: **hold no lease when you call this**, nor take another before you let go of these.
///
/// What was taken first is held while the rest is waited for, so it may be held idle for as long as the longest queue
/// lasts. Lanes of one lock cannot be taken together. So poll it: what it has taken is leased, and no
/// [sweep](ModelLock::sweep) takes it back from a future that is forgotten.
///
/// # Fairness
///
/// At each lock it is one waiter like any other, from the moment when the locks before it in the order have been taken.
///
/// # Cancel safety
///
/// Dropping the future gives up its place and releases what it has taken, the last first.
///
/// # Errors
///
/// [`AcquireAllError::Duplicate`] if a lock is named twice, before anything is taken; [`AcquireAllError::Refused`] if one of
/// the locks refuses, after everything else has been released, the last first.
///
/// ```
/// use model_locks::{AcquireAllError, Ask, ModelLock, Policy, blocking_acquire_all};
///
/// let draft = ModelLock::new(["draft"], Policy::default());
/// let target = ModelLock::new(["target"], Policy::default());
///
/// let leases = blocking_acquire_all([(&target, Ask::default()), (&draft, Ask::default())])?;
/// assert_eq!((*leases[0], *leases[1]), ("target", "draft"));
/// drop(leases);
///
/// let twice = blocking_acquire_all([(&draft, Ask::default()), (&draft, Ask::default())]);
/// assert_eq!(twice.unwrap_err(), AcquireAllError::Duplicate { index: 1 });
/// # Ok::<(), AcquireAllError>(())
/// ```
pub fn acquire_all<'a, T: 'a>(asks: impl IntoIterator<Item = (&'a ModelLock<T>, Ask)>) -> AcquireAll<T> {
    let mut asks: Vec<_> = asks.into_iter().enumerate().map(|(index, (lock, ask))| (lock, index, ask)).collect();
    asks.sort_by_key(|(lock, index, _)| (lock.id(), *index));
    let twice = asks.windows(2).filter(|pair| pair[0].0.is_same(pair[1].0));
    if let Some(index) = twice.map(|pair| pair[1].1).min() {
        return AcquireAll { waits: Vec::new(), leases: Vec::new(), stage: Stage::Duplicate { index } };
    }
    // The next to be taken is the last of the list.
    let waits = asks.into_iter().rev().map(|(lock, index, ask)| (index, lock.acquire(ask))).collect();
    AcquireAll { waits, leases: Vec::new(), stage: Stage::Taking }
}

/// Like [`acquire_all`], but blocks the calling thread.
///
/// # Blocking
///
/// Never call it from asynchronous code; see [`ModelLock::blocking_acquire`].
///
/// # Fairness
///
/// At each lock it is one waiter like any other, beside asynchronous ones; see [`acquire_all`].
///
/// # Errors
///
/// The same as [`acquire_all`].
pub fn blocking_acquire_all<'a, T: 'a>(
    asks: impl IntoIterator<Item = (&'a ModelLock<T>, Ask)>,
) -> Result<Vec<Lease<T>>, AcquireAllError> {
    let mut all = acquire_all(asks);
    block(|waker| all.poll_with(waker))
}

/// The wait of [`acquire_all`]. It does nothing before its first poll.
///
/// # Cancel safety
///
/// It may be dropped at any moment; see [`acquire_all`].
///
/// # Panics
///
/// If it is polled after it has returned.
#[must_use = "a future does nothing unless it is polled"]
pub struct AcquireAll<T> {
    /// What is still to be taken, each with its place in the call. The last is next.
    waits: Vec<(usize, Acquire<T>)>,
    /// What has been taken, each with its place in the call.
    leases: Vec<(usize, Lease<T>)>,
    stage: Stage,
}

enum Stage {
    Taking,
    Duplicate { index: usize },
    Done,
}

impl<T> AcquireAll<T> {
    fn poll_with(&mut self, waker: &Waker) -> Poll<Result<Vec<Lease<T>>, AcquireAllError>> {
        match self.stage {
            Stage::Taking => {}
            Stage::Duplicate { index } => {
                self.stage = Stage::Done;
                return Poll::Ready(Err(AcquireAllError::Duplicate { index }));
            }
            Stage::Done => panic!("`AcquireAll` polled after it has returned"),
        }
        while let Some((index, wait)) = self.waits.last_mut() {
            let index = *index;
            match wait.poll_with(waker) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(lease)) => {
                    self.waits.pop();
                    self.leases.push((index, lease));
                }
                Poll::Ready(Err(error)) => {
                    self.release();
                    return Poll::Ready(Err(AcquireAllError::Refused { index, error }));
                }
            }
        }
        self.stage = Stage::Done;
        let mut leases = mem::take(&mut self.leases);
        leases.sort_by_key(|(index, _)| *index);
        Poll::Ready(Ok(leases.into_iter().map(|(_, lease)| lease).collect()))
    }

    /// Gives everything up: the wait first, so that nothing is granted to it any more, then what was taken, the last first.
    fn release(&mut self) {
        self.stage = Stage::Done;
        self.waits.clear();
        while let Some((_, last)) = self.leases.pop() {
            last.give_back_unseen();
        }
    }
}

impl<T> Future for AcquireAll<T> {
    type Output = Result<Vec<Lease<T>>, AcquireAllError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_with(cx.waker())
    }
}

impl<T> Drop for AcquireAll<T> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<T> fmt::Debug for AcquireAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (taken, missing) = (self.leases.len(), self.waits.len());
        f.debug_struct("AcquireAll").field("taken", &taken).field("missing", &missing).finish_non_exhaustive()
    }
}
