//! An engine that is not thread-safe, used by tasks and by threads.
//!
//! `cargo run -p model-locks --example engine`
//!
//! The engine notices when a second request enters it while the first is under way, as a real one notices by crashing or
//! by mixing up two answers. Three tasks and three threads want it at once. They share one queue, so they are served in
//! the order in which they came, and nobody finds anybody else inside.

use std::cell::Cell;
use std::thread;

use model_locks::{AcquireError, Ask, Class, Lease, ModelLock, Policy, Ticket};
use tokio::task;

/// Like a binding of a C library: every call takes `&self`, and nothing in the signature says that two requests must not
/// be under way at once. The cells make it `!Sync`; all that the lock asks for is `Send`.
struct Engine {
    /// The request that is under way.
    inside: Cell<Option<u64>>,
    served: Cell<u64>,
}

impl Engine {
    fn new() -> Self {
        Self { inside: Cell::new(None), served: Cell::new(0) }
    }

    fn begin(&self, request: u64) {
        if let Some(other) = self.inside.replace(Some(request)) {
            panic!("request {request} entered beside request {other}");
        }
    }

    fn token(&self, request: u64, number: u32) -> String {
        assert_eq!(self.inside.get(), Some(request), "somebody else is inside");
        format!("{request}.{number}")
    }

    fn end(&self, request: u64) {
        assert_eq!(self.inside.replace(None), Some(request), "somebody else was inside");
        self.served.set(self.served.get() + 1);
    }
}

const TOKENS: u32 = 4;

/// The lease is held across each `await`: other tasks run in between, and other threads do all the time.
async fn as_task(lock: ModelLock<Engine>, request: u64) -> Result<(Ticket, String), AcquireError> {
    let engine = lock.acquire(Ask::new(Class::Interactive).tag(request)).await?;
    engine.begin(request);
    let mut text = String::new();
    for number in 0..TOKENS {
        text += &engine.token(request, number);
        text.push(' ');
        task::yield_now().await;
    }
    engine.end(request);
    Ok((engine.ticket(), text))
}

/// The same without a runtime.
fn as_thread(lock: &ModelLock<Engine>, request: u64) -> Result<(Ticket, String), AcquireError> {
    let engine: Lease<Engine> = lock.blocking_acquire(Ask::new(Class::Interactive).tag(request))?;
    engine.begin(request);
    let mut text = String::new();
    for number in 0..TOKENS {
        text += &engine.token(request, number);
        text.push(' ');
        thread::yield_now();
    }
    engine.end(request);
    Ok((engine.ticket(), text))
}

#[tokio::main]
async fn main() -> Result<(), AcquireError> {
    let lock = ModelLock::new([Engine::new()], Policy::default());

    // Nobody can start before this lease ends, so the order in which the six begin to wait is known.
    let first = lock.acquire(Ask::default()).await?;
    let mut tasks = Vec::new();
    let mut threads = Vec::new();
    for request in 1..=6 {
        let handle = lock.clone();
        if request % 2 == 1 {
            tasks.push((request, tokio::spawn(as_task(handle, request))));
        } else {
            threads.push((request, thread::spawn(move || as_thread(&handle, request))));
        }
        while lock.snapshot().waiting.last().is_none_or(|last| last.tag != request) {
            task::yield_now().await;
        }
    }
    println!("six requests wait: {:?}", lock.snapshot().waiting.iter().map(|waiter| waiter.tag).collect::<Vec<_>>());
    drop(first);

    let mut answers = Vec::new();
    for (request, task) in tasks {
        answers.push((request, "task", task.await.expect("it found nobody else inside")?));
    }
    for (request, thread) in threads {
        answers.push((request, "thread", thread.join().expect("it found nobody else inside")?));
    }
    answers.sort_by_key(|(_, _, (ticket, _))| *ticket);
    for (request, kind, (ticket, text)) in &answers {
        println!("ticket {ticket}: request {request}, a {kind:<6}  {text}");
    }

    let order = answers.iter().map(|(request, ..)| *request).collect::<Vec<_>>();
    assert_eq!(order, [1, 2, 3, 4, 5, 6], "tasks and threads wait in one queue, in the order in which they came");
    let engine = lock.acquire(Ask::default()).await?;
    assert_eq!(engine.served.get(), 6);
    println!("{} served, one at a time", engine.served.get());
    Ok(())
}
