//! The same wait, driven by a thread that sleeps instead of a task that yields.

use std::borrow::Borrow;
use std::mem;
use std::task::{Poll, Waker};

use crate::acquire::Acquire;
use crate::error::AcquireError;
use crate::lease::Lease;
use crate::lock::ModelLock;
use crate::sync::Parker;

impl<T, H: Borrow<ModelLock<T>>> Acquire<T, H> {
    /// Blocks the calling thread until this wait is over.
    #[inline(always)]
    pub(crate) fn block(mut self) -> Result<Lease<T, H>, AcquireError> {
        // A free lane needs no parker.
        if let Some(lease) = self.take_free() {
            return Ok(lease);
        }
        let mut has_place = false;
        block(|waker| {
            // A lane was not free, or not expected to be. The first poll takes a place or a lane; only then is there something
            // to be claimed.
            if mem::replace(&mut has_place, true) { self.poll_with(waker) } else { self.poll_in_queue(waker) }
        })
    }
}

/// Blocks the calling thread until this poll is ready.
#[inline(never)]
pub(crate) fn block<R>(mut poll: impl FnMut(&Waker) -> Poll<R>) -> R {
    let parker = Parker::current();
    let waker = parker.waker();
    loop {
        match poll(&waker) {
            Poll::Ready(answer) => {
                parker.keep();
                return answer;
            }
            Poll::Pending => parker.park(),
        }
    }
}
