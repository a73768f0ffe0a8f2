//! Loading the weights.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

use backend::{Capabilities, LoadError, LoadProgress, ModelInfo, ModelSource, ModelSpec};
use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use tempfile::NamedTempFile;

use super::cache::Reuse;
use super::job::CancelFlag;
use super::session::Limits;
use super::vocabulary::vocabulary;
use super::{memory, reasons};
use crate::adapter;
use crate::encoder::{PairFormat, Vocabulary};
use crate::gguf::Head;
use crate::projector::Projector;
use crate::validate::{self, Uses};

/// A loaded model without a context.
pub(super) struct LoadedModel {
    pub(super) vocabulary: Vocabulary,
    pub(super) adapters: Vec<adapter::Loaded>,
    pub(super) info: ModelInfo,
    pub(super) limits: Limits,
}

/// Loads what a spec names. The settings have passed [`validate::settings`].
pub(super) fn load(
    runtime: &Runtime,
    spec: &ModelSpec,
    progress: LoadProgress,
    cancelled: &CancelFlag,
) -> Result<LoadedModel, LoadError> {
    warn_about(runtime, spec);
    if let Some(estimate) = memory::estimate(runtime, spec)? {
        memory::tell(&spec.name, estimate, memory::available());
    }
    let params = LlamaModelParams::default().with_n_gpu_layers(spec.gpu_layers);
    let params = params.with_progress_callback(watch(progress, cancelled.clone()));
    let (model, head, adapters) = match &spec.source {
        ModelSource::File(path) => load_file(runtime, path, &params, spec, cancelled)?,
        ModelSource::Embedded(bytes) => {
            // Not mapped: the file goes right after the load.
            let params = params.with_use_mmap(false);
            let file = unpack(&spec.name, bytes)?;
            load_file(runtime, file.path(), &params, spec, cancelled)?
        }
    };
    let unusable = |reason| LoadError::Unusable { model: spec.name.clone(), reason };
    let Uses { generates, pooling } = validate::uses(&model, &head).map_err(unusable)?;
    let ranks = pooling.is_some_and(|pooling| pooling.ranks());
    let pairs = ranks.then(|| PairFormat::of(&model)).transpose().map_err(unusable)?;
    let context_len = context_len(spec, &model);
    let (parameters, weight_bytes) = (model.n_params(), model.size());
    if spec.context_len > context_len {
        let (asked, trained) = (spec.context_len, context_len);
        tracing::warn!(model = spec.name, asked, trained, "context_len is cut to what the model was trained with");
    }
    let threads = i32::try_from(spec.threads).expect("the settings were checked");
    if context_len.checked_mul(spec.lanes).is_none_or(|len| len > validate::CONTEXT_MAX) {
        let reason = format!("{context_len} tokens in {} lanes are more than {}", spec.lanes, validate::CONTEXT_MAX);
        return Err(LoadError::Setting { setting: "context_len", reason });
    }
    let (lanes, step_tokens, reuse) = (spec.lanes, spec.tuning.step_tokens, reuse(&model, spec.lanes));
    let saved_bytes_max = memory::saved_bytes(spec);
    let draft_tokens = spec.tuning.draft_tokens;
    if draft_tokens > 0 && (reuse == Reuse::Never || !generates) {
        let reason =
            "is for models that can go back to an earlier token, and this one cannot; leave it at 0".to_string();
        return Err(LoadError::Setting { setting: "draft_tokens", reason });
    }
    let is_mixture = is_mixture(&model);
    let limits = Limits {
        context_len,
        threads,
        lanes,
        step_tokens,
        draft_tokens,
        is_mixture,
        reuse,
        saved_bytes_max,
        pooling,
        generates,
    };
    if !generates && !adapters.is_empty() {
        let reason = "are for models that continue texts, and this one embeds or ranks them".to_string();
        return Err(LoadError::Setting { setting: "adapters", reason });
    }
    let mut vocabulary = Vocabulary { pairs, ..vocabulary(model, context_len, spec) };
    if let Some(source) = &spec.projector {
        vocabulary.projector = Some(Arc::new(projector(source, &vocabulary.model, spec)?));
    }
    let tools = generates && vocabulary.answerer.understands_calls();
    let vision = generates && vocabulary.projector.is_some();
    let capabilities = Capabilities {
        generation: generates,
        tools,
        constraints: generates,
        logprobs: generates,
        embeddings: pooling.is_some() && !ranks,
        rerank: ranks,
        vision,
    };
    let info = ModelInfo { context_len, parameters, weight_bytes, capabilities };
    Ok(LoadedModel { vocabulary, adapters, info, limits })
}

fn projector(source: &ModelSource, model: &Arc<LlamaModel>, spec: &ModelSpec) -> Result<Projector, LoadError> {
    let threads = i32::try_from(spec.threads).expect("the settings were checked");
    match source {
        ModelSource::File(path) => Projector::load(path, model, threads),
        ModelSource::Embedded(bytes) => {
            let file = unpack(&spec.name, bytes)?;
            Projector::load(file.path(), model, threads)
        }
    }
}

/// Architectures that look back only so far, whether or not their file says so.
const WINDOWED: [&str; 5] = ["exaone-moe", "exaone4", "gemma2", "llama4", "smallthinker"];

/// How much of a lane's cache may be used again.
fn reuse(model: &LlamaModel, lanes: u32) -> Reuse {
    let architecture = model.meta_val_str("general.architecture").unwrap_or_default();
    let window = model.meta_val_str(&format!("{architecture}.attention.sliding_window"));
    let is_windowed = window.is_ok_and(|len| len != "0") || WINDOWED.contains(&architecture.as_str());
    // A state cannot go back, and what is outside of a window may be gone.
    if model.is_recurrent() || model.is_hybrid() || is_windowed {
        Reuse::Never
    } else if lanes == 1 {
        Reuse::Steps
    } else {
        Reuse::Tokens
    }
}

/// Whether it has experts, of which each token is given to some.
fn is_mixture(model: &LlamaModel) -> bool {
    let architecture = model.meta_val_str("general.architecture").unwrap_or_default();
    model.meta_val_str(&format!("{architecture}.expert_count")).is_ok_and(|count| count != "0")
}

fn warn_about(runtime: &Runtime, spec: &ModelSpec) {
    let cores = available_parallelism().map_or(spec.threads as usize, usize::from);
    if spec.threads as usize > cores {
        tracing::warn!(
            model = spec.name,
            threads = spec.threads,
            cores,
            "more threads than cores: expect it to be slow"
        );
    }
    if spec.gpu_layers > 0 && !runtime.supports_gpu_offload() {
        tracing::warn!(model = spec.name, "gpu_layers has no effect: this build runs on the CPU only");
    }
}

/// The callback of a load: passes progress on, and ends the load by answering false.
fn watch(progress: LoadProgress, cancelled: CancelFlag) -> impl FnMut(f32) -> bool + 'static {
    let mut done = 0.0_f32;
    move |share| {
        done = done.max(share.clamp(0.0, 1.0));
        // A panic must not unwind into llama.cpp: that would end the process.
        let passed_on = catch_unwind(AssertUnwindSafe(|| progress(done))).is_ok();
        passed_on && !cancelled.is_set()
    }
}

fn unpack(name: &str, bytes: &[u8]) -> Result<NamedTempFile, LoadError> {
    validate::header(bytes).map_err(|reason| LoadError::Unusable { model: name.to_string(), reason })?;
    let failed = |error: std::io::Error| LoadError::Failed { reason: format!("writing the built-in model: {error}") };
    let mut file = tempfile::Builder::new().prefix("edison-").suffix(".gguf").tempfile().map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(failed)?;
    Ok(file)
}

fn load_file(
    runtime: &Runtime,
    path: &Path,
    params: &LlamaModelParams,
    spec: &ModelSpec,
    cancelled: &CancelFlag,
) -> Result<(LlamaModel, Head, Vec<adapter::Loaded>), LoadError> {
    let (name, head) = validate::model_file(path)?;
    let (model, reasons) = reasons::collect(|| LlamaModel::load_from_file(runtime, name, params));
    let mut model = model.map_err(|error| {
        let reason = reasons.or(&error);
        if cancelled.is_set() {
            LoadError::Cancelled
        } else if reason.contains("alloc") {
            LoadError::Failed { reason }
        } else {
            LoadError::Unusable { model: name.to_string(), reason }
        }
    })?;
    // Before there is a context: each reserves room for the adapters that there are.
    let adapters = adapter::load(&mut model, &head, &spec.adapters, &|bytes| unpack(&spec.name, bytes))?;
    Ok((model, head, adapters))
}

/// How long the context becomes: what was asked for, and no more than the model was trained with.
pub(super) fn context_len(spec: &ModelSpec, model: &LlamaModel) -> u32 {
    let trained = model.n_ctx_train().clamp(1, validate::CONTEXT_MAX);
    if spec.context_len == 0 { trained } else { spec.context_len.min(trained) }
}
