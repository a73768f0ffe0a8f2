//! The end of a lock: who waits for it, and what is left then.

use super::slab::Index;
use super::{Core, Effects};
use crate::error::AcquireError;
use crate::snapshot::LaneId;

/// The right to one place among those who wait for the end.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct WatchKey(Index);

impl<V, W> Core<V, W> {
    /// Refuses everybody who waits and everybody who will come. Grants already made stand.
    pub(crate) fn close(&mut self, effects: &mut Effects<W>) {
        self.closed = true;
        self.queue.refuse_all(&AcquireError::Closed, effects, &mut self.news);
        self.wake_watchers_if_drained(effects);
    }

    /// The lanes of a lock that is drained.
    pub(crate) fn take_all(&mut self) -> Option<Vec<(LaneId, V)>> {
        self.is_drained().then(|| self.lanes.take_all())
    }

    /// Whether the lock is closed and every lane is home. Once true, always true.
    pub(crate) fn is_drained(&self) -> bool {
        self.closed && self.lanes.all_home()
    }

    /// Asks to be woken when the lock is drained, which it must not be yet.
    pub(crate) fn watch(&mut self, waker: W) -> WatchKey {
        debug_assert!(!self.is_drained(), "nobody wakes a watcher that comes after the end");
        let index = self.watchers.occupy();
        *self.watchers.get_mut(index) = Some(waker);
        WatchKey(index)
    }

    /// The waker of a watcher; `None` once it has been woken.
    pub(crate) fn watcher(&mut self, key: &WatchKey) -> &mut Option<W> {
        self.watchers.get_mut(key.0)
    }

    /// Ends a watch. The waker is to be dropped outside.
    pub(crate) fn unwatch(&mut self, key: WatchKey) -> Option<W> {
        let waker = self.watchers.get_mut(key.0).take();
        self.watchers.vacate(key.0);
        waker
    }

    #[inline]
    pub(super) fn wake_watchers_if_drained(&mut self, effects: &mut Effects<W>) {
        if self.is_drained() {
            self.watchers.iter_mut().filter_map(Option::take).for_each(|waker| effects.wake(waker));
        }
    }
}
