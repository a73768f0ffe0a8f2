//! The body of `POST /v1/chat/completions`.

use serde::Deserialize;
use serde_json::Value;

use super::content::Content;
use super::tools::{CallEntry, ToolChoiceEntry, ToolEntry};

/// What a client wrote beside the [`GenerationFields`](super::generation::GenerationFields). Every field may be absent or
/// null, so that what is missing can be named.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct ChatRequest {
    #[schema(required = true, nullable = false, min_items = 1)]
    pub(crate) messages: Option<Vec<Message>>,
    pub(crate) tools: Option<Vec<ToolEntry>>,
    pub(crate) tool_choice: Option<ToolChoiceEntry>,
    pub(crate) parallel_tool_calls: Option<bool>,
    pub(crate) logprobs: Option<bool>,
    #[schema(minimum = 0)]
    pub(crate) top_logprobs: Option<i64>,
}

/// One message of the conversation.
#[derive(Debug, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub(crate) struct Message {
    /// "system", "developer", "user", "assistant" or "tool".
    #[schema(required = true, nullable = false)]
    pub(crate) role: Option<String>,
    pub(crate) content: Option<Content>,
    pub(crate) reasoning_content: Option<String>,
    pub(crate) tool_calls: Option<Vec<CallEntry>>,
    pub(crate) tool_call_id: Option<String>,
    pub(crate) function_call: Option<Value>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ChatRequest, Content};

    #[test]
    fn a_request_is_read_as_written() {
        let messages = json!([{"role": "user", "content": "hi"}, {"role": "user", "content": null}]);
        let request: ChatRequest = serde_json::from_value(json!({ "messages": messages })).expect("a request");
        let messages = request.messages.expect("messages");
        assert_eq!(messages[0].content, Some(Content::Text("hi".into())));
        assert_eq!(messages[1].content, None);
    }
}
