//! What is not done: no waker is kept and nothing is allocated where neither is needed.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use allocation_counter::measure;
use model_locks::{Acquire, Ask, Class, Event, ModelLock, Observer, Policy};

use crate::support::{Task, held, queue};

fn allocations(work: impl FnOnce()) -> u64 {
    measure(work).count_total
}

/// From the first one on: what a lock needs for that, it has from the beginning.
#[test]
fn an_acquire_allocates_nothing() {
    let lock = ModelLock::new([7, 8], Policy::default());
    let lane = lock.snapshot().lanes[1].id;
    let ask = Ask::new(Class::Background).tag(3).prefer(lane).client(4);
    let all = || {
        drop(lock.try_acquire(ask).expect("a lane is free"));
        drop(lock.try_acquire_ref(ask).expect("a lane is free"));
        drop(lock.blocking_acquire(ask).expect("a lane is free"));
        drop(lock.blocking_acquire_ref(ask).expect("a lane is free"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(lock.acquire(ask)).poll(&mut context).is_ready(), "a lane is free");
        assert!(pin!(lock.acquire_ref(ask)).poll(&mut context).is_ready(), "a lane is free");
    };
    assert_eq!(allocations(all), 0);
}

/// Method: as many wait, leave, and are handed the lane as had done so before.
#[test]
fn a_wait_allocates_nothing_once_as_many_have_waited() {
    let (lock, lease) = held();
    let mut tasks = (0..20).map(|_| Task::new(lock.acquire(Ask::default()))).collect::<Vec<_>>();
    tasks.iter_mut().for_each(|task| assert!(task.poll().is_pending()));
    drop(tasks);
    let mut tasks = (0..20).map(|_| Task::new(lock.acquire(Ask::default()))).collect::<Vec<_>>();
    let waits = allocations(|| {
        tasks.iter_mut().for_each(|task| assert!(task.poll().is_pending()));
        drop(lease);
        let (first, rest) = tasks.split_at_mut(1);
        drop(first[0].lease());
        // The lane goes from one to the next, and some are dropped with it.
        rest.iter_mut().take(5).for_each(|task| drop(task.lease()));
    });
    assert_eq!(waits, 0);
    assert_eq!(allocations(|| drop(tasks)), 0);
}

/// Method: the thread sleeps twice, and what it needs for that is there the second time.
#[test]
fn a_thread_that_has_slept_sleeps_again_without_allocating() {
    let (lock, first) = held();
    thread::scope(|scope| {
        let waits = || {
            let lease = lock.blocking_acquire(Ask::default()).expect("the lock is open");
            drop(lease);
            allocations(|| drop(lock.blocking_acquire(Ask::default().tag(2)).expect("the lock is open")))
        };
        let thread = scope.spawn(waits);
        let await_tag = |tag| {
            while lock.snapshot().waiting.first().is_none_or(|waiter| waiter.tag != tag) {
                thread::yield_now();
            }
        };
        await_tag(0);
        // Queues behind the thread's first wait, so the second one finds the lane taken.
        let mut second = queue(&lock, Ask::default().tag(1));
        drop(first);
        let second = loop {
            match second.poll() {
                Poll::Ready(answer) => break answer.expect("the lock is open"),
                Poll::Pending => thread::yield_now(),
            }
        };
        await_tag(2);
        drop(second);
        assert_eq!(thread.join().expect("it does not panic"), 0);
    });
}

/// Counts how many hold its waker, whenever something happens.
struct Holders {
    waker: Arc<Still>,
    most: AtomicUsize,
}

struct Still;

impl Wake for Still {
    fn wake(self: Arc<Self>) {}
}

impl Observer for Holders {
    fn on(&self, _: &Event) {
        self.most.fetch_max(Arc::strong_count(&self.waker), Ordering::SeqCst);
    }
}

/// To clone a waker is foreign code, and an atomic operation at least: only one who waits needs that. Method: the observer
/// runs right after the section in which the lane is taken, and sees who holds the waker then.
#[test]
fn a_free_lane_is_taken_without_a_clone_of_the_waker() {
    let holders = Arc::new(Holders { waker: Arc::new(Still), most: AtomicUsize::new(0) });
    let waker = Waker::from(Arc::clone(&holders.waker));
    let lock = ModelLock::with_observer([7], Policy::default(), Arc::<Holders>::clone(&holders));
    drop(Task::new(lock.acquire(Ask::default())).poll_with(&waker));
    assert_eq!(holders.most.load(Ordering::SeqCst), 2, "the observer and the task, and nobody else");
}

/// The room that a waiter takes: its future here, and its node, which `src/core/tests` measures.
#[test]
fn a_future_is_small() {
    assert!(size_of::<Acquire<[u64; 100]>>() <= 48);
}
