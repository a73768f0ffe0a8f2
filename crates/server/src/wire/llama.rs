//! `POST /completion`, `GET /props` and `GET /slots`, in the parts that llama-server's clients use.

use backend::{FinishReason, TokenLogprob};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serving::Completed;

use super::input::InputEntry;
use super::logprobs::TokenEntry;

/// The body of `/completion`, beside the [`GenerationFields`](super::generation::GenerationFields).
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct LlamaRequest {
    #[schema(required = true, nullable = false)]
    pub(crate) prompt: Option<InputEntry>,
    pub(crate) json_schema: Option<Value>,
}

/// A piece of a streamed answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LlamaPiece<'a> {
    pub(crate) index: u32,
    pub(crate) content: &'a str,
    pub(crate) stop: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) completion_probabilities: Vec<TokenEntry>,
}

/// The answer in one piece, and the last piece of a streamed one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LlamaCompletion<'a> {
    pub(crate) index: u32,
    /// Nothing in the last piece of a stream.
    pub(crate) content: &'a str,
    pub(crate) stop: bool,
    pub(crate) model: &'a str,
    /// "eos" or "limit". Whether it was a text from `stop` is not known, so that such an end is "eos", too.
    pub(crate) stop_type: &'static str,
    pub(crate) stopping_word: &'static str,
    pub(crate) tokens_evaluated: u32,
    pub(crate) tokens_cached: u32,
    pub(crate) tokens_predicted: u32,
    /// A prompt that does not fit is refused.
    pub(crate) truncated: bool,
    pub(crate) timings: LlamaTimings,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) completion_probabilities: Vec<TokenEntry>,
}

impl<'a> LlamaCompletion<'a> {
    pub(crate) fn new(model: &'a str, content: &'a str, logprobs: &[TokenLogprob], completed: &Completed) -> Self {
        let usage = completed.finish.usage;
        Self {
            index: 0,
            content,
            stop: true,
            model,
            stop_type: if completed.finish.reason == FinishReason::Length { "limit" } else { "eos" },
            stopping_word: "",
            tokens_evaluated: usage.prompt_tokens,
            tokens_cached: usage.cached_tokens,
            tokens_predicted: usage.completion_tokens,
            truncated: false,
            timings: LlamaTimings::new(completed),
            completion_probabilities: logprobs.iter().map(TokenEntry::from).collect(),
        }
    }
}

/// Where the time went.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LlamaTimings {
    cache_n: u32,
    /// Tokens of the prompt that were computed.
    prompt_n: u32,
    prompt_ms: f64,
    prompt_per_second: f64,
    predicted_n: u32,
    predicted_ms: f64,
    predicted_per_second: f64,
    /// Tokens that were guessed and computed along, where any were.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft_n: Option<u32>,
    /// Those of them that became part of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft_n_accepted: Option<u32>,
    /// Until it had its lane, which includes `loaded_ms`.
    waited_ms: f64,
    /// Until its model was loaded.
    loaded_ms: f64,
}

impl LlamaTimings {
    pub(crate) fn new(completed: &Completed) -> Self {
        let (usage, timings) = (completed.finish.usage, completed.timings);
        // 0 rather than infinity where there was no time to measure.
        let rate = |n: u32, seconds: f64| if seconds > 0.0 { f64::from(n) / seconds } else { 0.0 };
        let (prefill, decode) = (timings.prefill.as_secs_f64(), timings.decode.as_secs_f64());
        let prompt_n = usage.prompt_tokens.saturating_sub(usage.cached_tokens);
        Self {
            cache_n: usage.cached_tokens,
            prompt_n,
            prompt_ms: prefill * 1e3,
            prompt_per_second: rate(prompt_n, prefill),
            predicted_n: usage.completion_tokens,
            predicted_ms: decode * 1e3,
            predicted_per_second: rate(usage.completion_tokens, decode),
            draft_n: (usage.drafted_tokens > 0).then_some(usage.drafted_tokens),
            draft_n_accepted: (usage.drafted_tokens > 0).then_some(usage.accepted_tokens),
            waited_ms: timings.waited.as_secs_f64() * 1e3,
            loaded_ms: timings.loading.as_secs_f64() * 1e3,
        }
    }
}

/// The answer of `GET /props`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Props {
    pub(crate) default_generation_settings: DefaultSettings,
    pub(crate) total_slots: usize,
    pub(crate) model_alias: String,
    /// Where the model lies is nobody's business.
    pub(crate) model_path: &'static str,
    pub(crate) modalities: Modalities,
    pub(crate) build_info: &'static str,
    pub(crate) is_sleeping: bool,
    /// What `lora` can ask for.
    pub(crate) lora_adapters: Vec<LoraAdapter>,
    pub(crate) saved_states: SavedState,
}

/// What is kept of conversations that made room for others, where `saved_state_mib` is configured.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SavedState {
    /// Bytes that are taken.
    pub(crate) bytes: u64,
    /// How often something was brought back since the model was loaded.
    pub(crate) restored: u64,
    /// How many went since then to make room for others.
    pub(crate) evicted: u64,
}

/// An adapter of a model, in the answers of `GET /lora-adapters` and `GET /props`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LoraAdapter {
    /// Its number, for `lora`.
    pub(crate) id: u32,
    /// Its name: behind that of the model and a colon, it is asked for.
    pub(crate) name: String,
    /// Where it lies is nobody's business.
    pub(crate) path: &'static str,
    /// How strongly it is applied where it is asked for by its name. Who does not ask for it does not get it.
    pub(crate) scale: f32,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DefaultSettings {
    pub(crate) n_ctx: u32,
    pub(crate) params: DefaultParams,
}

/// What takes effect where a request does not say.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DefaultParams {
    pub(crate) temperature: f32,
    pub(crate) top_k: u32,
    pub(crate) top_p: f32,
    pub(crate) min_p: f32,
    pub(crate) typical_p: f32,
    pub(crate) repeat_penalty: f32,
    pub(crate) repeat_last_n: u32,
    pub(crate) presence_penalty: f32,
    pub(crate) frequency_penalty: f32,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Modalities {
    pub(crate) vision: bool,
    pub(crate) audio: bool,
}

/// One lane, in the answer of `GET /slots`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Slot {
    pub(crate) id: u64,
    /// The number of the lease; -1 where there is none.
    pub(crate) id_task: i64,
    pub(crate) n_ctx: u32,
    /// Whether tokens of answers are guessed.
    pub(crate) speculative: bool,
    pub(crate) is_processing: bool,
    /// Of the request that holds the lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) params: Option<SlotParams>,
    pub(crate) next_token: NextToken,
}

/// What a request asks for, in the answer of `GET /slots`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SlotParams {
    /// The adapter that is at work for it, if any.
    pub(crate) lora: Vec<AppliedLora>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AppliedLora {
    /// Its number.
    pub(crate) id: u32,
    pub(crate) scale: f32,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NextToken {
    pub(crate) has_next_token: bool,
    pub(crate) n_decoded: u32,
}
