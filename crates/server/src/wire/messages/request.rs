//! The body of `POST /v1/messages` and `POST /v1/messages/count_tokens`.

use serde_json::Value;

use crate::wire::text_or::TextOr;

/// What a client wrote. Every field may be absent or null, so that what is missing can be named.
#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct MessagesRequest {
    #[schema(required = true, nullable = false)]
    pub(crate) model: Option<String>,
    #[schema(required = true, nullable = false, min_items = 1)]
    pub(crate) messages: Option<Vec<MessageEntry>>,
    pub(crate) system: Option<Blocks>,
    /// Required by `/v1/messages`, passed over by `/v1/messages/count_tokens`.
    #[schema(minimum = 1)]
    pub(crate) max_tokens: Option<i64>,
    #[schema(minimum = 0, maximum = 2)]
    pub(crate) temperature: Option<f64>,
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub(crate) top_p: Option<f64>,
    #[schema(minimum = 0)]
    pub(crate) top_k: Option<i64>,
    pub(crate) stop_sequences: Option<Vec<String>>,
    pub(crate) stream: Option<bool>,
    pub(crate) tools: Option<Vec<MessagesTool>>,
    pub(crate) tool_choice: Option<MessagesToolChoice>,
    pub(crate) thinking: Option<Thinking>,
    pub(crate) output_config: Option<OutputConfig>,
    /// Taken and not used: who asks is known by address.
    pub(crate) metadata: Option<Value>,
}

/// One message of the conversation.
#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct MessageEntry {
    /// "user" or "assistant"; the last one is the user's.
    #[schema(required = true, nullable = false)]
    pub(crate) role: Option<String>,
    #[schema(required = true, nullable = false)]
    pub(crate) content: Option<Blocks>,
}

/// What is said: a text, or an array of blocks.
pub(crate) type Blocks = TextOr<Block>;

/// One block: `text`, and in what the user says `image` and `tool_result`, in an answer `thinking`, `redacted_thinking` and
/// `tool_use`. What belongs to kinds that are not taken is not read.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct Block {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// Of `text`.
    pub(crate) text: Option<String>,
    /// Of `thinking`.
    pub(crate) thinking: Option<String>,
    /// Of `tool_use`.
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) input: Option<Value>,
    /// Of `tool_result`.
    pub(crate) tool_use_id: Option<String>,
    #[schema(no_recursion)]
    pub(crate) content: Option<Blocks>,
    pub(crate) is_error: Option<bool>,
    /// Of `image`.
    pub(crate) source: Option<PictureSource>,
}

/// Where a picture is.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct PictureSource {
    /// "base64" or "url".
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// Of `base64`. What kind of picture it is shows in the data.
    pub(crate) data: Option<String>,
    /// Of `url`.
    pub(crate) url: Option<String>,
}

/// A tool.
#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct MessagesTool {
    /// "custom", or absent. Others are tools of a server.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) input_schema: Option<Value>,
}

/// Whether tools are called.
#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct MessagesToolChoice {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) disable_parallel_tool_use: Option<bool>,
}

/// Whether the model thinks first.
#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct Thinking {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

/// What the answer must look like.
#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct OutputConfig {
    pub(crate) format: Option<OutputFormat>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct OutputFormat {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) schema: Option<Value>,
}
