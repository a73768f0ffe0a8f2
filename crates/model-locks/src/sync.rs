//! Every primitive that the shell uses, once for real and once for the model checkers, loom and shuttle.
//!
//! Handles are `std` reference counts in both: they order nothing here, and the checker would take each clone and drop
//! for a point where threads may switch.

use std::task::Waker;

#[cfg(any(model_locks_loom, model_locks_shuttle))]
pub use imp::unwinding;
pub(crate) use imp::{AtomicBool, Mutex, Parker, contain, panicking, seat};

use crate::core::Effects;

impl Effects<Waker> {
    /// Wakes those whom the core handed out. To be called without the mutex: a waker may run its task on the spot,
    /// and that task may use this very lock.
    ///
    /// A waker that panics is contained, because its panic belongs to the task it should have woken and not to whoever
    /// happens to release a lane; the panic hook has reported it. All other wakers are woken all the same.
    #[inline(always)]
    pub(crate) fn run(self) {
        match self {
            Self::None => {}
            Self::One(waker) => contain(|| waker.wake()),
            Self::Many(wakers) => wakers.into_iter().for_each(|waker| contain(|| waker.wake())),
        }
    }
}

/// Drops a waker that is not needed. Dropping one is foreign code as well.
#[inline]
pub(crate) fn discard(waker: Option<Waker>) {
    if let Some(waker) = waker {
        contain(|| drop(waker));
    }
}

#[cfg(not(any(model_locks_loom, model_locks_shuttle)))]
mod imp {
    pub(crate) use std::sync::atomic::AtomicBool;

    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, MutexGuard, PoisonError, TryLockError};
    use std::task::{Wake, Waker};

    /// A mutex that ignores poison. The lock's sections run no foreign code, so they do not panic unless there is a bug here;
    /// those of the registry compare names, and change nothing while they do.
    pub(crate) struct Mutex<S>(std::sync::Mutex<S>);

    impl<S> Mutex<S> {
        pub(crate) fn new(state: S) -> Self {
            Self(std::sync::Mutex::new(state))
        }

        #[inline]
        pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// `None` if somebody has it, the caller included.
        #[inline]
        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, S>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }

    thread_local! {
        static SEAT: usize = NEXT_SEAT.fetch_add(1, Ordering::Relaxed);
    }

    static NEXT_SEAT: AtomicUsize = AtomicUsize::new(0);

    /// A number of the calling thread. Threads get them in turn, when they first ask.
    #[inline]
    pub(crate) fn seat() -> usize {
        // No thread-local is left while the thread's last destructors run.
        SEAT.try_with(|seat| *seat).unwrap_or_default()
    }

    /// Puts a thread to sleep until its waker is woken. It does not use the thread's park token, which belongs to
    /// whatever else runs on the thread.
    pub(crate) struct Parker {
        woken: Mutex<bool>,
        changed: Condvar,
    }

    thread_local! {
        /// `None` while a wait of this thread uses it. A wake of the outer wait must not be consumed by one that an
        /// observer or a waker begins within it, so that one gets another parker.
        static PARKER: Cell<Option<Arc<Parker>>> = const { Cell::new(None) };
    }

    impl Parker {
        fn new() -> Arc<Self> {
            Arc::new(Self { woken: Mutex::new(false), changed: Condvar::new() })
        }

        /// The parker of the calling thread. A wake that arrives late, for an earlier wait of the thread, is a spurious
        /// one for the next wait, and looks again.
        pub(crate) fn current() -> Arc<Self> {
            // No thread-local is left while the thread's last destructors run.
            PARKER.try_with(Cell::take).ok().flatten().unwrap_or_else(Self::new)
        }

        /// Keeps it for the next wait of the thread.
        pub(crate) fn keep(self: Arc<Self>) {
            let _ = PARKER.try_with(|parker| parker.set(Some(self)));
        }

        pub(crate) fn waker(self: &Arc<Self>) -> Waker {
            Waker::from(Arc::clone(self))
        }

        pub(crate) fn park(&self) {
            let woken = self.woken.lock();
            let mut woken = self.changed.wait_while(woken, |woken| !*woken).unwrap_or_else(PoisonError::into_inner);
            *woken = false;
        }
    }

    impl Wake for Parker {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            *self.woken.lock() = true;
            self.changed.notify_one();
        }
    }

    /// Whether the calling thread is unwinding.
    #[inline]
    pub(crate) fn panicking() -> bool {
        std::thread::panicking()
    }

    /// Runs foreign code and keeps its panic from going further.
    pub(crate) fn contain(foreign: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(foreign)) {
            // Dropping it is foreign code once more, and could panic again.
            std::mem::forget(payload);
        }
    }
}

#[cfg(any(model_locks_loom, model_locks_shuttle))]
mod imp {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    #[cfg(model_locks_loom)]
    use loom as checker;
    #[cfg(model_locks_shuttle)]
    use shuttle as checker;

    pub(crate) use checker::sync::atomic::AtomicBool;

    use checker::sync::atomic::{AtomicUsize, Ordering};
    use checker::sync::{Condvar, MutexGuard};

    pub(crate) struct Mutex<S>(checker::sync::Mutex<S>);

    impl<S> Mutex<S> {
        pub(crate) fn new(state: S) -> Self {
            Self(checker::sync::Mutex::new(state))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
            self.0.lock().expect("a panic ends the model, so nobody finds a poisoned mutex")
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, S>> {
            self.0.try_lock().ok()
        }
    }

    checker::thread_local! {
        static SEAT: usize = NEXT_SEAT.fetch_add(1, Ordering::Relaxed);
    }

    // One for each execution: numbers that went on from one to the next would make it another program each time.
    checker::lazy_static! {
        static ref NEXT_SEAT: AtomicUsize = AtomicUsize::new(0);
    }

    pub(crate) fn seat() -> usize {
        SEAT.with(|seat| *seat)
    }

    pub(crate) struct Parker {
        woken: Mutex<bool>,
        changed: Condvar,
    }

    impl Parker {
        /// A new one each time: primitives of the checker live for one execution.
        pub(crate) fn current() -> Arc<Self> {
            Arc::new(Self { woken: Mutex::new(false), changed: Condvar::new() })
        }

        pub(crate) fn waker(self: &Arc<Self>) -> Waker {
            Waker::from(Arc::clone(self))
        }

        pub(crate) fn keep(self: Arc<Self>) {}

        pub(crate) fn park(&self) {
            let mut woken = self.woken.lock();
            while !*woken {
                woken = self.changed.wait(woken).expect("a panic ends the model, so nobody finds a poisoned mutex");
            }
            *woken = false;
        }
    }

    impl Wake for Parker {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            *self.woken.lock() = true;
            self.changed.notify_one();
        }
    }

    checker::thread_local! {
        static UNWINDING: Cell<bool> = Cell::new(false);
    }

    /// Whether the calling model thread is unwinding. `std::thread::panicking` would not do: all threads of a model
    /// share one OS thread, and while one of them unwinds the others would see `true`.
    pub(crate) fn panicking() -> bool {
        UNWINDING.with(Cell::get)
    }

    /// Runs `f` as if the calling model thread were unwinding.
    pub fn unwinding<R>(f: impl FnOnce() -> R) -> R {
        UNWINDING.with(|unwinding| unwinding.set(true));
        let result = f();
        UNWINDING.with(|unwinding| unwinding.set(false));
        result
    }

    /// Contains nothing: a panic in a model is a finding, or the checker's own.
    pub(crate) fn contain(foreign: impl FnOnce()) {
        foreign();
    }
}

#[cfg(all(test, not(any(model_locks_loom, model_locks_shuttle))))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;

    use super::Parker;

    /// Method: the thread is given time to come back too early, which it can do only if it does not sleep.
    #[test]
    fn one_who_is_parked_sleeps_until_it_is_woken() {
        let woken = AtomicBool::new(false);
        thread::scope(|scope| {
            let (tell, hear) = mpsc::channel();
            let sleeper = scope.spawn({
                let woken = &woken;
                move || {
                    let parker = Parker::current();
                    tell.send(parker.waker()).expect("the test waits for it");
                    parker.park();
                    woken.load(Ordering::SeqCst)
                }
            });
            let waker = hear.recv().expect("the thread sends it first");
            (0..1000).for_each(|_| thread::yield_now());
            woken.store(true, Ordering::SeqCst);
            waker.wake();
            assert!(sleeper.join().expect("it does not panic"), "it did not sleep");
        });
    }

    #[test]
    fn a_thread_keeps_its_parker() {
        let parker = Parker::current();
        assert!(!Arc::ptr_eq(&parker, &Parker::current()), "a wait within a wait has its own");
        // Not by its address, which a new one could be given.
        let kept = Arc::downgrade(&parker);
        parker.keep();
        assert!(kept.upgrade().is_some_and(|kept| Arc::ptr_eq(&kept, &Parker::current())));
    }
}
