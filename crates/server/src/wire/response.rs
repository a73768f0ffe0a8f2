//! The answer of `POST /v1/chat/completions` when it comes in one piece.

use backend::FinishReason;
use serde::Serialize;

/// A complete answer.
#[derive(Debug, Serialize)]
pub(crate) struct ChatCompletion<'a> {
    pub(crate) id: &'a str,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) model: &'a str,
    pub(crate) choices: [Choice<'a>; 1],
    pub(crate) usage: Usage,
}

#[derive(Debug, Serialize)]
pub(crate) struct Choice<'a> {
    pub(crate) index: u32,
    pub(crate) message: AssistantMessage<'a>,
    pub(crate) logprobs: Option<()>,
    pub(crate) finish_reason: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct AssistantMessage<'a> {
    pub(crate) role: &'static str,
    pub(crate) content: &'a str,
    pub(crate) refusal: Option<()>,
}

/// What the answer cost, in tokens.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u64,
}

impl<'a> ChatCompletion<'a> {
    pub(crate) fn new(id: &'a str, created: u64, model: &'a str, text: &'a str, finish: backend::Finish) -> Self {
        let message = AssistantMessage { role: "assistant", content: text, refusal: None };
        let choice = Choice { index: 0, message, logprobs: None, finish_reason: reason(finish.reason) };
        Self { id, object: "chat.completion", created, model, choices: [choice], usage: finish.usage.into() }
    }
}

impl From<backend::Usage> for Usage {
    fn from(usage: backend::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens),
        }
    }
}

/// The protocol's name of a reason.
pub(crate) fn reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
    }
}

#[cfg(test)]
mod tests {
    use backend::{Finish, FinishReason, Usage};
    use serde_json::json;

    use super::ChatCompletion;

    #[test]
    fn an_answer_has_the_shape_of_the_protocol() {
        let usage = Usage { prompt_tokens: 3, cached_tokens: 0, completion_tokens: 2 };
        let finish = Finish { reason: FinishReason::Length, usage };
        let answer = ChatCompletion::new("chatcmpl-1", 7, "fast", "hi \"you\"", finish);
        let expected = json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 7,
            "model": "fast",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "hi \"you\"", "refusal": null},
                "logprobs": null,
                "finish_reason": "length",
            }],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        });
        assert_eq!(serde_json::to_value(&answer).expect("an answer is JSON"), expected);
    }
}
