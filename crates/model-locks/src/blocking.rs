//! The same wait, driven by a thread that sleeps instead of a task that yields.

use std::task::{Poll, Waker};

use crate::acquire::Acquire;
use crate::error::AcquireError;
use crate::lease::Lease;
use crate::sync::Parker;

impl<T> Acquire<T> {
    /// Blocks the calling thread until this wait is over.
    pub(crate) fn block(mut self) -> Result<Lease<T>, AcquireError> {
        // A free lane needs no parker.
        if let Poll::Ready(answer) = self.poll_at_once() {
            return answer;
        }
        block(|waker| self.poll_with(waker))
    }
}

/// Blocks the calling thread until this poll is ready.
pub(crate) fn block<R>(mut poll: impl FnMut(&Waker) -> Poll<R>) -> R {
    let parker = Parker::current();
    let waker = parker.waker();
    loop {
        match poll(&waker) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => parker.park(),
        }
    }
}
