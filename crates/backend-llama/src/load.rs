//! The engine of the process, and loading a model into it.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use backend::{Backend, Lane, LoadError, LoadProgress, LoadedModel, MemoryEstimate, ModelSpec};
use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};
use tokio::sync::{mpsc, oneshot};

use crate::cores::Cores;
use crate::encoder::LlamaEncoder;
use crate::engine::{self, CancelOnDrop, Envelope};
use crate::lane::LlamaLane;
use crate::{processor, validate};

/// llama.cpp. Any number of models can be loaded through it, and any number of values of this type made.
///
/// Its log goes to `tracing` with the target `llama-cpp-2`; one load writes some hundred lines at `INFO`
/// and thousands at `DEBUG`, so a filter such as `llama-cpp-2=warn` is advised.
///
/// # Prompts
/// A [`Prompt::Chat`](backend::Prompt::Chat) is rendered with the template inside the model file, or with the one that
/// the spec names. Control tokens written out in messages, tools, calls and results stay text. A [`Prompt::Text`](backend::Prompt::Text) is written by
/// somebody who wants to do what a template does, so control tokens written out in it are control
/// tokens, as OpenAI's and llama.cpp's own completions have it. Templates are told no date, unless they insist.
///
/// # Tools and thoughts
/// A model has the [capability](backend::Capabilities::tools) where its template tells it of tools and its calls are
/// among those that are understood: those of Hermes and Qwen (`<tool_call>`), Llama 3, Mistral (`[TOOL_CALLS]`, both
/// ways), Granite and Phi-4-mini (`<|tool_call|>`), Command R7B, and plain JSON objects. Not understood are calls in XML
/// (Qwen3-Coder), DeepSeek's and Kimi's marks, and Harmony's channels (gpt-oss). Calls that a client asks for are forced by a
/// grammar made of the tools' schemas; others are as the model writes them. Thoughts in `<think>`, `[THINK]`,
/// `<|START_THINKING|>` and Harmony's channel for them go to [`Token::reasoning`](backend::Token::reasoning).
///
/// # Constraints
/// GBNF as llama.cpp reads it, left recursion included; any JSON object; and JSON Schema with `type`, `enum`, `const`,
/// `anyOf`, `allOf`, `oneOf` of choices that exclude each other, `$ref` within the schema, and the bounds of objects,
/// arrays, strings (`pattern` and `format` too) and numbers. Any other keyword is refused by its name. Both may have
/// 64 KiB and nest 64 deep. An answer ends where its constraint is complete; it begins behind the thoughts of a model
/// whose template begins them.
///
/// # Sampling
/// llama.cpp's stages, in the order of its own tools. Log probabilities are those that the model computed, before
/// sampling changed anything.
///
/// # Lanes
/// A lane alone in its context, the default, gives the text that its request gives in a new process, bit by bit, and
/// computes again only what a prompt does not have in common with the one before. The lanes of one context are computed
/// together, which changes the rounding.
///
/// # Adapters
/// LoRA adapters of the spec are loaded with the model, and each is tried with a token. A request is computed with one of them
/// at most. The lanes of one context share steps only with those of the same adapter at the same scale, so that requests with
/// different ones take turns, step by step. What was computed with one is not used again with another.
///
/// # Limits
/// Penalties look at the end of the prompt too, as llama.cpp's server does.
#[derive(Debug, Clone, Copy)]
pub struct LlamaBackend {
    runtime: &'static Runtime,
}

/// llama.cpp could not be started in this process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("llama.cpp could not be started: {reason}")]
pub struct InitError {
    /// What it reported.
    pub reason: String,
}

impl LlamaBackend {
    /// Starts llama.cpp, once per process; later calls share it.
    ///
    /// # Errors
    /// [`InitError`] when the processor lacks what llama.cpp was compiled for, or something else in the process has started it
    /// already.
    pub fn new() -> Result<Self, InitError> {
        static RUNTIME: OnceLock<Result<Runtime, InitError>> = OnceLock::new();
        let start = || {
            processor::check().map_err(|reason| InitError { reason })?;
            // Before the start, which writes the first lines.
            send_logs_to_tracing(LogOptions::default().with_logs_enabled(true));
            Runtime::init().map_err(|error| InitError { reason: error.to_string() })
        };
        match RUNTIME.get_or_init(start) {
            Ok(runtime) => Ok(Self { runtime }),
            Err(error) => Err(error.clone()),
        }
    }

    /// Loads a model, and also hands out its thread, which ends after the lane was dropped.
    pub(crate) async fn load_with_thread(
        &self,
        spec: ModelSpec,
        progress: LoadProgress,
    ) -> Result<(Loaded, JoinHandle<()>), LoadError> {
        validate::settings(&spec)?;
        let (cancel, cancelled) = CancelOnDrop::new();
        let (report, ready) = oneshot::channel();
        let cores = Cores::of_the_machine();
        let order = engine::Order { spec, runtime: self.runtime, cores, progress, cancelled, report };
        let thread = engine::spawn(order).map_err(|error| LoadError::Failed { reason: error.to_string() })?;
        let instance = match ready.await {
            Ok(outcome) => outcome?,
            Err(_) => {
                return Err(LoadError::Failed { reason: "the engine's thread ended".to_string() });
            }
        };
        drop(cancel);
        // One lane of each engine after another: where there is a choice, those that are given out first share nothing.
        let lanes = (0..instance.lanes).flat_map(|number| {
            let lane = move |commands: &mpsc::Sender<Envelope>| LlamaLane::new(commands.clone(), number);
            instance.engines.iter().map(lane).collect::<Vec<_>>()
        });
        let lanes = lanes.collect();
        let encoder = LlamaEncoder::new(instance.vocabulary);
        Ok((Loaded { info: instance.info, encoder, lanes }, thread))
    }
}

/// A loaded instance with its types still known.
pub(crate) struct Loaded {
    pub(crate) info: backend::ModelInfo,
    pub(crate) encoder: LlamaEncoder,
    pub(crate) lanes: Vec<LlamaLane>,
}

#[async_trait]
impl Backend for LlamaBackend {
    async fn load(&self, spec: ModelSpec, progress: LoadProgress) -> Result<LoadedModel, LoadError> {
        // The thread ends by itself when the lane is dropped, so nobody needs to join it.
        let (loaded, _thread) = self.load_with_thread(spec, progress).await?;
        let lanes = loaded.lanes.into_iter().map(|lane| Box::new(lane) as Box<dyn Lane>).collect();
        Ok(LoadedModel { info: loaded.info, encoder: Arc::new(loaded.encoder), lanes })
    }

    /// Reads the file's description on a thread of its own, which goes on where the future is dropped.
    async fn estimate(&self, spec: &ModelSpec) -> Result<Option<MemoryEstimate>, LoadError> {
        let (runtime, spec) = (self.runtime, spec.clone());
        let estimate = tokio::task::spawn_blocking(move || engine::estimate(runtime, &spec));
        estimate.await.unwrap_or_else(|error| Err(LoadError::Failed { reason: error.to_string() }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use backend::LoadError;
    use tokio::sync::oneshot;

    use super::LlamaBackend;
    use crate::cores::Cores;
    use crate::engine::{self, CancelOnDrop};
    use crate::testing;

    /// A load that nobody waits for stops where it is, and its thread ends.
    /// Method: the one who waits leaves when the first progress arrives; llama.cpp must not go on to the end.
    #[tokio::test]
    async fn a_cancelled_load_stops_on_the_way() {
        let (cancel, cancelled) = CancelOnDrop::new();
        let cancel = Mutex::new(Some(cancel));
        let furthest = Arc::new(Mutex::new(0.0));
        let heard = Arc::clone(&furthest);
        let progress = Arc::new(move |share| {
            drop(cancel.lock().unwrap().take());
            *heard.lock().unwrap() = share;
        });
        let (report, ready) = oneshot::channel();
        let runtime = LlamaBackend::new().unwrap().runtime;
        let cores = Cores::of_the_machine();
        let order = engine::Order { spec: testing::spec(), runtime, cores, progress, cancelled, report };
        let thread = engine::spawn(order).unwrap();
        let outcome = ready.await.expect("the thread reports");
        assert_eq!(outcome.err(), Some(LoadError::Cancelled));
        thread.join().expect("the thread ends in good order");
        assert!(*furthest.lock().unwrap() < 1.0);
    }
}
