//! The threads of an instance: load, serve, free.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use backend::{LoadError, LoadProgress, ModelInfo, ModelSpec};
use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use tokio::sync::{mpsc, oneshot};

use super::job::{CancelFlag, Envelope};
use super::model;
use super::rounds::{Engine, panic_text};
use super::session::{Session, Shared};
use crate::cores::Cores;
use crate::encoder::Vocabulary;

/// What a new instance is to load, and whom to tell.
pub(crate) struct Order {
    pub(crate) spec: ModelSpec,
    pub(crate) runtime: &'static Runtime,
    pub(crate) cores: Cores,
    pub(crate) progress: LoadProgress,
    /// Set when nobody waits for the load any more.
    pub(crate) cancelled: CancelFlag,
    pub(crate) report: oneshot::Sender<Result<Instance, LoadError>>,
}

/// What is handed out once the model is loaded.
pub(crate) struct Instance {
    pub(crate) info: ModelInfo,
    pub(crate) vocabulary: Vocabulary,
    /// The way in to each engine, and how many lanes each has. An engine ends when its way in is dropped.
    pub(crate) engines: Vec<mpsc::Sender<Envelope>>,
    pub(crate) lanes: usize,
}

/// What C++ programs usually have, and llama.cpp expects; Rust's threads get a quarter of it.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Starts the first thread. It ends when the load fails, or when all [`Instance::engines`] are dropped.
pub(crate) fn spawn(order: Order) -> io::Result<JoinHandle<()>> {
    builder(&order.spec, 0).spawn(move || run(order))
}

fn builder(spec: &ModelSpec, replica: u32) -> Builder {
    // A NUL in a thread's name is a panic.
    let name = spec.name.replace('\0', "");
    let name = if replica == 0 { format!("llama-{name}") } else { format!("llama-{name}-{replica}") };
    Builder::new().name(name).stack_size(STACK_BYTES)
}

/// The first thread: loads the weights, starts the other engines and becomes one itself.
fn run(order: Order) {
    let Order { spec, runtime, cores, progress, cancelled, report } = order;
    let loaded = match guarded(|| model::load(runtime, &spec, progress, &cancelled)) {
        Ok(loaded) => loaded,
        // Nobody listens when the load was cancelled, here and below.
        Err(error) => return drop(report.send(Err(error))),
    };
    let model = Arc::clone(&loaded.vocabulary.model);
    let answerer = Arc::clone(&loaded.vocabulary.answerer);
    let projector = loaded.vocabulary.projector.clone();
    let saved = Arc::clone(&loaded.vocabulary.saved_counts);
    // Declared before the engine, which borrows it, and so freed after it.
    let shared = Arc::new(Shared::new(runtime, model, loaded.limits, answerer, projector, loaded.adapters, saved));
    let lanes = loaded.limits.lanes as usize;
    let opened = open(&shared, &spec, cores.clone()).and_then(|engine| {
        let replicas = (1..spec.tuning.replicas).map(|n| replicate(&shared, &spec, n, cores.clone()));
        // Those that were started before one fails end with their ways in.
        Ok((engine, replicas.collect::<Result<Vec<_>, _>>()?))
    });
    let (mut engine, replicas) = match opened {
        Ok(opened) => opened,
        Err(error) => return drop(report.send(Err(error))),
    };
    let (mut engines, threads): (Vec<_>, Vec<_>) = replicas.into_iter().unzip();
    let (commands, inbox) = mailbox(lanes);
    engines.insert(0, commands);
    let instance = Instance { info: loaded.info, vocabulary: loaded.vocabulary, engines, lanes };
    tracing::debug!(model = spec.name, context_len = loaded.info.context_len, "loaded");
    // A load that was cancelled at the last moment drops the ways in, and serving ends at once.
    drop(report.send(Ok(instance)));
    engine.serve(inbox);
    drop(engine);
    for thread in threads {
        // Its panics were caught and reported where they happened.
        drop(thread.join());
    }
    tracing::debug!(model = spec.name, "unloading");
}

/// A lane keeps at most one command under way, so there is always room for it.
fn mailbox(lanes: usize) -> (mpsc::Sender<Envelope>, mpsc::Receiver<Envelope>) {
    mpsc::channel(lanes)
}

fn open<'model>(shared: &'model Shared, spec: &ModelSpec, cores: Cores) -> Result<Engine<'model>, LoadError> {
    guarded(|| Ok(Engine::new(Session::new(shared, &spec.name)?, cores)))
}

/// Starts one more engine over the same weights, and waits until it has a context.
fn replicate(
    shared: &Arc<Shared>,
    spec: &ModelSpec,
    replica: u32,
    cores: Cores,
) -> Result<(mpsc::Sender<Envelope>, JoinHandle<()>), LoadError> {
    let (report, ready) = sync_channel(1);
    let (thread_shared, thread_spec) = (Arc::clone(shared), spec.clone());
    let failed = |reason: String| LoadError::Failed { reason };
    let thread = builder(spec, replica).spawn(move || match open(&thread_shared, &thread_spec, cores) {
        Ok(mut engine) => {
            let (commands, inbox) = mailbox(thread_shared.limits.lanes as usize);
            drop(report.send(Ok(commands)));
            engine.serve(inbox);
        }
        Err(error) => drop(report.send(Err(error))),
    });
    let thread = thread.map_err(|error| failed(error.to_string()))?;
    let commands = ready.recv().unwrap_or_else(|_| Err(failed("an engine's thread ended".to_string())))?;
    Ok((commands, thread))
}

/// Turns a panic in a part of the load into an error.
fn guarded<T>(part: impl FnOnce() -> Result<T, LoadError>) -> Result<T, LoadError> {
    let outcome = catch_unwind(AssertUnwindSafe(part));
    outcome.unwrap_or_else(|panic| Err(LoadError::Failed { reason: panic_text(&*panic) }))
}
