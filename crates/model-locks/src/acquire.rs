//! The wait for a lane, as a future.
//!
//! A first poll looks under the mutex; if it has to wait, it clones the waker outside and looks *again* before it
//! enqueues. Without the second look, a lane that came home in between would lie free beside a sleeping waiter.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::core::{Entered, Looked, Outcome, WaiterKey};
use crate::error::AcquireError;
use crate::lease::Lease;
use crate::lock::Shared;
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
    shared: Arc<Shared<T>>,
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
    pub(crate) fn new(shared: Arc<Shared<T>>, ask: Ask) -> Self {
        Self { shared, ask, stage: Stage::New }
    }

    /// Takes a lane, or learns of a refusal, if that can be decided without waiting.
    pub(crate) fn poll_at_once(&mut self) -> Poll<Answer<T>> {
        match self.shared.with(|core| core.ask(self.ask)) {
            Some(outcome) => self.settle(outcome),
            None => Poll::Pending,
        }
    }

    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<Answer<T>> {
        match self.stage {
            Stage::New => match self.poll_at_once() {
                Poll::Pending => self.enter(waker.clone()),
                answer => answer,
            },
            Stage::Waiting(_) | Stage::Parked(_) => self.poll_again(waker),
            Stage::Done => panic!("`Acquire` polled after it has returned"),
        }
    }

    fn enter(&mut self, waker: Waker) -> Poll<Answer<T>> {
        let entered = self.shared.with(|core| core.enter(self.ask, waker));
        self.entered(entered)
    }

    fn entered(&mut self, entered: Entered<Box<T>, Waker>) -> Poll<Answer<T>> {
        match entered {
            Entered::Queued(key, effects) => {
                self.stage = Stage::Waiting(key);
                effects.run();
                Poll::Pending
            }
            Entered::Settled(outcome, unused) => {
                let answer = self.settle(outcome);
                discard(Some(unused));
                answer
            }
        }
    }

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
                let entered = self.shared.with(|core| core.resume(key, fresh));
                return self.entered(entered);
            }
            stage => stage,
        };
        discard(Some(fresh));
        answer
    }

    /// Looks at this waiter's place. `still_waiting` sees its waker under the mutex, if it has to wait on.
    fn look(&mut self, still_waiting: impl FnOnce(&mut Waker)) -> Poll<Answer<T>> {
        let (Stage::Waiting(key) | Stage::Parked(key)) = mem::replace(&mut self.stage, Stage::Done) else {
            unreachable!("called only for one who waits");
        };
        let looked = self.shared.with(|core| {
            let looked = core.look(key);
            if let Looked::Waiting(key) = &looked {
                still_waiting(core.waker(key));
            }
            looked
        });
        match looked {
            Looked::Settled(outcome) => self.settle(outcome),
            Looked::Waiting(key) => {
                self.stage = Stage::Waiting(key);
                Poll::Pending
            }
            Looked::Parked(key) => {
                self.stage = Stage::Parked(key);
                Poll::Pending
            }
        }
    }

    fn settle(&mut self, outcome: Outcome<Box<T>>) -> Poll<Answer<T>> {
        self.stage = Stage::Done;
        Poll::Ready(outcome.map(|taken| Lease::new(Arc::clone(&self.shared), taken)))
    }
}

impl<T> Future for Acquire<T> {
    type Output = Answer<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_with(cx.waker())
    }
}

impl<T> Drop for Acquire<T> {
    fn drop(&mut self) {
        if let Stage::Waiting(key) | Stage::Parked(key) = mem::replace(&mut self.stage, Stage::Done) {
            self.shared.with(|core| core.leave(key)).run();
        }
    }
}

impl<T> fmt::Debug for Acquire<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("ask", &self.ask).finish_non_exhaustive()
    }
}
