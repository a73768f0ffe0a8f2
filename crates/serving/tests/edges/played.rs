//! A model whose every load can be told from the others.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backend::{
    Backend, Capabilities, EncodedPrompt, EventStream, GenerateRequest, Lane, LaneBroken, LoadError, LoadProgress,
    LoadedModel, ModelInfo, ModelSpec, Prompt, PromptEncoder, PromptError, TokenId,
};
use futures_util::{FutureExt, StreamExt};
use serving::{Generation, LoadState, LockEvent, ModelConfig, Service, ServiceConfig};
use tokio::time::{Instant, sleep};

use crate::mocked_backend::{answer, broken};
use crate::mocks::request;

pub(crate) const LOAD: Duration = Duration::from_secs(2);
pub(crate) const HOLD: Duration = Duration::from_millis(100);

/// Encodes every prompt as the number of its load. After the first, conversations of two messages are too long.
struct Numbered(u32);

#[async_trait]
impl PromptEncoder for Numbered {
    async fn encode(&self, prompt: Prompt) -> Result<EncodedPrompt, PromptError> {
        match &prompt {
            Prompt::Chat(chat) if self.0 > 1 && chat.messages.len() > 1 => {
                Err(PromptError::TooLong { tokens: 9, context_len: 8 })
            }
            _ => Ok(EncodedPrompt { prompt, tokens: vec![self.0] }),
        }
    }
}

/// The load that answered, and the tokens that it was given.
type Answered = Vec<(u32, Vec<TokenId>)>;

/// What the engines of all loads have done, and are to do.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) loads: Arc<AtomicU32>,
    pub(crate) answered: Arc<Mutex<Answered>>,
    /// Engines that are there now.
    pub(crate) alive: Arc<AtomicU32>,
    /// Whether they break at the end of a hold, for good.
    pub(crate) breaks: Arc<AtomicBool>,
    /// Whether loads fail.
    pub(crate) fails: Arc<AtomicBool>,
    /// When each load began.
    pub(crate) begun: Arc<Mutex<Vec<Instant>>>,
}

/// Tells that its engine is gone.
struct Alive(Arc<AtomicU32>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A lane of one load.
struct Played {
    number: u32,
    seen: Seen,
    _engine: Arc<Alive>,
}

#[async_trait]
impl Lane for Played {
    fn generate(&mut self, request: GenerateRequest) -> EventStream<'_> {
        self.seen.answered.lock().expect("nobody panicked").push((self.number, request.prompt.tokens));
        if self.seen.breaks.load(Ordering::Relaxed) { slow(broken) } else { slow(|| answer("done")) }
    }

    async fn quiesce(&mut self) {}

    /// In vain, which takes a while to find out.
    async fn reset(&mut self) -> Result<(), LaneBroken> {
        sleep(HOLD).await;
        Err(LaneBroken { reason: "planted".into() })
    }
}

fn slow(end: fn() -> EventStream<'static>) -> EventStream<'static> {
    Box::pin(sleep(HOLD).into_stream().flat_map(move |()| end()))
}

/// A model that takes 2 s to load and 100 ms to answer.
pub(crate) fn service(config: ModelConfig) -> (Service, Seen) {
    watched(config, |_, _| {})
}

/// The same with somebody who hears of every step of its lock.
pub(crate) fn watched(config: ModelConfig, on: impl Fn(&str, &LockEvent) + Send + Sync + 'static) -> (Service, Seen) {
    let seen = Seen::default();
    let config = ServiceConfig { models: vec![config], ..ServiceConfig::default() };
    let service = Service::start_watched(config, Arc::new(Loads(seen.clone())), Arc::new(|_| {}), Arc::new(on));
    (service.expect("a consistent configuration"), seen)
}

/// A backend whose loads take time.
struct Loads(Seen);

#[async_trait]
impl Backend for Loads {
    async fn load(&self, spec: ModelSpec, _: LoadProgress) -> Result<LoadedModel, LoadError> {
        let Self(seen) = self;
        seen.begun.lock().expect("nobody panicked").push(Instant::now());
        sleep(LOAD).await;
        if seen.fails.load(Ordering::Relaxed) {
            return Err(LoadError::Failed { reason: "planted".into() });
        }
        let number = seen.loads.fetch_add(1, Ordering::Relaxed) + 1;
        let engine = Arc::new(Alive(Arc::clone(&seen.alive)));
        seen.alive.fetch_add(1, Ordering::Relaxed);
        let lane =
            || -> Box<dyn Lane> { Box::new(Played { number, seen: seen.clone(), _engine: Arc::clone(&engine) }) };
        let info = ModelInfo { context_len: 8, parameters: 0, weight_bytes: 0, capabilities: Capabilities::default() };
        let lanes = (0..spec.lanes).map(|_| lane()).collect();
        Ok(LoadedModel { info, encoder: Arc::new(Numbered(number)), lanes })
    }
}

pub(crate) fn state(service: &Service) -> LoadState {
    service.states().remove(0).state
}

pub(crate) fn ask(service: &Service, id: &str) -> Generation {
    service.submit(request(id)).expect("there is room")
}

pub(crate) async fn finish(mut generation: Generation) {
    generation.started().await.expect("the lane answers");
    while generation.next().await.is_some() {}
}
