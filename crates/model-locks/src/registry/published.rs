//! A value that every thread reads and hardly any changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Copies of one value, so that threads that read at once touch different memory: readers of one reader-writer lock all
/// write to its count of readers, and wait for each other's caches. Known as a *big-reader lock* (`brlock` of Linux 2.4).
///
/// A change is seen by all at once: it takes the locks of all copies before it replaces the first.
pub(super) struct Published<N> {
    copies: Box<[Copy<N>]>,
    /// Held for a change, so that none is lost. Nobody waits for it to read.
    writer: Mutex<()>,
}

/// Alone in its cache lines: two of 64 bytes, because processors fetch them in pairs.
#[repr(align(128))]
struct Copy<N>(Mutex<Arc<N>>);

const COPIES: usize = 16;

impl<N> Copy<N> {
    fn lock(&self) -> MutexGuard<'_, Arc<N>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Clone> Published<N> {
    pub(super) fn new(value: N) -> Self {
        let copies = (0..COPIES).map(|_| Copy(Mutex::new(Arc::new(value.clone())))).collect();
        Self { copies, writer: Mutex::new(()) }
    }

    /// The value as it is now. What is done with it is done outside of all locks.
    pub(super) fn read(&self) -> Arc<N> {
        let copy = COPY.try_with(|copy| *copy).unwrap_or_default();
        Arc::clone(&self.copies[copy].lock())
    }

    /// Changes the value, unless the change fails. Changes come one after another; readers go on meanwhile, with the old
    /// value.
    pub(super) fn change<R, E>(&self, change: impl FnOnce(&mut N) -> Result<R, E>) -> Result<R, E> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value = N::clone(&self.read());
        let result = change(&mut value)?;
        let fresh = self.copies.iter().map(|_| Arc::new(value.clone())).collect::<Vec<_>>();
        let mut copies = self.copies.iter().map(Copy::lock).collect::<Vec<_>>();
        let old = copies.iter_mut().zip(fresh).map(|(copy, fresh)| std::mem::replace(&mut **copy, fresh));
        let old = old.collect::<Vec<_>>();
        drop(copies);
        drop(writer);
        // Last, because it may drop what the value owns, which is foreign code.
        drop((old, value));
        Ok(result)
    }
}

thread_local! {
    /// Which copy this thread reads.
    static COPY: usize = NEXT.fetch_add(1, Ordering::Relaxed) % COPIES;
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// If they were replaced one by one, one thread could know a name, tell another, and be contradicted.
    #[test]
    fn no_copy_shows_a_change_before_all_are_locked() {
        let published = Published::new(1);
        let copies = &published.copies;
        let (first, last) = (&copies[0].0, &copies[COPIES - 2].0);
        let reader = copies[COPIES - 1].lock();
        thread::scope(|scope| {
            scope.spawn(|| published.change(|value| Ok::<_, ()>(std::mem::replace(value, 2))));
            // The change begins at the first copy, and stops at the one that is held here.
            while !(first.try_lock().is_err() && last.try_lock().is_err()) {
                assert_eq!(last.try_lock().map_or(1, |copy| **copy), 1, "the last but one shows it, the last does not");
                thread::yield_now();
            }
            assert!(first.try_lock().is_err(), "the first copy is to be read although the last is not replaced");
            drop(reader);
        });
        assert!(copies.iter().all(|copy| **copy.lock() == 2), "all show it");
    }

    #[test]
    fn a_change_that_fails_is_not_seen() {
        let published = Published::new(1);
        let failed = published.change(|value| {
            *value = 2;
            Err::<(), _>("no")
        });
        assert_eq!((failed, *published.read()), (Err("no"), 1));
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
        assert_eq!(*published.read(), [1, 2]);
    }
}
