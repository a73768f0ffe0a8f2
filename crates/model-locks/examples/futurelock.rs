//! A future that is alive and never polled, with tokio's mutex and with this lock.
//!
//! `cargo run -p model-locks --example futurelock`
//!
//! A task waits for a lock in a `select!`, by reference, together with a timer. The timer wins; the task goes on and wants
//! the same lock again, while the first wait is still alive. The lock comes free and is handed to the first wait, which
//! nobody polls; the second one stands behind it. A fair mutex stays stuck there for ever. Here the host calls `sweep`
//! from a tick of its own: the grant that nobody claims is reported, then taken back and passed on.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use model_locks::{AcquireError, Ask, ModelLock, Patience, Policy};
use tokio::sync::Mutex;
use tokio::task::yield_now;
use tokio::time::{Instant, interval, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The mistake, with any lock: `wait` makes a wait, `hold` is how long the holder has it.
async fn mistake<F: Future>(wait: impl Fn() -> F, hold: Duration) -> Option<F::Output> {
    let mut first = pin!(wait());
    tokio::select! {
        biased;
        _ = &mut first => unreachable!("the lock is held for longer than the timer runs"),
        () = sleep(hold / 2) => {}
    }
    // `first` is alive until the end of this function, and this line does not poll it.
    timeout(HOUR, wait()).await.ok()
}

async fn with_tokio() {
    let lock = Arc::new(Mutex::new("engine"));
    let guard = Arc::clone(&lock).lock_owned().await;
    tokio::spawn(async move {
        sleep(2 * SECOND).await;
        drop(guard);
    });
    let second = mistake(|| Arc::clone(&lock).lock_owned(), 2 * SECOND).await;
    println!("tokio's mutex: {}", if second.is_some() { "served" } else { "free, and stuck for an hour" });
    assert!(second.is_none());
}

async fn with_sweeps() -> Result<(), AcquireError> {
    let started = Instant::now();
    let lock = ModelLock::new(["engine"], Policy::default());
    let lease = lock.acquire(Ask::default()).await?;
    tokio::spawn(async move {
        sleep(2 * SECOND).await;
        drop(lease);
    });
    let watched = lock.clone();
    let ticks = tokio::spawn(async move {
        let mut tick = interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            let now = started.elapsed().as_millis();
            let swept = watched.sweep(now.try_into().expect("less than ages"), Patience::default());
            for grant in swept.revoked {
                println!("{now:>5} ms  ticket {} was not claimed for {} ms; passed on", grant.grant.ticket, grant.age);
            }
        }
    });
    yield_now().await;

    let lease = mistake(|| lock.acquire(Ask::default()), 2 * SECOND).await.expect("it does not take an hour")?;
    let waited = started.elapsed();
    println!("this lock: served after {} ms, with ticket {}", waited.as_millis(), lease.ticket());
    assert!(waited <= 4 * SECOND, "the hold took 2 s, the patience 1 s, and the tick is 100 ms");
    assert_eq!(lease.ticket().get(), 3, "ticket 2 was the one that nobody claimed");
    ticks.abort();
    Ok(())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), AcquireError> {
    with_tokio().await;
    with_sweeps().await
}
