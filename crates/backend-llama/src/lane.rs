//! The lane: a handle to the engine's thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use backend::{Embedding, EncodedPrompt, Event, EventStream, GenerateError, GenerateRequest, Lane, LaneBroken};
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{BrokenFlag, CancelOnDrop, Command, EmbedJob, Envelope, Job};

/// Events that may wait for their reader. The engine waits when they are more.
const EVENTS_WAITING_MAX: usize = 32;

/// A lane of an instance. Dropping the last lane of an engine ends its thread and frees its context; the weights go with
/// the last of lanes and encoder.
pub(crate) struct LlamaLane {
    commands: mpsc::Sender<Envelope>,
    /// Which one of its engine's.
    number: usize,
    /// Resolves when the engine is done with the latest command. At most one command is under way:
    /// the next is sent only after this resolved.
    working: Option<oneshot::Receiver<()>>,
    /// Set by the engine from a failure to the reset that follows.
    broken: BrokenFlag,
    #[cfg(test)]
    pub(crate) fault: Option<crate::engine::Fault>,
    #[cfg(test)]
    pub(crate) listener: Option<std::sync::mpsc::Sender<Vec<f32>>>,
}

/// The engine's thread has ended, which it does not do while a lane lives.
struct Gone;

impl Gone {
    const REASON: &str = "the engine's thread has ended";
}

impl LlamaLane {
    pub(crate) fn new(commands: mpsc::Sender<Envelope>, number: usize) -> Self {
        Self {
            commands,
            number,
            working: None,
            broken: BrokenFlag::default(),
            #[cfg(test)]
            fault: None,
            #[cfg(test)]
            listener: None,
        }
    }

    fn send(&mut self, command: Command) -> Result<(), Gone> {
        debug_assert!(self.working.is_none(), "two commands under way");
        let (working, done) = oneshot::channel();
        let broken = self.broken.clone();
        self.commands.try_send(Envelope { lane: self.number, command, broken, working }).map_err(|_| Gone)?;
        self.working = Some(done);
        Ok(())
    }

    /// Ready when no command is under way.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(working) = &mut self.working {
            // The engine drops the other end and sends nothing, so both outcomes mean that it is done.
            let _ = ready!(Pin::new(working).poll(cx));
            self.working = None;
        }
        Poll::Ready(())
    }

    async fn quiet(&mut self) {
        std::future::poll_fn(|cx| self.poll_quiet(cx)).await;
    }
}

#[async_trait]
impl Lane for LlamaLane {
    fn generate(&mut self, request: GenerateRequest) -> EventStream<'_> {
        Box::pin(Generation::start(self, request))
    }

    async fn embed(&mut self, inputs: Vec<EncodedPrompt>) -> Result<Vec<Embedding>, GenerateError> {
        self.quiet().await;
        let (_cancel, cancelled) = CancelOnDrop::new();
        let (reply, outcome) = oneshot::channel();
        let gone = |_| GenerateError::LaneBroken { reason: Gone::REASON.to_string() };
        self.send(Command::Embed(Box::new(EmbedJob { inputs, cancelled, reply }))).map_err(gone)?;
        let outcome = outcome.await.unwrap_or_else(|_| Err(gone(Gone)));
        self.quiet().await;
        outcome
    }

    async fn quiesce(&mut self) {
        self.quiet().await;
    }

    fn is_broken(&self) -> bool {
        self.broken.is_set()
    }

    async fn reset(&mut self) -> Result<(), LaneBroken> {
        self.quiet().await;
        let (reply, outcome) = oneshot::channel();
        let gone = |_| LaneBroken { reason: Gone::REASON.to_string() };
        self.send(Command::Reset(reply)).map_err(gone)?;
        let outcome = outcome.await.unwrap_or_else(|_| Err(gone(Gone)));
        self.quiet().await;
        outcome
    }
}

/// A generation, seen from the lane.
struct Generation<'lane> {
    lane: &'lane mut LlamaLane,
    /// The job, while the engine is still busy with the one before.
    waiting: Option<Box<Job>>,
    events: mpsc::Receiver<Result<Event, GenerateError>>,
    ended: bool,
    /// Tells the engine to stop when the stream is dropped.
    _cancel: CancelOnDrop,
}

impl<'lane> Generation<'lane> {
    fn start(lane: &'lane mut LlamaLane, request: GenerateRequest) -> Self {
        let (cancel, cancelled) = CancelOnDrop::new();
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let total = u32::try_from(request.prompt.tokens.len()).unwrap_or(u32::MAX);
        let first = sender.try_send(Ok(Event::Prompt { processed: 0, total }));
        first.expect("a new channel has room");
        let job = Job {
            request,
            events: sender,
            cancelled,
            #[cfg(test)]
            fault: lane.fault.take(),
            #[cfg(test)]
            listener: lane.listener.clone(),
        };
        let mut generation = Self { lane, waiting: Some(Box::new(job)), events, ended: false, _cancel: cancel };
        // Nearly always nothing is under way, and the engine starts before the stream is polled.
        if generation.lane.working.is_none() {
            generation.hand_over();
        }
        generation
    }

    fn hand_over(&mut self) {
        if let Some(job) = self.waiting.take() {
            // Failing drops the job and so ends the events, which the stream reports.
            let _ = self.lane.send(Command::Generate(job));
        }
    }
}

impl Stream for Generation<'_> {
    type Item = Result<Event, GenerateError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.waiting.is_some() {
            ready!(self.lane.poll_quiet(cx));
            self.hand_over();
        }
        let event = ready!(self.events.poll_recv(cx));
        let event = event.unwrap_or_else(|| Err(GenerateError::LaneBroken { reason: Gone::REASON.to_string() }));
        self.ended = matches!(event, Ok(Event::Finish(_)) | Err(_));
        Poll::Ready(Some(event))
    }
}

#[cfg(test)]
mod adapter_tests;
#[cfg(test)]
mod draft_tests;
#[cfg(test)]
mod reuse_tests;
#[cfg(test)]
mod saved_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod together_tests;
