//! The cores of the machine, shared by the models that compute.
//!
//! Threads that outnumber the cores do not share them well: a thread of ggml spins until its neighbours are done, and
//! where they cannot run it spins in vain. With one core too few a token was measured to take 5 to 480 ms instead of one.
//! So an engine takes as many cores as it has threads before a step, and gives them back after it. Whoever comes first
//! gets them first, so no model starves another.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use futures_executor::block_on;
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

/// A budget of cores. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Cores {
    free: Arc<Semaphore>,
    budget: u32,
}

impl Cores {
    /// As many as these, at least one.
    pub(crate) fn new(budget: u32) -> Self {
        let budget = budget.max(1);
        Self { free: Arc::new(Semaphore::new(budget as usize)), budget }
    }

    /// Those of the machine: one budget for the process.
    pub(crate) fn of_the_machine() -> Self {
        static CORES: LazyLock<Cores> = LazyLock::new(|| {
            let cores = available_parallelism().map_or(1, usize::from);
            Cores::new(u32::try_from(cores).unwrap_or(u32::MAX))
        });
        CORES.clone()
    }

    /// Waits for cores, behind everybody who waits already. Who wants more than there are gets all.
    pub(crate) fn take(&self, threads: i32) -> SemaphorePermit<'_> {
        let n = u32::try_from(threads).unwrap_or(1).clamp(1, self.budget);
        match self.free.try_acquire_many(n) {
            Ok(permit) => permit,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                block_on(self.free.acquire_many(n)).expect("nobody closes it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::Cores;

    /// The threads at work never outnumber the cores.
    /// Method: many threads take and give back, and each looks at what is left while it holds some.
    #[test]
    fn no_more_are_lent_than_there_are() {
        use std::sync::atomic::{AtomicI32, Ordering};
        let (cores, at_work) = (Cores::new(3), AtomicI32::new(0));
        std::thread::scope(|scope| {
            for n in [1, 2, 3, 1, 2] {
                let (cores, at_work) = (&cores, &at_work);
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let _held = cores.take(n);
                        assert!(at_work.fetch_add(n, Ordering::SeqCst) + n <= 3);
                        at_work.fetch_sub(n, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn whoever_wants_more_than_there_are_gets_all() {
        let cores = Cores::new(2);
        let all = cores.take(64);
        assert!(cores.free.try_acquire().is_err());
        drop(all);
        drop(cores.take(-1));
        assert!(cores.free.try_acquire_many(2).is_ok());
    }

    /// A model with many threads is not passed over for ever by those with few.
    /// Method: one core is held while somebody waits for both; a third that wants one must wait behind.
    #[test]
    fn cores_are_lent_in_the_order_of_asking() {
        let cores = Cores::new(2);
        let first = cores.take(1);
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            let (wide, tell_wide) = (&cores, tell.clone());
            scope.spawn(move || {
                let _held = wide.take(2);
                tell_wide.send("wide").expect("the test listens");
            });
            // A waiter takes what is free into its claim, so that nothing is left to be seen.
            while cores.free.available_permits() > 0 {
                std::thread::yield_now();
            }
            assert!(cores.free.try_acquire().is_err(), "the one who waits has a claim to it");
            let (narrow, tell_narrow) = (&cores, tell);
            scope.spawn(move || {
                let _held = narrow.take(1);
                tell_narrow.send("narrow").expect("the test listens");
            });
            drop(first);
        });
        assert_eq!(told.iter().collect::<Vec<_>>(), ["wide", "narrow"]);
    }
}
