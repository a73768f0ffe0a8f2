//! The answer of `POST /v1/chat/completions` when it comes in one piece.

use backend::FinishReason;
use serde::Serialize;

use super::logprobs::Logprobs;
use super::tools::{CallEntry, CalledEntry};

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
    pub(crate) logprobs: Option<Logprobs>,
    pub(crate) finish_reason: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct AssistantMessage<'a> {
    pub(crate) role: &'static str,
    /// Null where it only calls.
    pub(crate) content: Option<&'a str>,
    pub(crate) refusal: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<CallEntry>,
}

/// Everything that an answer says.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<CallEntry>,
    pub(crate) logprobs: Option<Logprobs>,
}

impl Said {
    /// Takes one more token of the answer.
    pub(crate) fn push(&mut self, token: &backend::Token) {
        self.text.push_str(&token.text);
        self.reasoning.push_str(&token.reasoning);
        for part in &token.calls {
            self.push_call(part);
        }
        if let Some(logprob) = &token.logprob {
            self.logprobs.get_or_insert_default().content.push(logprob.into());
        }
    }

    fn push_call(&mut self, part: &backend::CallPart) {
        // Parts come in the order of their calls.
        if self.calls.len() <= part.index as usize {
            let id = part.id.clone();
            let function = CalledEntry { name: part.name.clone(), arguments: Some(String::new()) };
            self.calls.push(CallEntry { id, kind: Some("function".to_owned()), function: Some(function) });
        }
        let called = self.calls.last_mut().and_then(|call| call.function.as_mut());
        if let Some(arguments) = called.and_then(|called| called.arguments.as_mut()) {
            arguments.push_str(&part.arguments);
        }
    }
}

/// What the answer cost, in tokens.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u64,
    prompt_tokens_details: PromptTokens,
}

/// Where the tokens of the prompt came from.
#[derive(Debug, Clone, Copy, Serialize)]
struct PromptTokens {
    cached_tokens: u32,
}

impl<'a> ChatCompletion<'a> {
    pub(crate) fn new(id: &'a str, created: u64, model: &'a str, said: &'a mut Said, finish: backend::Finish) -> Self {
        let (tool_calls, logprobs) = (std::mem::take(&mut said.calls), said.logprobs.take());
        let says_nothing = said.text.is_empty() && !tool_calls.is_empty();
        let message = AssistantMessage {
            role: "assistant",
            content: (!says_nothing).then_some(&said.text),
            refusal: None,
            reasoning_content: (!said.reasoning.is_empty()).then_some(&said.reasoning),
            tool_calls,
        };
        let choice = Choice { index: 0, message, logprobs, finish_reason: reason(finish.reason) };
        Self { id, object: "chat.completion", created, model, choices: [choice], usage: finish.usage.into() }
    }
}

impl From<backend::Usage> for Usage {
    fn from(usage: backend::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens),
            prompt_tokens_details: PromptTokens { cached_tokens: usage.cached_tokens },
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
    use backend::{CallPart, Finish, FinishReason, Token, Usage};
    use serde_json::json;

    use super::{ChatCompletion, Said};

    #[test]
    fn an_answer_has_the_shape_of_the_protocol() {
        let usage = Usage { prompt_tokens: 3, cached_tokens: 1, completion_tokens: 2 };
        let finish = Finish { reason: FinishReason::Length, usage };
        let mut said = Said::default();
        said.push(&Token::text("hi \"you\""));
        let answer = ChatCompletion::new("chatcmpl-1", 7, "fast", &mut said, finish);
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
            "usage": {
                "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 1},
            },
        });
        assert_eq!(serde_json::to_value(&answer).expect("an answer is JSON"), expected);
    }

    /// Calls come in parts, and each is one call in the end. An answer that only calls has no content.
    #[test]
    fn parts_of_calls_become_calls() {
        let part = |index, id: Option<&str>, arguments: &str| CallPart {
            index,
            id: id.map(Into::into),
            name: id.map(|_| "look".into()),
            arguments: arguments.into(),
        };
        let mut said = Said::default();
        for calls in [vec![part(0, Some("a"), "{\"x\"")], vec![part(0, None, ":1}"), part(1, Some("b"), "{}")]] {
            said.push(&Token { calls, ..Token::default() });
        }
        said.push(&Token { reasoning: "hm".into(), ..Token::default() });
        let finish = Finish { reason: FinishReason::ToolCalls, usage: Usage::default() };
        let answer = serde_json::to_value(ChatCompletion::new("c", 7, "fast", &mut said, finish)).expect("JSON");
        let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}});
        assert_eq!(answer["choices"][0]["message"]["tool_calls"], json!([call("a", "{\"x\":1}"), call("b", "{}")]));
        assert_eq!(answer["choices"][0]["message"]["content"], json!(null));
        assert_eq!(answer["choices"][0]["message"]["reasoning_content"], "hm");
        assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    }
}
