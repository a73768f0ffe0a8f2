//! The wait for the end of a lock.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::core::WatchKey;
use crate::lock::{ModelLock, Shared};
use crate::snapshot::LaneId;
use crate::sync::discard;

impl<T> ModelLock<T> {
    /// Closes the lock for good.
    ///
    /// Everyone who waits and everyone who comes gets [`AcquireError::Closed`](crate::AcquireError::Closed). A lane granted before, even if its
    /// waiter has not seen it yet, is honoured. Holders finish in their own time; see [`closed`](Self::closed).
    /// Closing twice is the same as closing once.
    ///
    /// # Blocking
    ///
    /// Waits for no holder. It takes time in proportion to the most that ever waited at once.
    pub fn close(&self) {
        self.shared.change(|core, effects| core.close(effects));
    }

    /// Waits until the lock is closed and every lane is home: in the lock, sound or in quarantine, and promised to
    /// nobody.
    ///
    /// Before [`close`](Self::close) it waits for that as well. A lease leaked with `mem::forget` never comes home.
    ///
    /// # Fairness
    ///
    /// All who wait for the end are woken by it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect on the lock.
    pub fn closed(&self) -> Closed<T> {
        Closed::new(Arc::clone(&self.shared))
    }

    /// Closes the lock and waits until every lane is home: [`close`](Self::close), which happens now, and then
    /// [`closed`](Self::closed).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting. The lock stays closed.
    pub fn drain(&self) -> Closed<T> {
        self.close();
        self.closed()
    }

    /// Takes all lanes out of a lock that is [closed](Self::closed) with every lane home, by ascending id, those in
    /// quarantine included. `None` before that; none are left after it.
    #[must_use = "the lanes are dropped otherwise"]
    pub fn take_lanes(&self) -> Option<Vec<(LaneId, T)>> {
        let lanes = self.shared.with(|core| core.take_all())?;
        Some(lanes.into_iter().map(|(lane, value)| (lane, value.value)).collect())
    }
}

/// The wait of [`ModelLock::closed`](crate::ModelLock::closed). It may be polled again after it has returned, and
/// returns again.
///
/// # Cancel safety
///
/// Dropping it has no effect on the lock.
#[must_use = "a future does nothing unless it is polled"]
pub struct Closed<T> {
    shared: Arc<Shared<T>>,
    key: Option<WatchKey>,
}

impl<T> Closed<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared, key: None }
    }

    /// Leaves a waker with the lock, or gets back what is not needed: this waker at the end, the former one before.
    fn watch(&mut self, waker: Waker) -> (Poll<()>, Option<Waker>) {
        let key = &mut self.key;
        self.shared.with(|core| {
            if core.is_drained() {
                return (Poll::Ready(()), Some(waker));
            }
            let former = match key {
                Some(key) => core.watcher(key).replace(waker),
                None => {
                    *key = Some(core.watch(waker));
                    None
                }
            };
            (Poll::Pending, former)
        })
    }
}

impl<T> Future for Closed<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // The first look spares the clone. The second one, in `watch`, is the one that counts: the last lane may come
        // home while the waker is cloned.
        if this.shared.with(|core| core.is_drained()) {
            return Poll::Ready(());
        }
        let (answer, unused) = this.watch(cx.waker().clone());
        discard(unused);
        answer
    }
}

impl<T> Drop for Closed<T> {
    fn drop(&mut self) {
        if let Some(key) = mem::take(&mut self.key) {
            discard(self.shared.with(|core| core.unwatch(key)));
        }
    }
}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
