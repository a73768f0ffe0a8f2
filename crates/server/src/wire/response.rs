//! The answer of `POST /v1/chat/completions` when it comes in one piece.

use backend::FinishReason;
use serde::Serialize;

use super::logprobs::Logprobs;
use super::null::Null;
use super::tools::CallEntry;
use crate::answer::Choice;

/// A complete answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ChatCompletion<'a> {
    pub(crate) id: &'a str,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) model: &'a str,
    pub(crate) choices: Vec<ChatChoice>,
    pub(crate) usage: Usage,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ChatChoice {
    pub(crate) index: u32,
    pub(crate) message: AssistantMessage,
    pub(crate) logprobs: Option<Logprobs>,
    pub(crate) finish_reason: &'static str,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AssistantMessage {
    pub(crate) role: &'static str,
    /// Null where it only calls.
    pub(crate) content: Option<String>,
    pub(crate) refusal: Null,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<CallEntry>,
}

/// What the answer cost, in tokens.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
pub(crate) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptTokens,
}

/// Where the tokens of the prompt came from.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
struct PromptTokens {
    cached_tokens: u64,
}

impl<'a> ChatCompletion<'a> {
    pub(crate) fn new(id: &'a str, created: u64, model: &'a str, choices: Vec<Choice>) -> Self {
        let usage: Vec<_> = choices.iter().map(|choice| choice.completed.finish.usage).collect();
        let usage = Usage::of(&usage, usage.len() as u32);
        let choices = (0..).zip(choices).map(|(index, choice)| ChatChoice::new(index, choice)).collect();
        Self { id, object: "chat.completion", created, model, choices, usage }
    }
}

impl ChatChoice {
    fn new(index: u32, Choice { said, completed }: Choice) -> Self {
        let says_nothing = said.text.is_empty() && !said.calls.is_empty();
        let message = AssistantMessage {
            role: "assistant",
            content: (!says_nothing).then_some(said.text),
            refusal: Null,
            reasoning_content: Some(said.reasoning).filter(|reasoning| !reasoning.is_empty()),
            tool_calls: said.calls.into_iter().map(CallEntry::from).collect(),
        };
        Self { index, message, logprobs: Logprobs::of(&said.logprobs), finish_reason: reason(completed.finish.reason) }
    }
}

impl Usage {
    /// Of all choices together, of which `per_prompt` have one prompt each. A prompt counts once, and what the engine
    /// remembered of it is what it remembered for the first of its choices.
    pub(crate) fn of(choices: &[backend::Usage], per_prompt: u32) -> Self {
        let prompts = || choices.iter().step_by(per_prompt.max(1) as usize);
        let prompt_tokens = prompts().map(|usage| u64::from(usage.prompt_tokens)).sum();
        let cached_tokens = prompts().map(|usage| u64::from(usage.cached_tokens)).sum();
        let completion_tokens = choices.iter().map(|usage| u64::from(usage.completion_tokens)).sum();
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptTokens { cached_tokens },
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
    use backend::{Candidate, Finish, FinishReason, TokenLogprob, ToolCall, Usage};
    use serde_json::{Value, json};
    use serving::{Completed, Timings};

    use super::{ChatCompletion, Choice};
    use crate::answer::Said;

    fn choice(said: Said, reason: FinishReason, completion_tokens: u32) -> Choice {
        let usage = Usage { prompt_tokens: 3, cached_tokens: 1, completion_tokens, ..Usage::default() };
        Choice { said, completed: Completed { finish: Finish { reason, usage }, timings: Timings::default() } }
    }

    fn written(choices: Vec<Choice>) -> Value {
        serde_json::to_value(ChatCompletion::new("chatcmpl-1", 7, "fast", choices)).expect("an answer is JSON")
    }

    #[test]
    fn an_answer_has_the_shape_of_the_protocol() {
        let said = Said { text: "hi \"you\"".into(), ..Said::default() };
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
        assert_eq!(written(vec![choice(said, FinishReason::Length, 2)]), expected);
    }

    /// An answer that only calls has no content.
    #[test]
    fn calls_thoughts_and_log_probabilities_have_their_own_places() {
        let call = ToolCall { id: "a".into(), name: "look".into(), arguments: "{}".into() };
        let chosen = Candidate { bytes: b"x".to_vec(), logprob: -1.0 };
        let logprobs = vec![TokenLogprob { chosen, top: vec![] }];
        let said = Said { reasoning: "hm".into(), calls: vec![call], logprobs, ..Said::default() };
        let answer = written(vec![choice(said, FinishReason::ToolCalls, 1)]);
        let expected = json!({
            "index": 0,
            "message": {
                "role": "assistant", "content": null, "refusal": null, "reasoning_content": "hm",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            "logprobs": {"content": [{"token": "x", "logprob": -1.0, "bytes": [120], "top_logprobs": []}], "refusal": null},
            "finish_reason": "tool_calls",
        });
        assert_eq!(answer["choices"], json!([expected]));
    }

    /// A prompt of several choices is one prompt.
    #[test]
    fn the_usage_of_several_choices_counts_their_prompt_once() {
        let said = |text: &str| Said { text: text.into(), ..Said::default() };
        let choices = vec![choice(said("a"), FinishReason::Stop, 2), choice(said("b"), FinishReason::Stop, 5)];
        let answer = written(choices);
        assert_eq!(
            (&answer["choices"][1]["index"], &answer["choices"][1]["message"]["content"]),
            (&json!(1), &json!("b"))
        );
        assert_eq!((&answer["usage"]["prompt_tokens"], &answer["usage"]["completion_tokens"]), (&json!(3), &json!(7)));
    }
}
