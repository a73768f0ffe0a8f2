//! The answer piece by piece.

use backend::{Token, Usage};
use serving::{Completed, Started};

use crate::answer::{Events, Timed};
use crate::error::ApiError;
use crate::sse::{DONE, frame};
use crate::validate::Streaming;
use crate::wire::chunk::{ChatChunk, ChunkChoice, Delta};
use crate::wire::logprobs::Logprobs;
use crate::wire::response::{self, reason};

/// Writes the chunks of one answer.
pub(super) struct Chunks {
    id: String,
    created: u64,
    model: String,
    choices: u32,
    include_usage: bool,
    /// Of each choice, once that is complete.
    usage: Vec<Usage>,
}

impl Chunks {
    pub(super) fn new(id: String, created: u64, choices: u32, streaming: Streaming) -> Self {
        let include_usage = streaming.include_usage;
        Self {
            id,
            created,
            model: String::new(),
            choices,
            include_usage,
            usage: vec![Usage::default(); choices as usize],
        }
    }

    fn piece(&self, out: &mut Vec<u8>, choice: ChunkChoice<'_>) {
        // Whoever asked for the usage gets null where it is not known yet.
        frame(out, &self.chunk(vec![choice], self.include_usage.then_some(None)));
    }

    fn chunk<'a>(&'a self, choices: Vec<ChunkChoice<'a>>, usage: Option<Option<response::Usage>>) -> ChatChunk<'a> {
        let Self { id, created, model, .. } = self;
        ChatChunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage }
    }
}

impl Events for Chunks {
    /// Who speaks: told once for each choice.
    fn begin(&mut self, out: &mut Vec<u8>, started: &Started) {
        self.model.clone_from(&started.model);
        for index in 0..self.choices {
            let delta = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
            self.piece(out, ChunkChoice { index, delta, logprobs: None, finish_reason: None });
        }
    }

    fn token(&mut self, out: &mut Vec<u8>, choice: usize, token: &Token) {
        let delta = Delta {
            role: None,
            content: Some(token.text.as_str()).filter(|text| !text.is_empty()),
            reasoning_content: Some(token.reasoning.as_str()).filter(|text| !text.is_empty()),
            tool_calls: token.calls.iter().map(Into::into).collect(),
        };
        let logprobs = Logprobs::of(&token.logprob);
        self.piece(out, ChunkChoice { index: choice as u32, delta, logprobs, finish_reason: None });
    }

    fn completed(&mut self, out: &mut Vec<u8>, choice: usize, completed: &Completed) {
        let finish_reason = Some(reason(completed.finish.reason));
        let last = ChunkChoice { index: choice as u32, delta: Delta::default(), logprobs: None, finish_reason };
        let last = self.chunk(vec![last], self.include_usage.then_some(None));
        frame(out, &Timed::new(last, self.usage.len(), completed));
        self.usage[choice] = completed.finish.usage;
    }

    /// What it cost if that was asked for, and the end.
    fn end(&mut self, out: &mut Vec<u8>) {
        if self.include_usage {
            frame(out, &self.chunk(Vec::new(), Some(Some(response::Usage::of(&self.usage, self.choices)))));
        }
        out.extend_from_slice(DONE.as_bytes());
    }

    /// Without `[DONE]`.
    fn error(&mut self, out: &mut Vec<u8>, error: &ApiError) {
        frame(out, &error.object());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use backend::{CallPart, Finish, FinishReason, Token, Usage};
    use serde_json::{Value, json};
    use serving::{Completed, Failure, Started, Timings};

    use super::Chunks;
    use crate::answer::Events;
    use crate::error::ApiError;
    use crate::validate::Streaming;

    fn chunks(choices: u32, include_usage: bool) -> Chunks {
        Chunks::new("chatcmpl-1".into(), 7, choices, Streaming { include_usage })
    }

    fn begin(chunks: &mut Chunks) -> Vec<Value> {
        let started = Started {
            model: "fast".into(),
            ticket: 1,
            waited: Duration::ZERO,
            loading: Duration::ZERO,
            prefill: Duration::ZERO,
            prompt_tokens: 3,
        };
        values(|out| chunks.begin(out, &started))
    }

    fn completed(completion_tokens: u32) -> Completed {
        let usage = Usage { prompt_tokens: 3, cached_tokens: 1, completion_tokens, ..Usage::default() };
        Completed { finish: Finish { reason: FinishReason::Stop, usage }, timings: Timings::default() }
    }

    /// The values of the frames, `[DONE]` as a string.
    fn values(write: impl FnOnce(&mut Vec<u8>)) -> Vec<Value> {
        let mut out = Vec::new();
        write(&mut out);
        let text = std::str::from_utf8(&out).expect("UTF-8");
        let frames = text.strip_suffix("\n\n").expect("the last frame ends").split("\n\n");
        frames
            .map(|frame| frame.strip_prefix("data: ").expect("a data frame"))
            .map(|data| if data == "[DONE]" { json!(data) } else { serde_json::from_str(data).expect("JSON") })
            .collect()
    }

    fn chunk(choices: &Value) -> Value {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "fast", "choices": choices})
    }

    fn choice(index: u32, delta: &Value, finish_reason: &Value) -> Value {
        chunk(&json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]))
    }

    const NULL: Value = Value::Null;

    #[test]
    fn the_role_is_told_once_and_the_end_has_its_reason() {
        let mut chunks = chunks(1, false);
        let role = json!({"role": "assistant", "content": ""});
        assert_eq!(begin(&mut chunks), [choice(0, &role, &NULL)]);
        let token = values(|out| chunks.token(out, 0, &Token::text("a\nb")));
        assert_eq!(token, [choice(0, &json!({"content": "a\nb"}), &NULL)]);
        let mut last = values(|out| chunks.completed(out, 0, &completed(2)));
        let timings = last[0].as_object_mut().and_then(|chunk| chunk.remove("timings"));
        assert_eq!(timings.map(|timings| timings["predicted_n"].clone()), Some(json!(2)));
        assert_eq!(last, [choice(0, &json!({}), &json!("stop"))]);
        assert_eq!(values(|out| chunks.end(out)), [json!("[DONE]")]);
    }

    #[test]
    fn calls_and_thoughts_are_streamed_apart_from_the_text() {
        let mut chunks = chunks(1, false);
        begin(&mut chunks);
        let first = CallPart { index: 0, id: Some("a".into()), name: Some("look".into()), arguments: String::new() };
        let rest = CallPart { index: 0, id: None, name: None, arguments: "{}".into() };
        let token = Token { reasoning: "hm".into(), calls: vec![first, rest], ..Token::default() };
        let delta = json!({"reasoning_content": "hm", "tool_calls": [
            {"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": ""}},
            {"index": 0, "function": {"arguments": "{}"}},
        ]});
        assert_eq!(values(|out| chunks.token(out, 0, &token)), [choice(0, &delta, &NULL)]);
    }

    /// A prompt of several choices is one prompt.
    #[test]
    fn usage_comes_last_and_alone_when_asked_for_and_adds_the_choices_up() {
        let mut chunks = chunks(2, true);
        let roles = begin(&mut chunks);
        assert_eq!((roles.len(), &roles[1]["choices"][0]["index"]), (2, &json!(1)));
        assert!(roles[0].as_object().is_some_and(|chunk| chunk.get("usage") == Some(&NULL)));
        for (index, tokens) in [(1, 2), (0, 5)] {
            let last = values(|out| chunks.completed(out, index, &completed(tokens)));
            assert_eq!(last[0]["choices"][0]["index"], json!(index));
        }
        let end = values(|out| chunks.end(out));
        assert_eq!(end[0]["choices"], json!([]));
        let usage = json!({
            "prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 1},
        });
        assert_eq!((end.len(), &end[0]["usage"], &end[1]), (2, &usage, &json!("[DONE]")));
    }

    #[test]
    fn a_failure_is_an_error_object_without_the_engines_words_and_without_done() {
        let failed = ApiError::Failed(Failure::Backend { reason: "secret".into() });
        let events = values(|out| chunks(1, false).error(out, &failed));
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["error"]["code"], "backend_error");
        assert!(!events[0].to_string().contains("secret"));
    }
}
