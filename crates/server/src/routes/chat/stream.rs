//! The answer piece by piece, as server-sent events.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use backend::Token;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serving::{Completed, Failure, Generation, Progress};

use super::Identity;
use super::whole::broken_off;
use crate::error::ApiError;
use crate::sse::{DONE, frame};
use crate::validate::Streaming;
use crate::wire::chunk::{ChatChunk, ChunkChoice, Delta};
use crate::wire::logprobs::Logprobs;
use crate::wire::response::{Usage, reason};

/// Streams the answer. Dropping the body drops the generation, and so the client has left.
pub(super) fn respond(identity: Identity, generation: Generation, streaming: Streaming) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        // Proxies that collect an answer before they pass it on take the word from this header.
        (http::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let chunks = Chunks { identity, include_usage: streaming.include_usage };
    let body = events(chunks, generation).map(Ok::<Bytes, Infallible>);
    (headers, Body::from_stream(body)).into_response()
}

fn events(chunks: Chunks, generation: Generation) -> impl Stream<Item = Bytes> + Send + 'static {
    let first = chunks.first();
    let rest = stream::unfold(Some((chunks, generation)), async |state| {
        let (chunks, mut generation) = state?;
        match generation.next().await {
            Some(Progress::Token(token)) => Some((chunks.token(&token), Some((chunks, generation)))),
            Some(Progress::Completed(completed)) => Some((chunks.last(&completed), None)),
            Some(Progress::Failed(failure)) => Some((error(failure), None)),
            None => Some((error(broken_off()), None)),
        }
    });
    stream::iter([first]).chain(rest)
}

/// The status is sent, so the error is the last event; without `[DONE]` no client takes the answer for complete.
fn error(failure: Failure) -> Bytes {
    frame(&ApiError::Failed(failure).object())
}

/// Writes the events of one answer.
struct Chunks {
    identity: Identity,
    include_usage: bool,
}

impl Chunks {
    /// Who speaks: told once.
    fn first(&self) -> Bytes {
        self.piece(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, None, None)
    }

    fn token(&self, token: &Token) -> Bytes {
        let delta = Delta {
            role: None,
            content: Some(token.text.as_str()).filter(|text| !text.is_empty()),
            reasoning_content: Some(token.reasoning.as_str()).filter(|text| !text.is_empty()),
            tool_calls: token.calls.iter().map(Into::into).collect(),
        };
        let logprobs = token.logprob.as_ref().map(|logprob| Logprobs { content: vec![logprob.into()] });
        self.piece(delta, logprobs, None)
    }

    /// Why it ended, what it cost if that was asked for, and the end.
    fn last(&self, completed: &Completed) -> Bytes {
        let mut last = self.piece(Delta::default(), None, Some(reason(completed.finish.reason))).to_vec();
        if self.include_usage {
            last.extend(self.chunk(Vec::new(), Some(Some(completed.finish.usage.into()))));
        }
        last.extend(DONE.as_bytes());
        last.into()
    }

    fn piece(&self, delta: Delta<'_>, logprobs: Option<Logprobs>, finish_reason: Option<&'static str>) -> Bytes {
        let choice = ChunkChoice { index: 0, delta, logprobs, finish_reason };
        // Whoever asked for the usage gets null where it is not known yet.
        self.chunk(vec![choice], self.include_usage.then_some(None))
    }

    fn chunk(&self, choices: Vec<ChunkChoice<'_>>, usage: Option<Option<Usage>>) -> Bytes {
        let Identity { id, created, model } = &self.identity;
        frame(&ChatChunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage })
    }
}

#[cfg(test)]
mod tests {
    use backend::{CallPart, Finish, FinishReason, Token, Usage};
    use serde_json::{Value, json};
    use serving::{Completed, Failure, Timings};

    use super::{Chunks, Identity, error};

    fn chunks(include_usage: bool) -> Chunks {
        Chunks { identity: Identity { id: "chatcmpl-1".into(), created: 7, model: "fast".into() }, include_usage }
    }

    fn completed() -> Completed {
        let usage = Usage { prompt_tokens: 3, cached_tokens: 0, completion_tokens: 2 };
        Completed { finish: Finish { reason: FinishReason::Stop, usage }, timings: Timings::default() }
    }

    /// The values of the frames, `[DONE]` as a string.
    fn values(bytes: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        let frames = text.strip_suffix("\n\n").expect("the last frame ends").split("\n\n");
        frames
            .map(|frame| frame.strip_prefix("data: ").expect("a data frame"))
            .map(|data| if data == "[DONE]" { json!(data) } else { serde_json::from_str(data).expect("JSON") })
            .collect()
    }

    fn chunk(choices: &Value) -> Value {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "fast", "choices": choices})
    }

    fn choice(delta: &Value, finish_reason: &Value) -> Value {
        json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}])
    }

    #[test]
    fn the_role_is_told_once_and_the_end_has_its_reason() {
        let chunks = chunks(false);
        let null = Value::Null;
        let first = chunk(&choice(&json!({"role": "assistant", "content": ""}), &null));
        assert_eq!(values(&chunks.first()), [first]);
        assert_eq!(values(&chunks.token(&Token::text("a\nb"))), [chunk(&choice(&json!({"content": "a\nb"}), &null))]);
        let last = chunk(&choice(&json!({}), &json!("stop")));
        assert_eq!(values(&chunks.last(&completed())), [last, json!("[DONE]")]);
    }

    #[test]
    fn calls_and_thoughts_are_streamed_apart_from_the_text() {
        let first = CallPart { index: 0, id: Some("a".into()), name: Some("look".into()), arguments: String::new() };
        let rest = CallPart { index: 0, id: None, name: None, arguments: "{}".into() };
        let token = Token { reasoning: "hm".into(), calls: vec![first, rest], ..Token::default() };
        let delta = json!({"reasoning_content": "hm", "tool_calls": [
            {"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": ""}},
            {"index": 0, "function": {"arguments": "{}"}},
        ]});
        assert_eq!(values(&chunks(false).token(&token)), [chunk(&choice(&delta, &Value::Null))]);
    }

    #[test]
    fn usage_comes_last_and_alone_when_asked_for() {
        let chunks = chunks(true);
        assert_eq!(values(&chunks.token(&Token::text("a")))[0]["usage"], Value::Null);
        assert!(
            values(&chunks.token(&Token::text("a")))[0].as_object().is_some_and(|chunk| chunk.contains_key("usage"))
        );
        let last = values(&chunks.last(&completed()));
        assert_eq!(last[1]["choices"], json!([]));
        assert_eq!(
            last[1]["usage"],
            json!({
                "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 0},
            })
        );
        assert_eq!((last.len(), &last[2]), (3, &json!("[DONE]")));
    }

    #[test]
    fn a_failure_is_an_error_object_without_the_engines_words_and_without_done() {
        let events = values(&error(Failure::Backend { reason: "secret".into() }));
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["error"]["code"], "backend_error");
        assert!(!events[0].to_string().contains("secret"));
    }
}
