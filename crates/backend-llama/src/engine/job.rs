//! What a lane sends to its engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backend::{Embedding, EncodedPrompt, Event, GenerateError, GenerateRequest, LaneBroken};
use tokio::sync::{mpsc, oneshot};

/// A command and the sign that it is being worked on.
pub(crate) struct Envelope {
    /// Which lane of the engine it is for, from 0.
    pub(crate) lane: usize,
    pub(crate) command: Command,
    /// The lane's own; from now on the engine's as well.
    pub(crate) broken: BrokenFlag,
    /// Dropped when the engine has stopped touching anything for this command, whichever way it ended.
    pub(crate) working: oneshot::Sender<()>,
}

/// What an engine can be told to do.
pub(crate) enum Command {
    /// Generate, and report through the job.
    Generate(Box<Job>),
    /// Make vectors of texts.
    Embed(Box<EmbedJob>),
    /// Replace the context by a new one.
    Reset(oneshot::Sender<Result<(), LaneBroken>>),
}

/// One generation, seen from the engine.
pub(crate) struct Job {
    pub(crate) request: GenerateRequest,
    /// Where the events go. It is bounded: a reader that is slow slows the engine down.
    pub(crate) events: mpsc::Sender<Result<Event, GenerateError>>,
    pub(crate) cancelled: CancelFlag,
    #[cfg(test)]
    pub(crate) fault: Option<Fault>,
    /// Hears the logits of every token that is to be chosen.
    #[cfg(test)]
    pub(crate) listener: Option<std::sync::mpsc::Sender<Vec<f32>>>,
}

/// Texts that are to become vectors, seen from the engine.
pub(crate) struct EmbedJob {
    pub(crate) inputs: Vec<EncodedPrompt>,
    pub(crate) cancelled: CancelFlag,
    pub(crate) reply: oneshot::Sender<Result<Vec<Embedding>, GenerateError>>,
}

/// A fault for a test to plant.
#[cfg(test)]
pub(crate) enum Fault {
    /// Panics after the prompt.
    Panic,
    /// Reports a failed decode after the prompt.
    Decode,
    /// Fails every step that computes it, alone or with others.
    Step,
    /// Goes on working after the prompt until the test drops the other end, whatever is cancelled.
    Hold(std::sync::mpsc::Receiver<()>),
    /// Does one of these in the middle of a draft, when two tokens of drafts have been told, and says that it came to that.
    InDraft(std::sync::mpsc::Sender<()>, Box<Fault>),
}

/// Whether a lane broke and was not reset since. The lane looks at it when its command is done with: a client that left
/// does not read the error that says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrokenFlag(Arc<AtomicBool>);

impl BrokenFlag {
    pub(crate) fn is_set(&self) -> bool {
        // Written before the sign that the command is done with goes, and read after it: that is order enough.
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, broken: bool) {
        self.0.store(broken, Ordering::Relaxed);
    }
}

/// Whether somebody still wants the result.
#[derive(Debug, Clone)]
pub(crate) struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    pub(crate) fn is_set(&self) -> bool {
        // Nothing is published with the flag, so no order with other memory is needed.
        self.0.load(Ordering::Relaxed)
    }
}

/// Sets its flag when it is dropped.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(CancelFlag);

impl CancelOnDrop {
    pub(crate) fn new() -> (Self, CancelFlag) {
        let flag = CancelFlag(Arc::new(AtomicBool::new(false)));
        (Self(flag.clone()), flag)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
