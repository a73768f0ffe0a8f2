//! What the lock is meant to reach, and whether it has.

use crate::contest::Results;
use crate::peers::{OURS, OURS_REF, TOKIO_BLOCKING, TOKIO_BLOCKING_OWNED, TOKIO_LOCK, TOKIO_OWNED};
use crate::{memory, queue, registry, tasks, threads, uncontended};

/// One goal: `reached` is to be at most `limit`.
struct Goal {
    what: String,
    reached: f64,
    limit: f64,
}

pub(crate) fn print(results: &Results) {
    println!("\ngoals");
    for Goal { what, reached, limit } in goals(results) {
        let verdict = if reached <= limit { "met" } else { "NOT MET" };
        println!("  {what:<62} {reached:>8.2} of {limit:>7.2}  {verdict}");
    }
    println!();
}

fn goals(results: &Results) -> Vec<Goal> {
    let ratio = |contest, ours, peer| results.get(contest, ours) / results.get(contest, peer);
    let mut goals = Vec::new();
    let mut goal = |what: &str, reached, limit| goals.push(Goal { what: what.to_owned(), reached, limit });

    goal("uncontended: acquire_ref / tokio lock", ratio(uncontended::ASYNC, OURS_REF, TOKIO_LOCK), 1.00);
    goal("uncontended: acquire / tokio lock_owned", ratio(uncontended::ASYNC, OURS, TOKIO_OWNED), 0.90);
    goal("uncontended: blocking_acquire_ref / tokio", ratio(uncontended::BLOCKING, OURS_REF, TOKIO_BLOCKING), 0.75);
    goal("uncontended: blocking_acquire / tokio owned", ratio(uncontended::BLOCKING, OURS, TOKIO_BLOCKING_OWNED), 0.75);
    goal("hand-over, 2 tasks: acquire_ref / tokio lock", ratio(tasks::TWO, OURS_REF, TOKIO_LOCK), 1.00);
    goal("hand-over, 2 tasks: acquire / tokio lock_owned", ratio(tasks::TWO, OURS, TOKIO_OWNED), 1.00);
    goal("hand-over, 2 OS threads: blocking_acquire_ref / tokio", ratio(threads::TWO, OURS_REF, TOKIO_BLOCKING), 1.00);
    goal(
        "hand-over, 2 OS threads: blocking_acquire / tokio owned",
        ratio(threads::TWO, OURS, TOKIO_BLOCKING_OWNED),
        1.00,
    );
    goal("64 tasks on 2 workers: acquire_ref / tokio lock", ratio(tasks::MANY, OURS_REF, TOKIO_LOCK), 1.05);
    goal("64 tasks on 2 workers: acquire / tokio lock_owned", ratio(tasks::MANY, OURS, TOKIO_OWNED), 1.05);

    let [(_, enqueue_1k, cancel_1k), (_, enqueue_10k, cancel_10k), (_, enqueue_100k, cancel_100k)] = queue::SIZES;
    let growth = |many, few| results.get(many, OURS) / results.get(few, OURS);
    goal("enqueue at 10000: acquire / tokio lock_owned", ratio(enqueue_10k, OURS, TOKIO_OWNED), 1.10);
    goal("enqueue at 10000: acquire_ref / tokio lock", ratio(enqueue_10k, OURS_REF, TOKIO_LOCK), 1.10);
    goal("cancel at 10000: acquire / tokio lock_owned", ratio(cancel_10k, OURS, TOKIO_OWNED), 1.10);
    goal("cancel at 10000: acquire_ref / tokio lock", ratio(cancel_10k, OURS_REF, TOKIO_LOCK), 1.10);
    goal("enqueue at 10000 / own at 1000", growth(enqueue_10k, enqueue_1k), 1.20);
    goal("cancel at 10000 / own at 1000", growth(cancel_10k, cancel_1k), 1.20);
    goal("enqueue at 100000 / own at 1000", growth(enqueue_100k, enqueue_1k), 3.00);
    goal("cancel at 100000 / own at 1000", growth(cancel_100k, cancel_1k), 3.00);
    goal("counts() beside 10000 waiting, ns", results.get(queue::VIEWS, queue::COUNTS), 1_000.0);

    goal("registry, one thread / RwLock<HashMap>", ratio(registry::ONE, registry::OURS, registry::MAP), 0.75);
    goal("registry, two threads / RwLock<HashMap>", ratio(registry::TWO, registry::OURS, registry::MAP), 0.50);
    goal("allocations, uncontended", results.get(memory::UNCONTENDED, OURS), 0.0);
    goal("allocations, after a wait", results.get(memory::CONTENDED, OURS), 0.0);
    goal("allocations, blocking", results.get(memory::BLOCKING, OURS), 0.0);
    goal("future and node of a waiter, bytes", results.get(memory::BYTES, OURS), 128.0);
    goals
}
