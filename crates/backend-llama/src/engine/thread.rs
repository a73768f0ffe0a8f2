//! The thread itself: loads, serves, frees.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use backend::{Event, GenerateError, LaneBroken, LoadError, LoadProgress, ModelInfo, ModelSpec};
use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use tokio::sync::oneshot;

use super::generate::Interrupted;
use super::job::{CancelFlag, Command, Envelope, Job};
use super::model;
use super::session::Session;
use crate::answering::Answerer;
use crate::encoder::Vocabulary;

/// What a new thread is to load, and whom to tell.
pub(crate) struct Order {
    pub(crate) spec: ModelSpec,
    pub(crate) runtime: &'static Runtime,
    pub(crate) progress: LoadProgress,
    /// Set when nobody waits for the load any more.
    pub(crate) cancelled: CancelFlag,
    pub(crate) report: oneshot::Sender<Result<Instance, LoadError>>,
}

/// What the thread hands out once the model is loaded.
pub(crate) struct Instance {
    pub(crate) info: ModelInfo,
    pub(crate) vocabulary: Vocabulary,
    /// The way in. The thread ends when it is dropped.
    pub(crate) commands: SyncSender<Envelope>,
}

/// What C++ programs usually have, and llama.cpp expects; Rust's threads get a quarter of it.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Starts the thread. It ends when the load fails, or when [`Instance::commands`] is dropped.
pub(crate) fn spawn(order: Order) -> io::Result<JoinHandle<()>> {
    // A NUL in a thread's name is a panic.
    let name = format!("llama-{}", order.spec.name.replace('\0', ""));
    Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || run(order))
}

fn run(order: Order) {
    let Order { spec, runtime, progress, cancelled, report } = order;
    let loaded = match guarded(|| model::load(runtime, &spec, progress, &cancelled)) {
        Ok(loaded) => loaded,
        // Nobody listens when the load was cancelled, here and below.
        Err(error) => return drop(report.send(Err(error))),
    };
    // Declared before the session, which borrows it, and so freed after it.
    let model = Arc::clone(&loaded.vocabulary.model);
    let answerer = Arc::new(Answerer::new(Arc::clone(&model), loaded.limits.context_len));
    let mut session = match guarded(|| Session::open(&model, runtime, loaded.limits, answerer, &spec.name)) {
        Ok(session) => session,
        Err(error) => return drop(report.send(Err(error))),
    };
    // The lane keeps at most one command under way, so there is always room for it.
    let (commands, inbox) = sync_channel(1);
    let instance = Instance { info: loaded.info, vocabulary: loaded.vocabulary, commands };
    tracing::debug!(model = spec.name, context_len = loaded.info.context_len, "loaded");
    // A load that was cancelled at the last moment drops the way in, and serving ends at once.
    drop(report.send(Ok(instance)));
    serve(&mut session, &inbox);
    tracing::debug!(model = spec.name, "unloading");
}

/// Turns a panic in a part of the load into an error.
fn guarded<T>(part: impl FnOnce() -> Result<T, LoadError>) -> Result<T, LoadError> {
    let outcome = catch_unwind(AssertUnwindSafe(part));
    outcome.unwrap_or_else(|panic| Err(LoadError::Failed { reason: panic_text(&*panic) }))
}

fn serve(session: &mut Session<'_>, inbox: &Receiver<Envelope>) {
    while let Ok(Envelope { command, working }) = inbox.recv() {
        match command {
            Command::Generate(job) => generate(session, &job),
            // The lane may have stopped waiting; the context is new all the same.
            Command::Reset(reply) => drop(reply.send(reset(session))),
        }
        drop(working);
    }
}

fn generate(session: &mut Session<'_>, job: &Job) {
    let outcome = catch_unwind(AssertUnwindSafe(|| session.generate(job)));
    let last = match outcome {
        Ok(Ok(finish)) => Ok(Event::Finish(finish)),
        Ok(Err(Interrupted::Cancelled)) => return,
        Ok(Err(Interrupted::Failed(reason))) => Err(GenerateError::Failed { reason }),
        Ok(Err(Interrupted::Broken(reason))) => Err(broken(session, reason)),
        Err(panic) => Err(broken(session, panic_text(&*panic))),
    };
    // The reader may have left in the meantime, which is its right.
    let _ = job.events.blocking_send(last);
}

fn broken(session: &mut Session<'_>, reason: String) -> GenerateError {
    tracing::error!(reason, "the engine failed; its context is given up");
    // What it holds is unknown, so nobody gets to use it by mistake.
    session.close();
    GenerateError::LaneBroken { reason }
}

fn reset(session: &mut Session<'_>) -> Result<(), LaneBroken> {
    guarded(|| session.reopen()).map_err(|error| LaneBroken { reason: error.to_string() })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the engine panicked: {}", text.unwrap_or("no message"))
}
