//! A lane: a handle to an engine.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use backend::{Event, EventStream, GenerateError, GenerateRequest, Lane, LaneBroken};
use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::ModelScript;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::generation::{EVENTS_AHEAD_MAX, Generation, Pace, Signal};
use crate::journal::Visit;
use crate::reply::Question;
use crate::vocabulary::{self, UnknownToken};

/// What all lanes of a model have in common, whichever load they come from.
pub(crate) struct Model {
    pub(crate) name: Arc<str>,
    pub(crate) script: ModelScript,
    /// Generations so far.
    pub(crate) calls: AtomicU64,
}

/// A handle to an engine.
pub(crate) struct MockLane {
    pub(crate) model: Arc<Model>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) index: u32,
    pub(crate) context_len: u32,
    pub(crate) bytes_per_token: usize,
    /// Work that may still go on: of one generation, unless somebody did not wait for `quiesce`.
    pub(crate) running: Vec<JoinHandle<()>>,
}

#[async_trait]
impl Lane for MockLane {
    /// Enters the engine in the call itself, not at the first poll, and spawns its work on the current tokio runtime.
    fn generate(&mut self, request: GenerateRequest) -> EventStream<'_> {
        self.running.retain(|work| !work.is_finished());
        let call = self.model.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let question = vocabulary::question_of(&request.prompt.tokens);
        let asked = question.as_deref().unwrap_or_default();
        let entered = self.engine.enter(self.visit(call), asked);

        let (signals, receiver) = mpsc::channel(EVENTS_AHEAD_MAX);
        let work = Generation {
            entered,
            prompt_tokens: request.prompt.tokens.len() as u32,
            answer: self.answer(call, question, request),
            fault: self.model.script.faults.get(&call).copied(),
            pace: Pace::new(&self.model.script),
            signals,
            tokens: 0,
        };
        self.running.push(tokio::spawn(work.run()));
        Box::pin(Events { signals: receiver })
    }

    async fn quiesce(&mut self) {
        while let Some(work) = self.running.last_mut() {
            // A task fails only when its runtime shuts down, and then it does not run either.
            let _ = work.await;
            self.running.pop();
        }
    }

    fn is_broken(&self) -> bool {
        self.engine.is_broken()
    }

    async fn reset(&mut self) -> Result<(), LaneBroken> {
        // After a panic nobody had the chance to wait for this lane's own work.
        self.quiesce().await;
        self.engine.reset(self.visit(0))
    }
}

impl MockLane {
    fn visit(&self, call: u64) -> Visit {
        Visit { model: Arc::clone(&self.model.name), lane: self.index, call }
    }

    /// The answer to a request, or why there can be none.
    fn answer(
        &self,
        call: u64,
        question: Result<String, UnknownToken>,
        request: GenerateRequest,
    ) -> Result<Answer, String> {
        let text = question.map_err(|UnknownToken(id)| format!("token {id} is not in the vocabulary"))?;
        let prompt_tokens = request.prompt.tokens.len() as u32;
        let room = self.context_len.checked_sub(prompt_tokens).filter(|room| *room > 0 && prompt_tokens > 0);
        let room =
            room.ok_or_else(|| format!("{prompt_tokens} tokens are no prompt for {} of context", self.context_len))?;
        let tokens_max = request.max_tokens.min(room);
        let reply = self.model.script.reply.text(&Question {
            model: &self.model.name,
            call,
            text: &text,
            sampling: &request.options.sampling,
            bytes_max: tokens_max as usize * self.bytes_per_token,
        });
        Ok(Answer::new(reply, self.bytes_per_token, request.options.stop, tokens_max))
    }
}

/// The reading end of a generation. Dropping it asks the engine to stop.
struct Events {
    signals: mpsc::Receiver<Signal>,
}

impl Stream for Events {
    type Item = Result<Event, GenerateError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.signals.poll_recv(cx)) {
            None => Poll::Ready(None),
            Some(Signal::Item(item)) => Poll::Ready(Some(item)),
            Some(Signal::Panic) => panic!("the script says that this call panics"),
        }
    }
}
