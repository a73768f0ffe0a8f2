//! How much memory a model takes.
//!
//! The weights and the cache are told exactly by the model's shape; what a step computes is not, and is guessed from
//! above. What a recurrent model keeps instead of a cache is less than what is told here.

use backend::{LoadError, MemoryEstimate, ModelSource, ModelSpec};
use llama_cpp_2::llama_backend::LlamaBackend as Runtime;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

use super::model::context_len;
use super::reasons;
use crate::validate;

/// Bytes of a number in the cache.
const CACHE_NUMBER: u64 = 2;
/// Bytes of a number that is computed.
const NUMBER: u64 = 4;
/// Rows as wide as the model that a step needs at one time, and then some.
const ROWS: u64 = 16;

/// Estimates from the file's description, without its weights. `None` for what is not in a file.
pub(crate) fn estimate(runtime: &Runtime, spec: &ModelSpec) -> Result<Option<MemoryEstimate>, LoadError> {
    let ModelSource::File(path) = &spec.source else { return Ok(None) };
    validate::settings(spec)?;
    let (name, _) = validate::model_file(path)?;
    let params = LlamaModelParams::default().with_no_alloc(true).with_use_mmap(false);
    let (model, reasons) = reasons::collect(|| LlamaModel::load_from_file(runtime, name, &params));
    let unusable = |error| LoadError::Unusable { model: name.to_string(), reason: reasons.or(&error) };
    let mut estimate = of(&model.map_err(unusable)?, spec);
    for adapter in &spec.adapters {
        estimate.weights += size(&adapter.source)?;
    }
    Ok(Some(estimate))
}

/// Bytes of an adapter: there is little else in its file than its weights.
fn size(source: &ModelSource) -> Result<u64, LoadError> {
    match source {
        ModelSource::Embedded(bytes) => Ok(bytes.len() as u64),
        ModelSource::File(path) => {
            let not_found =
                |error: std::io::Error| LoadError::NotFound { path: path.clone(), reason: error.to_string() };
            Ok(path.metadata().map_err(not_found)?.len())
        }
    }
}

/// Bytes that each replica may keep of conversations that made room for others.
pub(super) fn saved_bytes(spec: &ModelSpec) -> usize {
    let mib = u64::from(spec.tuning.saved_state_mib) * 1024 * 1024;
    usize::try_from(mib / u64::from(spec.tuning.replicas)).unwrap_or(usize::MAX)
}

fn of(model: &LlamaModel, spec: &ModelSpec) -> MemoryEstimate {
    let architecture = model.meta_val_str("general.architecture").unwrap_or_default();
    let said = |key: &str| model.meta_val_str(&format!("{architecture}.{key}")).ok()?.parse::<u64>().ok();
    let (heads, width) = (u64::from(model.n_head()).max(1), u64::try_from(model.n_embd()).unwrap_or(0));
    let key = said("attention.key_length").unwrap_or(width / heads);
    let value = said("attention.value_length").unwrap_or(width / heads);
    let per_token = u64::from(model.n_layer()) * u64::from(model.n_head_kv()) * (key + value) * CACHE_NUMBER;
    let (lanes, replicas) = (u64::from(spec.lanes), u64::from(spec.tuning.replicas));
    let step = u64::from(spec.tuning.step_tokens) + lanes - 1;
    let vocabulary = u64::try_from(model.n_vocab()).unwrap_or(0);
    // The logits that each lane keeps of its prompt; those of a draft and the token before it, while it is compared.
    let drafts = u64::from(spec.tuning.draft_tokens);
    let kept = lanes * if drafts > 0 { 1 + drafts + 1 } else { 1 };
    MemoryEstimate {
        weights: model.size(),
        cache: per_token * u64::from(context_len(spec, model)) * lanes * replicas + saved_bytes(spec) as u64 * replicas,
        compute: (step * (vocabulary + ROWS * width) + kept * vocabulary) * NUMBER * replicas,
    }
}

/// Bytes of memory that programs can still get, where the system says.
pub(crate) fn available() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Tells what a model will take, and warns where there is less.
pub(crate) fn tell(name: &str, estimate: MemoryEstimate, available: Option<u64>) {
    const MIB: u64 = 1024 * 1024;
    let MemoryEstimate { weights, cache, compute } = estimate;
    tracing::info!(
        model = name,
        weights_mib = weights / MIB,
        cache_mib = cache / MIB,
        compute_mib = compute / MIB,
        "memory that it will take, about"
    );
    if let Some(available) = available.filter(|&available| estimate.total() > available) {
        tracing::warn!(
            model = name,
            needed_mib = estimate.total() / MIB,
            available_mib = available / MIB,
            "it may not fit into memory; a smaller context_len, fewer lanes or replicas, or a smaller file take less"
        );
    }
}
