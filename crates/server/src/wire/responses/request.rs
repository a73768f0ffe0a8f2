//! The body of `POST /v1/responses`.

use serde_json::Value;

use crate::wire::text_or::TextOr;

/// What a client wrote. Every field may be absent or null, so that what is missing can be named.
#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct ResponsesRequest {
    #[schema(required = true, nullable = false)]
    pub(crate) model: Option<String>,
    #[schema(required = true, nullable = false)]
    pub(crate) input: Option<ResponsesInput>,
    pub(crate) instructions: Option<String>,
    #[schema(minimum = 1)]
    pub(crate) max_output_tokens: Option<i64>,
    #[schema(minimum = 0, maximum = 2)]
    pub(crate) temperature: Option<f64>,
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub(crate) top_p: Option<f64>,
    pub(crate) top_logprobs: Option<i64>,
    pub(crate) include: Option<Vec<String>>,
    pub(crate) stream: Option<bool>,
    pub(crate) tools: Option<Vec<ResponsesTool>>,
    pub(crate) tool_choice: Option<ResponsesToolChoice>,
    pub(crate) parallel_tool_calls: Option<bool>,
    pub(crate) text: Option<TextConfig>,
    /// Sent back, and not used.
    pub(crate) metadata: Option<Value>,
    /// Taken and not used: who asks is known by address.
    pub(crate) user: Option<String>,
}

/// What is answered: a text, or items.
pub(crate) type ResponsesInput = TextOr<InputItem>;

/// One item. What belongs to kinds that are not taken is not read.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct InputItem {
    /// "message" where it is absent and there is a role.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// Of a message.
    pub(crate) role: Option<String>,
    /// Of a message, and of `reasoning`.
    pub(crate) content: Option<InputContent>,
    /// Of `function_call` and `function_call_output`.
    pub(crate) call_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) arguments: Option<String>,
    pub(crate) output: Option<InputContent>,
    /// Of `reasoning`.
    pub(crate) summary: Option<Vec<InputPart>>,
}

/// A text, or parts.
pub(crate) type InputContent = TextOr<InputPart>;

/// One part: a text, or in what users say and tools return `input_image`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct InputPart {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) text: Option<String>,
    /// Of `input_image`: the picture's URL.
    pub(crate) image_url: Option<String>,
    /// Of `input_image`, and refused: nothing is kept that it could name.
    pub(crate) file_id: Option<String>,
}

/// A tool.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct ResponsesTool {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<Value>,
    /// As in a [chat](super::super::tools::FunctionEntry::strict).
    pub(crate) strict: Option<bool>,
}

/// Whether tools are called: a word, or the tool that is.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected \"none\", \"auto\", \"required\" or an object that names a function")]
pub(crate) enum ResponsesToolChoice {
    Word(String),
    Tool(NamedTool),
}

#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct NamedTool {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
}

/// How the answer is written.
#[derive(Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct TextConfig {
    pub(crate) format: Option<TextFormat>,
    pub(crate) verbosity: Option<String>,
}

/// What the answer must look like.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct TextFormat {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strict: Option<bool>,
}
