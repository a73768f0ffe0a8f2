//! What is always true of a core between two steps; the tests ask after each.

use super::Core;

impl<V, W> Core<V, W> {
    pub(super) fn check(&self) {
        self.queue.check();
        self.lanes.check();
        self.watchers.check();

        let waiting = self.queue.len();
        if self.lanes.first_free().is_some() {
            assert_eq!(waiting, 0, "somebody waits beside a free lane");
        }
        assert!(waiting <= self.queue_max, "more wait than may");
        if self.closed {
            assert_eq!(waiting, 0, "somebody waits at a closed lock");
        }
        if self.quarantine_error().is_some() {
            assert_eq!(waiting, 0, "somebody waits although no lane is in service");
        }
        let mut promised = self.queue.granted();
        promised.sort();
        assert_eq!(promised, self.lanes.granted(), "each granted lane is promised to exactly one waiter");
        if self.is_drained() {
            assert!(self.watchers.iter().all(Option::is_none), "a watcher sleeps past the end");
        }
    }
}
