//! Which class is served next: the highest one that waits, unless a lower one has been passed over often enough.
//!
//! The count belongs to the head of a class, not to each waiter. Counted per waiter, a long backlog of background work
//! would fall due all at once, and interactive requests would wait behind all of it.

use crate::policy::Class;

/// How many wait in each class.
pub(super) type Waiting = [usize; 3];

/// The bypass counters of a queue.
#[derive(Clone, Debug)]
pub(super) struct Bypass {
    max: [u32; 3],
    /// Grants to higher classes since this class was last granted or empty. Never above `max`, and 0 for an empty
    /// class and for the highest one.
    skipped: [u32; 3],
}

impl Bypass {
    pub(super) fn new(max: [u32; 3]) -> Self {
        Self { max, skipped: [0; 3] }
    }

    /// The class to serve now, if anybody waits.
    ///
    /// When two classes are due, the lower goes first: serving the higher one would pass the lower one over once more
    /// than its bound allows, while the grant of a lower class is not counted against a higher one.
    #[inline]
    pub(super) fn next(&self, waiting: Waiting) -> Option<Class> {
        // The usual cases: one class waits, or none.
        match waiting.map(|waiting| waiting > 0) {
            [false, false, false] => return None,
            [true, false, false] => return Some(Class::Interactive),
            [false, true, false] => return Some(Class::Normal),
            [false, false, true] => return Some(Class::Background),
            _ => {}
        }
        let waits = |class: &Class| waiting[class.index()] > 0;
        let lower = [Class::Background, Class::Normal];
        let due = lower.into_iter().filter(waits).find(|&class| self.is_due(class));
        due.or_else(|| Class::ALL.into_iter().find(waits))
    }

    fn is_due(&self, class: Class) -> bool {
        self.skipped[class.index()] >= self.max[class.index()]
    }

    /// Counts a grant to `class`. `waiting` is how many waited before it.
    #[inline]
    pub(super) fn granted(&mut self, class: Class, waiting: Waiting) {
        self.skipped[class.index()] = 0;
        if waiting[1..].iter().skip(class.index()).all(|&waiting| waiting == 0) {
            return;
        }
        let lower = Class::ALL.into_iter().filter(|&lower| lower > class);
        for lower in lower.map(Class::index).filter(|&lower| waiting[lower] > 0) {
            self.skipped[lower] = self.skipped[lower].saturating_add(1);
            debug_assert!(self.skipped[lower] <= self.max[lower], "a class was passed over once too often");
        }
    }

    /// Forgets the count of a class in which nobody waits any more.
    pub(super) fn emptied(&mut self, class: Class) {
        self.skipped[class.index()] = 0;
    }
}

#[cfg(test)]
impl Bypass {
    pub(super) fn skipped(&self) -> [u32; 3] {
        self.skipped
    }

    pub(super) fn check(&self) {
        assert_eq!(self.skipped[0], 0, "nothing passes the highest class over");
        assert!(self.skipped[1] <= self.max[1], "normal was passed over too often");
        assert!(self.skipped[2] <= self.max[2], "background was passed over too often");
    }
}
