//! The answer of `POST /v1/responses`.

use serde::Serialize;
use serde_json::Value;

use super::request::{ResponsesTool, ResponsesToolChoice, TextFormat};
use crate::wire::logprobs::TokenEntry;
use crate::wire::null::Null;

/// What of the request is in every answer to it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct Echoed {
    pub(crate) instructions: Option<String>,
    pub(crate) max_output_tokens: Option<u32>,
    pub(crate) metadata: Value,
    pub(crate) parallel_tool_calls: bool,
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    pub(crate) text: EchoedText,
    pub(crate) tool_choice: ResponsesToolChoice,
    pub(crate) tools: Vec<ResponsesTool>,
    pub(crate) user: Option<String>,
    /// Nothing is kept.
    pub(crate) store: bool,
    pub(crate) previous_response_id: Null,
    pub(crate) background: bool,
    pub(crate) truncation: &'static str,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct EchoedText {
    pub(crate) format: TextFormat,
}

/// An answer: complete, or as far as it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ResponseObject<'a> {
    pub(crate) id: &'a str,
    pub(crate) object: &'static str,
    pub(crate) created_at: u64,
    pub(crate) model: &'a str,
    pub(crate) status: &'static str,
    pub(crate) error: Null,
    pub(crate) incomplete_details: Option<Incomplete>,
    pub(crate) output: &'a [OutputItem],
    pub(crate) usage: Option<ResponsesUsage>,
    #[serde(flatten)]
    pub(crate) echoed: &'a Echoed,
}

/// Why an answer ends early.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Incomplete {
    pub(crate) reason: &'static str,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum OutputItem {
    Reasoning { id: String, status: &'static str, summary: Vec<OutputPart>, content: Vec<OutputPart> },
    Message { id: String, status: &'static str, role: &'static str, content: Vec<OutputPart> },
    FunctionCall { id: String, status: &'static str, call_id: String, name: String, arguments: String },
}

/// A part of an item.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum OutputPart {
    OutputText { text: String, annotations: Vec<Value>, logprobs: Vec<TokenEntry> },
    ReasoningText { text: String },
}

/// What the answer cost, in tokens.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
pub(crate) struct ResponsesUsage {
    input_tokens: u32,
    input_tokens_details: InputTokens,
    output_tokens: u32,
    output_tokens_details: OutputTokens,
    total_tokens: u64,
}

#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
struct InputTokens {
    cached_tokens: u32,
}

#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
struct OutputTokens {
    reasoning_tokens: u32,
}

impl ResponsesUsage {
    /// `reasoning_tokens` of the generated ones were thoughts.
    pub(crate) fn new(usage: backend::Usage, reasoning_tokens: u32) -> Self {
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputTokens { cached_tokens: usage.cached_tokens },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputTokens { reasoning_tokens },
            total_tokens: u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens),
        }
    }
}
