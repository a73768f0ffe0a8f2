//! Unloading: one engine of several, and then the whole model.
//!
//! `cargo run -p model-locks --example unload`
//!
//! An engine is taken out while requests run; it leaves the next time it is home. Then the model is drained: nobody new
//! gets in, who waits is told, who holds an engine finishes, and in the end the engines are back in the hands of whoever
//! made them.

use std::time::Duration;

use model_locks::{AcquireError, Ask, ModelLock, Policy};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

#[derive(Debug, PartialEq, Eq)]
struct Engine(&'static str);

async fn request(lock: ModelLock<Engine>, seconds: u64) -> Result<&'static str, AcquireError> {
    let engine = lock.acquire(Ask::default()).await?;
    sleep(Duration::from_secs(seconds)).await;
    Ok(engine.0)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), AcquireError> {
    let started = Instant::now();
    let now = || started.elapsed().as_secs();
    let lock = ModelLock::new([Engine("small"), Engine("large")], Policy::default());
    let ids = lock.snapshot().lanes.iter().map(|lane| lane.id).collect::<Vec<_>>();
    let (small, large) = (ids[0], ids[1]);

    // Both engines are busy: the small one for 2 s, the large one for 5 s. A third request waits.
    let first = tokio::spawn(request(lock.clone(), 2));
    yield_now().await;
    let second = tokio::spawn(request(lock.clone(), 5));
    yield_now().await;
    let third = tokio::spawn(request(lock.clone(), 1));
    yield_now().await;

    // The small one is wanted elsewhere. It goes to its taker and not to the third request, which waits for the large one.
    let taken = lock.take_lane(small).await.expect("nobody else takes it");
    println!("{} s  took out {taken:?}", now());
    assert_eq!((now(), taken), (2, Engine("small")));
    assert_eq!(first.await.expect("no request panics")?, "small");
    assert!(lock.take_lane(small).await.is_none(), "there is no such lane any more");
    assert_eq!(second.await.expect("no request panics")?, "large");
    println!("{} s  the third request has the large engine", now());

    // The whole model goes. The fourth request still waits; the third has its engine and keeps it.
    let fourth = tokio::spawn(request(lock.clone(), 1));
    yield_now().await;
    let drained = lock.drain();
    println!("{} s  closed, with {} engine out", now(), lock.counts().leased);
    assert_eq!(fourth.await.expect("no request panics"), Err(AcquireError::Closed));
    assert!(lock.take_lanes().is_none(), "not before the last engine is home");

    drained.await;
    assert_eq!(third.await.expect("no request panics")?, "large");
    let lanes = lock.take_lanes().expect("every engine is home");
    println!("{} s  every engine is home: {lanes:?}", now());
    assert_eq!((now(), lanes), (6, vec![(large, Engine("large"))]));
    Ok(())
}
