//! Allocations of one acquire, and bytes of one waiter. Counted, not timed: the numbers are exact.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;

use crate::contest::Results;
use crate::peers::*;

pub(crate) const UNCONTENDED: &str = "allocations, uncontended";
pub(crate) const CONTENDED: &str = "allocations, after a wait";
pub(crate) const BLOCKING: &str = "allocations, blocking";
pub(crate) const BYTES: &str = "bytes of a waiter";
const OPERATIONS: u32 = 1_000;
/// A power of two, so that a vector that grows by doubling has no room to spare.
const WAITERS: u32 = 8_192;

pub(crate) fn run(results: &mut Results) {
    println!("\nallocations of an acquire in steady state, and memory of a waiter");
    println!("  {:<28} {:>11} {:>11} {:>11} {:>11}", "", "free", "waited", "future B", "heap B");
    row::<TokioLock>(results);
    row::<TokioOwned>(results);
    row::<TokioOwnedPermit>(results);
    row::<AsyncArc>(results);
    row::<Ours>(results);
    row::<OursRef>(results);
    let lock = <Ours as BlockingPeer>::new();
    let blocking = per_operation(|| drop(BlockingPeer::acquire(&lock)));
    println!("  {:<28} {blocking:>11.2}", "model-locks, blocking");
    results.put(BLOCKING, OURS, blocking);
}

fn row<P: AsyncPeer>(results: &mut Results) {
    let free = free::<P>();
    let waited = waited::<P>();
    let future = size_of_val(&P::new().acquire()) as f64;
    let heap = heap::<P>();
    println!("  {:<28} {free:>11.2} {waited:>11.2} {future:>11.0} {heap:>11.1}", P::NAME);
    results.put(UNCONTENDED, P::NAME, free);
    results.put(CONTENDED, P::NAME, waited);
    results.put(BYTES, P::NAME, future + heap);
}

fn free<P: AsyncPeer>() -> f64 {
    let lock = P::new();
    per_operation(|| {
        let mut wait = std::pin::pin!(lock.acquire());
        assert!(poll(wait.as_mut()).is_ready(), "the lock is free");
    })
}

/// Somebody holds, somebody waits, the hold ends, the wait ends.
fn waited<P: AsyncPeer>() -> f64 {
    let lock = P::new();
    per_operation(|| {
        let mut first = std::pin::pin!(lock.acquire());
        let held = poll(first.as_mut());
        let mut second = std::pin::pin!(lock.acquire());
        assert!(held.is_ready() && poll(second.as_mut()).is_pending(), "one holds and one waits");
        drop(held);
        assert!(poll(second.as_mut()).is_ready(), "it is handed over");
    }) / 2.0
}

fn heap<P: AsyncPeer>() -> f64 {
    let lock = P::new();
    let mut holder = Box::pin(lock.acquire());
    let held = poll(holder.as_mut());
    let mut waits = (0..WAITERS).map(|_| Box::pin(lock.acquire())).collect::<Vec<_>>();
    let info = measure(|| waits.iter_mut().for_each(|wait| assert!(poll(wait.as_mut()).is_pending())));
    drop(held);
    info.bytes_current as f64 / f64::from(WAITERS)
}

fn per_operation(mut operation: impl FnMut()) -> f64 {
    // What is allocated once and kept is not counted against each operation.
    operation();
    let info = measure(|| (0..OPERATIONS).for_each(|_| operation()));
    info.count_total as f64 / f64::from(OPERATIONS)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
