//! Tasks that hand the lock over to each other: each holds it across a yield, so somebody always waits.

use tokio::runtime::{Builder, Runtime};

use crate::contest::{Contest, Results};
use crate::peers::*;

pub(crate) const TWO: &str = "2 tasks on one thread, yield in the hold";
pub(crate) const MANY: &str = "64 tasks on 2 workers, yield in the hold";
const ROUNDS: usize = 51;

pub(crate) fn run(results: &mut Results) {
    let one = Builder::new_current_thread().build().expect("a runtime of one thread needs nothing");
    hand_over(TWO, &one, 2, 5_000, results);
    let two = Builder::new_multi_thread().worker_threads(2).build().expect("two threads can be started");
    hand_over(MANY, &two, 64, 200, results);
}

fn hand_over(title: &'static str, runtime: &Runtime, tasks: u32, turns: u32, results: &mut Results) {
    let mut contest = Contest::new(title, ROUNDS, tasks * turns);
    add::<TokioLock>(&mut contest, runtime, tasks, turns);
    add::<TokioOwned>(&mut contest, runtime, tasks, turns);
    add::<TokioOwnedPermit>(&mut contest, runtime, tasks, turns);
    add::<AsyncLock>(&mut contest, runtime, tasks, turns);
    add::<AsyncArc>(&mut contest, runtime, tasks, turns);
    add::<Ours>(&mut contest, runtime, tasks, turns);
    add::<OursRef>(&mut contest, runtime, tasks, turns);
    contest.run(TOKIO_LOCK, results);
}

fn add<'a, P: AsyncPeer>(contest: &mut Contest<'a>, runtime: &'a Runtime, tasks: u32, turns: u32) {
    let lock = P::new();
    contest.add(P::NAME, move || runtime.block_on(all(&lock, tasks, turns)));
}

async fn all<P: AsyncPeer>(lock: &P, tasks: u32, turns: u32) {
    let spawn = |_| {
        let lock = lock.clone();
        tokio::spawn(async move {
            for _ in 0..turns {
                let guard = lock.acquire().await.guard();
                tokio::task::yield_now().await;
                drop(guard);
            }
        })
    };
    for task in (0..tasks).map(spawn).collect::<Vec<_>>() {
        task.await.expect("no task panics");
    }
}
