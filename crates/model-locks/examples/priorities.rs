//! Persons before batches, and batches all the same.
//!
//! `cargo run -p model-locks --example priorities`
//!
//! Four batch jobs and eight persons wait for one engine. A person goes first, but the batch job at the head of its class
//! is passed over at most `bypass_max` times in a row. The snapshot tells the order before anybody has been served.

use model_locks::{AcquireError, Ask, Class, ModelLock, Policy};
use tokio::task;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AcquireError> {
    // By the place of the class: nobody is above `Interactive`; `Background` may be passed over three times in a row.
    let bypass_max = [u32::MAX, 2, 3];
    let lock = ModelLock::new([Vec::<u64>::new()], Policy { bypass_max, ..Policy::default() });

    let engine = lock.acquire(Ask::default()).await?;
    let mut requests = Vec::new();
    let batches = (1..=4).map(|job| (Class::Background, 100 + job));
    let persons = (1..=8).map(|person| (Class::Interactive, person));
    for (class, tag) in batches.chain(persons) {
        let lock = lock.clone();
        requests.push(tokio::spawn(async move {
            lock.acquire(Ask::new(class).tag(tag)).await?.push(tag);
            Ok::<_, AcquireError>(())
        }));
        // Lets the request begin to wait before the next one comes. There is one thread here, so one turn is enough.
        task::yield_now().await;
    }

    let forecast = lock.snapshot().waiting;
    println!("place  who");
    for waiter in &forecast {
        println!("{:>5}  {:?} {}", waiter.position + 1, waiter.class, waiter.tag);
    }
    drop(engine);
    for request in requests {
        request.await.expect("no request panics")?;
    }

    let served = lock.acquire(Ask::default()).await?;
    println!("served {:?}", *served);
    assert!(forecast.iter().map(|waiter| waiter.tag).eq(served.iter().copied()), "it came as the snapshot had said");
    let passed_over = served.split(|tag| *tag > 100).map(<[u64]>::len).collect::<Vec<_>>();
    println!("persons served before each batch job in turn: {passed_over:?}");
    assert_eq!(passed_over, [3, 3, 2, 0, 0], "three persons, then a batch job, as long as there are persons");
    Ok(())
}
