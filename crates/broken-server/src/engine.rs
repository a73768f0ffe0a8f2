//! The model behind its queue, and where the faults are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use crate::Fault;
use crate::reply;

/// What a server is made of.
#[derive(Debug, Clone)]
pub struct Make {
    /// What is wrong with it. Default: nothing.
    pub fault: Fault,
    /// How long a token takes. Default 10 ms.
    pub time_per_token: Duration,
    /// How many may wait. Default 16.
    pub queue_max: usize,
    /// How many requests are served at one time. Default 1.
    pub places: usize,
    /// Whether it repeats words. Default true.
    pub echoes: bool,
    /// Whoever asks without this key is refused. Default: nobody is.
    pub api_key: Option<String>,
}

impl Default for Make {
    fn default() -> Self {
        Self {
            fault: Fault::None,
            time_per_token: Duration::from_millis(10),
            queue_max: 16,
            places: 1,
            echoes: true,
            api_key: None,
        }
    }
}

/// What the engine says about one request.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(String),
    /// The end, and why.
    Finish(&'static str),
}

pub(crate) struct Engine {
    pub(crate) make: Make,
    /// First come, first served.
    places: Semaphore,
    under_way: AtomicUsize,
    tokens: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    /// Asks to stop the running requests.
    running: BTreeMap<u64, bool>,
    waiting: BTreeMap<u64, Waiting>,
    /// Everybody's, where there is no lock.
    position: usize,
    is_dead: bool,
}

struct Waiting {
    words: Vec<String>,
    to: mpsc::Sender<Piece>,
}

enum Step {
    Word(String),
    End,
    /// Nothing will ever come.
    Death,
}

/// One request.
pub(crate) struct Order {
    pub(crate) text: String,
    pub(crate) max_tokens: usize,
}

impl Engine {
    pub(crate) fn new(make: Make) -> Self {
        let places = if make.fault == Fault::NoLock { make.queue_max } else { make.places };
        Self {
            places: Semaphore::new(places),
            make,
            under_way: AtomicUsize::new(0),
            tokens: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Takes a request; `None` where the queue is full.
    pub(crate) fn take(self: &Arc<Self>, order: Order) -> Option<mpsc::Receiver<Piece>> {
        let bound = self.make.queue_max + self.make.places;
        if self.make.fault != Fault::Unbounded && self.under_way.load(Ordering::Relaxed) >= bound {
            return None;
        }
        // As much as the longest answer: the engine never waits for a client.
        let (to, pieces) = mpsc::channel(1024);
        let id = self.arrive(&order, &to);
        let under_way = UnderWay::new(self);
        tokio::spawn(async move { under_way.0.serve(id, order.max_tokens, to).await });
        Some(pieces)
    }

    /// Waits until nobody else is in the engine.
    pub(crate) async fn wait_for_a_place(&self) {
        let _place = self.places.acquire().await;
    }

    fn arrive(&self, order: &Order, to: &mpsc::Sender<Piece>) -> u64 {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        if self.make.fault == Fault::Cut {
            state.running.values_mut().for_each(|stop| *stop = true);
        }
        if self.make.fault == Fault::Crash && !(state.running.is_empty() && state.waiting.is_empty()) {
            state.is_dead = true;
        }
        let words = reply::tokens(&order.text, self.make.echoes);
        state.waiting.insert(id, Waiting { words, to: to.clone() });
        id
    }

    async fn serve(&self, id: u64, max_tokens: usize, to: mpsc::Sender<Piece>) {
        let left =
            async { if self.make.fault == Fault::GoesOn { std::future::pending().await } else { to.closed().await } };
        let place = tokio::select! {
            biased;
            () = left => {
                self.leave_the_queue(id);
                return;
            }
            place = self.places.acquire() => place,
        };
        let words = self.begin(id);
        let stop = words.len() > max_tokens;
        let words = &words[..words.len().min(max_tokens)];
        self.generate(id, words, &to).await;
        self.lock().running.remove(&id);
        drop(place);
        let _left = to.send(Piece::Finish(if stop { "length" } else { "stop" })).await;
    }

    fn leave_the_queue(&self, id: u64) {
        let mut state = self.lock();
        state.waiting.remove(&id);
        if self.make.fault == Fault::WrongCancel {
            state.running.values_mut().for_each(|stop| *stop = true);
        }
    }

    /// From the queue into the engine.
    fn begin(&self, id: u64) -> Vec<String> {
        let mut state = self.lock();
        let mut words = state.waiting.remove(&id).map(|waiting| waiting.words).unwrap_or_default();
        if self.make.fault == Fault::Swapped
            && let Some(mut other) = state.waiting.first_entry()
        {
            std::mem::swap(&mut words, &mut other.get_mut().words);
        }
        state.running.insert(id, false);
        state.position = 0;
        words
    }

    async fn generate(&self, id: u64, words: &[String], to: &mpsc::Sender<Piece>) {
        let mut own = 0;
        loop {
            tokio::time::sleep(self.make.time_per_token).await;
            let word = match self.step(id, words, own) {
                Step::Word(word) => word,
                Step::End => return,
                Step::Death => std::future::pending().await,
            };
            own += 1;
            self.tokens.fetch_add(1, Ordering::Relaxed);
            let left = to.send(Piece::Text(word)).await.is_err();
            if left && self.make.fault != Fault::GoesOn {
                return;
            }
        }
    }

    /// What comes next for the request `id` that has had `own` words.
    fn step(&self, id: u64, words: &[String], own: usize) -> Step {
        let mut state = self.lock();
        let position = if self.make.fault == Fault::NoLock { state.position } else { own };
        if state.is_dead {
            return Step::Death;
        }
        if position >= words.len() || state.running.get(&id) == Some(&true) {
            return Step::End;
        }
        state.position += 1;
        let word = words[position].clone();
        if self.make.fault == Fault::Crossed
            && let Some((_, oldest)) = state.waiting.first_key_value()
        {
            // It may have left.
            let _left = oldest.to.try_send(Piece::Text(word.clone()));
        }
        Step::Word(word)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing inside panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request until it is over, however it ends.
struct UnderWay(Arc<Engine>);

impl UnderWay {
    fn new(engine: &Arc<Engine>) -> Self {
        engine.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(engine))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
