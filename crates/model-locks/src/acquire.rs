//! The wait for a lane, as a future.
//!
//! A first poll looks under the mutex, unless the lock seems busy; if it has to wait, it clones the waker outside and looks,
//! *again* or for the first time, before it enqueues. Without this look, a lane that came home in between would lie free
//! beside a sleeping waiter.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::core::{Core, Effects, Entered, Looked, Outcome, WaiterKey};
use crate::error::AcquireError;
use crate::lease::Lease;
use crate::lock::{ModelLock, Shared};
use crate::parcel::Parcel;
use crate::policy::Ask;
use crate::sync::discard;

/// The wait of [`ModelLock::acquire`]. It does nothing before its first poll.
///
/// `H` is how it knows its lock, and goes into the lease: a handle of its own, or [a borrowed one](AcquireRef).
///
/// # Cancel safety
///
/// It may be dropped at any moment; see [`ModelLock::acquire`].
///
/// # Panics
///
/// If it is polled after it has returned.
#[must_use = "a future does nothing unless it is polled"]
pub struct Acquire<T, H: Borrow<ModelLock<T>> = ModelLock<T>> {
    /// Goes into the lease. Before that it is always there.
    lock: Option<H>,
    ask: Ask,
    stage: Stage,
    value: PhantomData<fn() -> T>,
}

/// The wait of [`ModelLock::acquire_ref`](ModelLock::acquire_ref).
pub type AcquireRef<'a, T> = Acquire<T, &'a ModelLock<T>>;

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

type Answer<T, H> = Result<Lease<T, H>, AcquireError>;

impl<T, H: Borrow<ModelLock<T>>> Acquire<T, H> {
    #[inline(always)]
    pub(crate) fn new(lock: H, ask: Ask) -> Self {
        Self { lock: Some(lock), ask, stage: Stage::New, value: PhantomData }
    }

    #[inline(always)]
    fn shared(&self) -> &Shared<T> {
        &self.lock.as_ref().expect("the handle leaves only with the answer").borrow().shared
    }

    #[inline(always)]
    fn take_handle(&mut self) -> H {
        self.lock.take().expect("the handle leaves only with the answer")
    }

    /// Takes a lane if one is free, at the first look. It is spared if the lock is busy.
    #[inline(always)]
    pub(crate) fn take_free(&mut self) -> Option<Lease<T, H>> {
        if self.shared().is_busy() {
            return None;
        }
        let parcel = self.shared().with(|core| core.take_free(self.ask).map(Parcel::address))?;
        self.stage = Stage::Done;
        Some(Lease::new(self.take_handle(), parcel))
    }

    /// Takes the lane that was granted. Without one, says whether it still waits, with this very waker.
    #[inline(always)]
    fn claim(&mut self, waker: &Waker) -> Result<Lease<T, H>, bool> {
        let Stage::Waiting(key) = mem::replace(&mut self.stage, Stage::Done) else {
            unreachable!("called only for one who waits");
        };
        let mut back = None;
        let claimed = self.shared().with(|core| match core.claim(key) {
            Ok(taken) => Ok(Parcel::address(taken)),
            Err(key) => {
                let is_latest = core.waker(&key).is_some_and(|known| known.will_wake(waker));
                back = Some(key);
                Err(is_latest)
            }
        });
        if let Some(key) = back {
            self.stage = Stage::Waiting(key);
        }
        claimed.map(|parcel| Lease::new(self.take_handle(), parcel))
    }

    // What almost always happens is inlined into the task, so that the lease goes there without being copied.
    #[inline(always)]
    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<Answer<T, H>> {
        match self.stage {
            Stage::New => {
                if let Some(lease) = self.take_free() {
                    return Poll::Ready(Ok(lease));
                }
            }
            Stage::Waiting(_) => match self.claim(waker) {
                Ok(lease) => return Poll::Ready(Ok(lease)),
                Err(true) => return Poll::Pending,
                Err(false) => {}
            },
            Stage::Parked(_) | Stage::Done => {}
        }
        self.poll_in_queue(waker)
    }

    /// The waker is cloned outside of the mutex, so there is a gap, and whatever comes now looks again.
    #[inline(never)]
    pub(crate) fn poll_in_queue(&mut self, waker: &Waker) -> Poll<Answer<T, H>> {
        match self.stage {
            Stage::New => self.enter(waker.clone()),
            Stage::Waiting(_) | Stage::Parked(_) => self.look(waker.clone()),
            Stage::Done => panic!("`Acquire` polled after it has returned"),
        }
    }

    fn enter(&mut self, waker: Waker) -> Poll<Answer<T, H>> {
        self.take_place(|core, ask, effects| core.enter(ask, waker, effects))
    }

    /// Gets a place in the queue, or an answer.
    #[inline(always)]
    fn take_place(
        &mut self,
        enter: impl FnOnce(&mut Core<Box<Parcel<T>>, Waker>, Ask, &mut Effects<Waker>) -> Entered<Box<Parcel<T>>, Waker>,
    ) -> Poll<Answer<T, H>> {
        // The answer takes a path of its own out of the section. Together with the key it would be copied twice more.
        let mut settled = None;
        let key = self.shared().change(|core, effects| match enter(core, self.ask, effects) {
            Entered::Queued(key) => Some(key),
            Entered::Settled(outcome, unused) => {
                settled = Some((outcome, unused));
                None
            }
        });
        self.shared().found_busy(key.is_some());
        if let Some(key) = key {
            self.stage = Stage::Waiting(key);
            return Poll::Pending;
        }
        let (outcome, unused) = settled.expect("who has no place has an answer");
        let answer = self.settle(outcome);
        discard(Some(unused));
        answer
    }

    /// Sees what has become of this wait, and leaves this waker if it goes on.
    fn look(&mut self, mut fresh: Waker) -> Poll<Answer<T, H>> {
        let (Stage::Waiting(key) | Stage::Parked(key)) = mem::replace(&mut self.stage, Stage::Done) else {
            unreachable!("called only for one who waits");
        };
        let looked = self.shared().with(|core| {
            let looked = match core.claim(key) {
                Ok(taken) => Looked::Settled(Ok(taken)),
                Err(key) => core.look(key),
            };
            if let Looked::Waiting(key) = &looked {
                core.waker(key).into_iter().for_each(|known| mem::swap(known, &mut fresh));
            }
            looked
        });
        let answer = match looked {
            Looked::Settled(outcome) => self.settle(outcome),
            Looked::Waiting(key) => {
                self.stage = Stage::Waiting(key);
                Poll::Pending
            }
            Looked::Parked(key) => {
                self.stage = Stage::Parked(key);
                return self.resume(fresh);
            }
        };
        discard(Some(fresh));
        answer
    }

    /// Waits again after a grant was lost.
    fn resume(&mut self, waker: Waker) -> Poll<Answer<T, H>> {
        match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Parked(key) => self.take_place(|core, _, _| core.resume(key, waker)),
            _ => unreachable!("called only for one who is parked"),
        }
    }

    #[inline(never)]
    fn leave(&mut self) {
        if let Stage::Waiting(key) | Stage::Parked(key) = mem::replace(&mut self.stage, Stage::Done) {
            match self.shared().with(|core| core.leave_list(key)) {
                Ok(waker) => discard(Some(waker)),
                Err(key) => self.leave_seat(key),
            }
        }
    }

    #[inline(never)]
    fn leave_seat(&self, key: WaiterKey) {
        discard(self.shared().change(|core, effects| core.leave(key, effects)));
    }

    fn settle(&mut self, outcome: Outcome<Box<Parcel<T>>>) -> Poll<Answer<T, H>> {
        self.stage = Stage::Done;
        let lock = self.take_handle();
        Poll::Ready(outcome.map(|taken| Lease::new(lock, Parcel::address(taken))))
    }
}

// Nothing inside is pinned.
impl<T, H: Borrow<ModelLock<T>>> Unpin for Acquire<T, H> {}

impl<T, H: Borrow<ModelLock<T>>> Future for Acquire<T, H> {
    type Output = Answer<T, H>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_with(cx.waker())
    }
}

impl<T, H: Borrow<ModelLock<T>>> Drop for Acquire<T, H> {
    #[inline(always)]
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Waiting(_) | Stage::Parked(_)) {
            self.leave();
        }
    }
}

impl<T, H: Borrow<ModelLock<T>>> fmt::Debug for Acquire<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("ask", &self.ask).finish_non_exhaustive()
    }
}
