//! The answers of `POST /v1/messages`: whole, or as typed events; and how errors are written.

use backend::{FinishReason, ToolCall};
use serde::Serialize;
use serde_json::{Value, json};

use crate::wire::null::Null;

/// A complete answer, or the beginning of one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessageAnswer<'a> {
    pub(crate) id: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) role: &'static str,
    pub(crate) model: &'a str,
    pub(crate) content: Vec<ContentBlock<'a>>,
    pub(crate) stop_reason: Option<&'static str>,
    /// Which text ended the answer is not known.
    pub(crate) stop_sequence: Null,
    pub(crate) usage: MessageUsage,
}

impl<'a> MessageAnswer<'a> {
    pub(crate) fn new(id: &'a str, model: &'a str, content: Vec<ContentBlock<'a>>, usage: MessageUsage) -> Self {
        let (kind, role) = ("message", "assistant");
        Self { id, kind, role, model, content, stop_reason: None, stop_sequence: Null, usage }
    }
}

/// A part of an answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ContentBlock<'a> {
    /// The signature is empty: nobody vouches for thoughts of a local model.
    Thinking {
        thinking: &'a str,
        signature: &'static str,
    },
    Text {
        text: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Value,
    },
}

impl<'a> ContentBlock<'a> {
    /// A call. Its arguments are an object in this protocol; whatever else a model wrote is kept as the text that it is.
    pub(crate) fn call(call: &'a ToolCall) -> Self {
        let input = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
        let input = input.unwrap_or_else(|| json!({"arguments": call.arguments}));
        Self::ToolUse { id: &call.id, name: &call.name, input }
    }
}

/// What the answer cost, in tokens.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct MessageUsage {
    /// Without those that the engine remembered.
    pub(crate) input_tokens: u32,
    pub(crate) cache_read_input_tokens: u32,
    /// Nothing is charged for remembering, so nothing is counted.
    pub(crate) cache_creation_input_tokens: u32,
    pub(crate) output_tokens: u32,
}

impl From<backend::Usage> for MessageUsage {
    fn from(usage: backend::Usage) -> Self {
        Self {
            input_tokens: usage.prompt_tokens.saturating_sub(usage.cached_tokens),
            cache_read_input_tokens: usage.cached_tokens,
            cache_creation_input_tokens: 0,
            output_tokens: usage.completion_tokens,
        }
    }
}

/// The protocol's name of a reason.
pub(crate) fn stop_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "end_turn",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
    }
}

/// One event of a streamed answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum MessageEvent<'a> {
    MessageStart { message: MessageAnswer<'a> },
    ContentBlockStart { index: usize, content_block: ContentBlock<'a> },
    ContentBlockDelta { index: usize, delta: BlockDelta<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: MessageEnd, usage: MessageUsage },
    MessageStop,
}

impl MessageEvent<'_> {
    /// The name that stands before its data.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }
}

/// More of a block.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(tag = "type")]
pub(crate) enum BlockDelta<'a> {
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
}

/// Why it ended.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessageEnd {
    pub(crate) stop_reason: &'static str,
    pub(crate) stop_sequence: Null,
}

/// The answer of `POST /v1/messages/count_tokens`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenCount {
    pub(crate) input_tokens: usize,
}

/// The error object of the protocol; also an event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessagesError {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) error: MessagesErrorObject,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessagesErrorObject {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use backend::ToolCall;
    use serde_json::json;

    use super::ContentBlock;

    /// Nothing that a model wrote gets lost, and the input is an object in any case.
    #[test]
    fn arguments_that_are_no_object_are_kept_as_text() {
        for (arguments, input) in [
            ("{\"a\": 1}", json!({"a": 1})),
            ("{\"a\": ", json!({"arguments": "{\"a\": "})),
            ("[1]", json!({"arguments": "[1]"})),
        ] {
            let call = ToolCall { id: "i".into(), name: "n".into(), arguments: arguments.into() };
            let block = serde_json::to_value(ContentBlock::call(&call)).expect("JSON");
            assert_eq!(block, json!({"type": "tool_use", "id": "i", "name": "n", "input": input}));
        }
    }
}
