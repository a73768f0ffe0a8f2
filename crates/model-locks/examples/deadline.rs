//! Deadlines, a queue that is full, and coming again later.
//!
//! `cargo run -p model-locks --example deadline`
//!
//! The lock has no clock. A deadline is composed outside, from any timer, because a wait may be dropped at any moment: it
//! gives up its place, and those behind it move up. Time is virtual here, so the example takes no time and always says
//! the same.

use std::time::Duration;

use model_locks::{AcquireError, Ask, Lease, ModelLock, Policy};
use tokio::time::{Instant, sleep, timeout};

const LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(4);

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Served { at: u64 },
    TooLate { at: u64 },
}

struct Desk {
    lock: ModelLock<&'static str>,
    opened: Instant,
}

impl Desk {
    fn say(&self, what: &str) -> u64 {
        let at = self.opened.elapsed().as_secs();
        println!("{at:>3} s  {what}");
        at
    }

    /// Waits for the engine as long as the limit allows. If the queue is full, there is no place to wait in: it comes again
    /// after a pause, and the limit goes on counting.
    async fn acquire(&self, name: &str) -> Result<Lease<&'static str>, AcquireError> {
        loop {
            match self.lock.acquire(Ask::default()).await {
                Err(AcquireError::QueueFull { waiting, limit }) => {
                    self.say(&format!("{name} finds {waiting} of {limit} waiting and will come again"));
                    sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    async fn request(&self, name: &str, arrives: u64, work: u64) -> Result<End, AcquireError> {
        sleep(Duration::from_secs(arrives)).await;
        self.say(&format!("{name} arrives"));
        // Whatever the limit interrupts is dropped, and that is all there is to do.
        let Ok(answer) = timeout(LIMIT, self.acquire(name)).await else {
            return Ok(End::TooLate { at: self.say(&format!("{name} gives up")) });
        };
        let _engine = answer?;
        self.say(&format!("{name} has the engine"));
        sleep(Duration::from_secs(work)).await;
        Ok(End::Served { at: self.say(&format!("{name} is done")) })
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), AcquireError> {
    let policy = Policy { queue_max: 2, ..Policy::default() };
    let desk = Desk { lock: ModelLock::new(["engine"], policy), opened: Instant::now() };

    let (long, late, patient, refused) = tokio::try_join!(
        desk.request("long", 0, 7),
        desk.request("late", 1, 1),
        desk.request("patient", 3, 1),
        desk.request("refused", 4, 1),
    )?;

    // `late` was first in the queue and left at its limit. `patient` stood behind it and lost nothing by that.
    assert_eq!(long, End::Served { at: 7 });
    assert_eq!(late, End::TooLate { at: 6 });
    assert_eq!(patient, End::Served { at: 8 });
    // `refused` found the queue full at 4 s, came again at 8 s, when there was room, and was in time.
    assert_eq!(refused, End::Served { at: 9 });
    let counts = desk.lock.counts();
    assert_eq!((counts.free, counts.waiting), (1, 0), "nobody left anything behind");
    Ok(())
}
