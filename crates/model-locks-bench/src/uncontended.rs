//! Nobody else is there: acquire and release.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::contest::{Contest, Results};
use crate::peers::*;

pub(crate) const ASYNC: &str = "uncontended, async, polled once";
pub(crate) const BLOCKING: &str = "uncontended, blocking";
const TRY: &str = "uncontended, try_lock of the same";
const OPERATIONS: u32 = 10_000;
const ROUNDS: usize = 101;

pub(crate) fn run(results: &mut Results) {
    let mut contest = Contest::new(ASYNC, ROUNDS, OPERATIONS);
    add_async::<TokioLock>(&mut contest);
    add_async::<TokioOwned>(&mut contest);
    add_async::<TokioPermit>(&mut contest);
    add_async::<TokioOwnedPermit>(&mut contest);
    add_async::<AsyncLock>(&mut contest);
    add_async::<AsyncArc>(&mut contest);
    add_async::<Ours>(&mut contest);
    add_async::<OursRef>(&mut contest);
    contest.run(TOKIO_LOCK, results);

    let mut blocking = Contest::new(BLOCKING, ROUNDS, OPERATIONS);
    let mut trying = Contest::new(TRY, ROUNDS, OPERATIONS);
    add_blocking::<Std>(&mut blocking, &mut trying);
    add_blocking::<ParkingLot>(&mut blocking, &mut trying);
    add_blocking::<ParkingLotFair>(&mut blocking, &mut trying);
    add_blocking::<TokioBlocking>(&mut blocking, &mut trying);
    add_blocking::<TokioBlockingOwned>(&mut blocking, &mut trying);
    add_blocking::<AsyncBlocking>(&mut blocking, &mut trying);
    add_blocking::<Ours>(&mut blocking, &mut trying);
    add_blocking::<OursRef>(&mut blocking, &mut trying);
    blocking.run(TOKIO_BLOCKING, results);
    trying.run(TOKIO_BLOCKING, results);
}

fn add_async<P: AsyncPeer>(contest: &mut Contest<'_>) {
    let lock = P::new();
    contest.add(P::NAME, move || {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..OPERATIONS {
            let Poll::Ready(guard) = pin!(black_box(&lock).acquire()).poll(&mut context) else {
                unreachable!("nobody else is there");
            };
            drop(black_box(guard.guard()));
        }
    });
}

fn add_blocking<P: BlockingPeer>(blocking: &mut Contest<'_>, trying: &mut Contest<'_>) {
    let lock = P::new();
    blocking.add(P::NAME, move || {
        for _ in 0..OPERATIONS {
            drop(black_box(black_box(&lock).acquire()));
        }
    });
    let lock = P::new();
    trying.add(P::NAME, move || {
        for _ in 0..OPERATIONS {
            drop(black_box(black_box(&lock).try_acquire().expect("nobody else is there")));
        }
    });
}
