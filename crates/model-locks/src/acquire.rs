//! The wait for a lane, as a future.
//!
//! A first poll looks under the mutex; if it has to wait, it clones the waker outside and looks *again* before it
//! enqueues. Without the second look, a lane that came home in between would lie free beside a sleeping waiter.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::core::{Core, Effects, Entered, Looked, Outcome, WaiterKey};
use crate::error::AcquireError;
use crate::lease::Lease;
use crate::lock::Shared;
use crate::parcel::Parcel;
use crate::policy::Ask;
use crate::sync::discard;

/// The wait of [`ModelLock::acquire`](crate::ModelLock::acquire). It does nothing before its first poll.
///
/// # Cancel safety
///
/// It may be dropped at any moment; see [`ModelLock::acquire`](crate::ModelLock::acquire).
///
/// # Panics
///
/// If it is polled after it has returned.
#[must_use = "a future does nothing unless it is polled"]
pub struct Acquire<T> {
    /// Goes into the lease. Before that it is always there.
    shared: Option<Arc<Shared<T>>>,
    ask: Ask,
    stage: Stage,
}

enum Stage {
    /// Never polled, or not far enough to have a place in the queue.
    New,
    /// Has a place in the queue, until it looks and finds otherwise.
    Waiting(WaiterKey),
    /// Had a grant and lost it, and has no place in the queue until it resumes.
    Parked(WaiterKey),
    /// Has returned.
    Done,
}

type Answer<T> = Result<Lease<T>, AcquireError>;

impl<T> Acquire<T> {
    #[inline(always)]
    pub(crate) fn new(shared: Arc<Shared<T>>, ask: Ask) -> Self {
        Self { shared: Some(shared), ask, stage: Stage::New }
    }

    #[inline(always)]
    fn shared(&self) -> &Shared<T> {
        self.shared.as_ref().expect("the handle leaves only with the answer")
    }

    #[inline(always)]
    fn take_handle(&mut self) -> Arc<Shared<T>> {
        self.shared.take().expect("the handle leaves only with the answer")
    }

    /// Takes a lane if one is free, at the first look.
    #[inline(always)]
    pub(crate) fn take_free(&mut self) -> Option<Lease<T>> {
        if !matches!(self.stage, Stage::New) {
            return None;
        }
        let parcel = self.shared().with(|core| core.take_free(self.ask).map(Parcel::address))?;
        self.stage = Stage::Done;
        Some(Lease::new(self.take_handle(), parcel))
    }

    #[inline(always)]
    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<Answer<T>> {
        match self.take_free() {
            Some(lease) => Poll::Ready(Ok(lease)),
            None => self.poll_in_queue(waker),
        }
    }

    #[inline(never)]
    pub(crate) fn poll_in_queue(&mut self, waker: &Waker) -> Poll<Answer<T>> {
        match self.stage {
            // The waker is cloned outside, so there is a gap, and `enter` looks again.
            Stage::New => self.enter(waker.clone()),
            Stage::Waiting(_) | Stage::Parked(_) => self.poll_again(waker),
            Stage::Done => panic!("`Acquire` polled after it has returned"),
        }
    }

    #[inline(always)]
    fn enter(&mut self, waker: Waker) -> Poll<Answer<T>> {
        self.take_place(|core, ask, effects| core.enter(ask, waker, effects))
    }

    /// Gets a place in the queue, or an answer.
    #[inline(always)]
    fn take_place(
        &mut self,
        enter: impl FnOnce(&mut Core<Box<Parcel<T>>, Waker>, Ask, &mut Effects<Waker>) -> Entered<Box<Parcel<T>>, Waker>,
    ) -> Poll<Answer<T>> {
        // The answer takes a path of its own out of the section. Together with the key it would be copied twice more.
        let mut settled = None;
        let key = self.shared().change(|core, effects| match enter(core, self.ask, effects) {
            Entered::Queued(key) => Some(key),
            Entered::Settled(outcome, unused) => {
                settled = Some((outcome, unused));
                None
            }
        });
        if let Some(key) = key {
            self.stage = Stage::Waiting(key);
            return Poll::Pending;
        }
        let (outcome, unused) = settled.expect("who has no place has an answer");
        let answer = self.settle(outcome);
        discard(Some(unused));
        answer
    }

    #[inline(always)]
    fn poll_again(&mut self, waker: &Waker) -> Poll<Answer<T>> {
        let mut is_latest = false;
        let answer = self.look(|known| is_latest = known.will_wake(waker));
        if answer.is_ready() || is_latest {
            return answer;
        }
        // The waker is cloned and the old one dropped outside, so there is a gap, and a grant may have come in it.
        let mut fresh = waker.clone();
        let answer = self.look(|known| mem::swap(known, &mut fresh));
        self.stage = match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Parked(key) => {
                return self.take_place(|core, _, _| core.resume(key, fresh));
            }
            stage => stage,
        };
        discard(Some(fresh));
        answer
    }

    /// Looks at this waiter's place. `still_waiting` sees its waker under the mutex, if it has to wait on.
    #[inline(always)]
    fn look(&mut self, still_waiting: impl FnOnce(&mut Waker)) -> Poll<Answer<T>> {
        let (Stage::Waiting(key) | Stage::Parked(key)) = mem::replace(&mut self.stage, Stage::Done) else {
            unreachable!("called only for one who waits");
        };
        // As in `take_place`: what almost never comes takes a path of its own.
        let mut looked = None;
        let parcel = self.shared().with(|core| match core.claim(key) {
            Ok(taken) => Some(Parcel::address(taken)),
            Err(key) => {
                looked = Some(core.look(key));
                if let Some(Looked::Waiting(key)) = &looked {
                    still_waiting(core.waker(key));
                }
                None
            }
        });
        match (parcel, looked) {
            (Some(parcel), _) => Poll::Ready(Ok(Lease::new(self.take_handle(), parcel))),
            (None, Some(Looked::Settled(outcome))) => self.settle(outcome),
            (None, Some(Looked::Waiting(key))) => {
                self.stage = Stage::Waiting(key);
                Poll::Pending
            }
            (None, Some(Looked::Parked(key))) => {
                self.stage = Stage::Parked(key);
                Poll::Pending
            }
            (None, None) => unreachable!("who has no lane was looked at"),
        }
    }

    #[inline(never)]
    fn leave(&mut self) {
        if let Stage::Waiting(key) | Stage::Parked(key) = mem::replace(&mut self.stage, Stage::Done) {
            discard(self.shared().change(|core, effects| core.leave(key, effects)));
        }
    }

    fn settle(&mut self, outcome: Outcome<Box<Parcel<T>>>) -> Poll<Answer<T>> {
        self.stage = Stage::Done;
        let shared = self.take_handle();
        Poll::Ready(outcome.map(|taken| Lease::new(shared, Parcel::address(taken))))
    }
}

impl<T> Future for Acquire<T> {
    type Output = Answer<T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_with(cx.waker())
    }
}

impl<T> Drop for Acquire<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Waiting(_) | Stage::Parked(_)) {
            self.leave();
        }
    }
}

impl<T> fmt::Debug for Acquire<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("ask", &self.ask).finish_non_exhaustive()
    }
}
