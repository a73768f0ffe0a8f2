//! A value that every thread reads and hardly any changes.

use std::sync::Arc;

use crate::sync::{Mutex, seat};

/// Copies of one value, so that threads that read at once touch different memory: readers of one reader-writer lock all
/// write to its count of readers, and wait for each other's caches. Known as a *big-reader lock* (`brlock` of Linux 2.4).
///
/// A change is seen by all at once: it takes the locks of all copies before it replaces the first value.
pub(super) struct Published<N> {
    copies: Box<[Copy<N>]>,
    /// For whoever finds its copy locked, by a change, by a thread that shares the copy, or by itself: comparing names is foreign
    /// code, which may look names up. Locked only to clone the pointer, or, while all copies are locked, to replace it. So
    /// nobody waits for a reader, but a change.
    spare: Mutex<Arc<N>>,
    /// Held for a change, so that none is lost. Nobody waits for it to read.
    writer: Mutex<()>,
}

/// Alone in its cache lines: two of 64 bytes, because processors fetch them in pairs.
#[repr(align(128))]
struct Copy<N>(Mutex<N>);

/// Two are enough for a model checker to see a change that one copy shows and another does not.
const COPIES: usize = if cfg!(any(model_locks_loom, model_locks_shuttle)) { 2 } else { 16 };

impl<N: Clone> Published<N> {
    pub(super) fn new(value: N) -> Self {
        let copies = (0..COPIES).map(|_| Copy(Mutex::new(value.clone()))).collect();
        Self { copies, spare: Mutex::new(Arc::new(value)), writer: Mutex::new(()) }
    }

    /// Looks something up in the value as it is now. A change waits until it is done.
    #[inline]
    pub(super) fn read<R>(&self, look_up: impl FnOnce(&N) -> R) -> R {
        match self.copies[seat() % COPIES].0.try_lock() {
            Some(value) => look_up(&value),
            None => look_up(&self.now()),
        }
    }

    /// The value as it is now. What is done with it is done outside of all locks.
    pub(super) fn now(&self) -> Arc<N> {
        Arc::clone(&self.spare.lock())
    }

    /// Changes the value, unless the change fails. Changes come one after another; readers go on meanwhile, with the old
    /// value.
    pub(super) fn change<R, E>(&self, change: impl FnOnce(&mut N) -> Result<R, E>) -> Result<R, E> {
        let writer = self.writer.lock();
        let mut value = N::clone(&self.now());
        let result = change(&mut value)?;
        let fresh = self.copies.iter().map(|_| value.clone()).collect::<Vec<_>>();
        let mut copies = self.copies.iter().map(|copy| copy.0.lock()).collect::<Vec<_>>();
        // First of all, while nobody reads a copy. Whoever finds one unlocked later finds the new value, in it as here.
        let spare = std::mem::replace(&mut *self.spare.lock(), Arc::new(value));
        let old = copies.iter_mut().zip(fresh).map(|(copy, fresh)| std::mem::replace(&mut **copy, fresh));
        let old = old.collect::<Vec<_>>();
        drop(copies);
        drop(writer);
        // Last, because it may drop what the value owns, which is foreign code.
        drop((old, spare));
        Ok(result)
    }
}

#[cfg(all(test, not(any(model_locks_loom, model_locks_shuttle))))]
mod tests {
    use std::sync::Weak;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// If they were replaced one by one, one thread could know a name, tell another, and be contradicted.
    #[test]
    fn no_copy_shows_a_change_before_all_are_locked() {
        let published = Published::new(1);
        let copies = &published.copies;
        let (first, last) = (&copies[0].0, &copies[COPIES - 2].0);
        let reader = copies[COPIES - 1].0.lock();
        thread::scope(|scope| {
            scope.spawn(|| published.change(|value| Ok::<_, ()>(std::mem::replace(value, 2))));
            // The change begins at the first copy, and stops at the one that is held here.
            while first.try_lock().is_some() || last.try_lock().is_some() {
                assert_eq!(last.try_lock().map_or(1, |copy| *copy), 1, "the last but one shows it, the last does not");
                thread::yield_now();
            }
            assert!(first.try_lock().is_none(), "the first copy is to be read although the last is not replaced");
            assert_eq!(*published.now(), 1, "the spare value shows it");
            assert_eq!(published.read(|value| *value), 1, "a reader sees it, or waits");
            drop(reader);
        });
        assert!(copies.iter().all(|copy| *copy.0.lock() == 2) && *published.now() == 2, "all show it");
    }

    /// More than there are copies of, and more than that many times over.
    #[test]
    fn any_number_of_threads_may_read() {
        let published = Published::new(1);
        for _ in 0..=COPIES * COPIES {
            let value = thread::scope(|scope| scope.spawn(|| published.read(|value| *value)).join());
            assert!(value.is_ok_and(|value| value == 1));
        }
    }

    /// Comparing names is foreign code, and may look names up.
    #[test]
    fn one_who_reads_may_read() {
        let published = Published::new(1);
        assert_eq!(published.read(|outer| published.read(|inner| outer + inner)), 2);
    }

    /// Method: the reader holds its copy while the change has locked all before it.
    #[test]
    fn one_who_reads_may_read_although_a_change_waits_for_it() {
        let published = Published::new(1);
        let first = &published.copies[0].0;
        let reader = published.copies[COPIES - 1].0.lock();
        thread::scope(|scope| {
            scope.spawn(|| published.change(|value| Ok::<_, ()>(std::mem::replace(value, 2))));
            while first.try_lock().is_some() {
                thread::yield_now();
            }
            // Sixteen threads have copies of their own, and each is locked, by the change or by the reader.
            let read = || published.read(|value| *value);
            let readers = (0..COPIES).map(|_| scope.spawn(read)).collect::<Vec<_>>();
            assert!(readers.into_iter().all(|reader| reader.join().is_ok_and(|value| value == 1)));
            drop(reader);
        });
        assert_eq!(published.read(|value| *value), 2);
    }

    /// A name whose comparison panics must not take the registry along.
    #[test]
    fn a_reader_that_panics_harms_nobody() {
        let published = Published::new(1);
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| published.read(|_| panic!("of a name"))));
        assert!(panicked.is_err());
        assert_eq!(published.read(|value| *value), 1);
        assert_eq!(published.change(|value| Ok::<_, ()>(std::mem::replace(value, 2))), Ok(1));
        assert_eq!(published.read(|value| *value), 2);
    }

    #[test]
    fn a_change_that_fails_is_not_seen() {
        let published = Published::new(1);
        let failed = published.change(|value| {
            *value = 2;
            Err::<(), _>("no")
        });
        assert_eq!((failed, published.read(|value| *value), *published.now()), (Err("no"), 1, 1));
    }

    /// Names may have destructors, and those may look names up and change them.
    /// Method: a value that looks at the locks of its home when it is dropped.
    #[test]
    fn what_a_change_replaces_is_dropped_outside_of_all_locks() {
        #[derive(Clone)]
        struct Old(Weak<Published<Option<Self>>>, Arc<AtomicUsize>);
        impl Drop for Old {
            fn drop(&mut self) {
                let Some(home) = self.0.upgrade() else { return };
                let is_free = home.writer.try_lock().is_some()
                    && home.spare.try_lock().is_some()
                    && home.copies.iter().all(|copy| copy.0.try_lock().is_some());
                self.1.fetch_add(usize::from(is_free), Ordering::SeqCst);
            }
        }
        let (published, drops) = (Arc::new(Published::new(None)), Arc::new(AtomicUsize::new(0)));
        let old = Old(Arc::downgrade(&published), Arc::clone(&drops));
        assert!(published.change(|value| Ok::<_, ()>(value.replace(old))).is_ok_and(|before| before.is_none()));
        // A clone is taken out of the change, and so is dropped behind it.
        assert!(published.change(|value| Ok::<_, ()>(value.take())).is_ok_and(|taken| taken.is_some()));
        assert_eq!(drops.load(Ordering::SeqCst), COPIES + 2, "all were, each copy, the spare one and the clone");
    }

    /// Method: the second change is asked for in the middle of the first, which gives it time to overtake.
    #[test]
    fn no_change_is_lost_to_another() {
        let published = Published::new(Vec::new());
        let asked = AtomicUsize::new(0);
        thread::scope(|scope| {
            let second = || {
                asked.store(1, Ordering::SeqCst);
                published.change(|numbers| {
                    numbers.push(2);
                    Ok::<_, ()>(())
                })
            };
            let first = published.change(|numbers: &mut Vec<u32>| {
                scope.spawn(second);
                while asked.load(Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
                (0..1000).for_each(|_| thread::yield_now());
                numbers.push(1);
                Ok::<_, ()>(())
            });
            assert_eq!(first, Ok(()));
        });
        assert_eq!(published.read(Vec::clone), [1, 2]);
    }
}
