//! Good requests of every path that takes a body, from which the bad ones are made.

use std::fmt;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{body, headers, world};

/// One request.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The server serves only those who have its key.
    pub(crate) wants_key: bool,
}

/// As it would be sent, so that it can be read and sent again.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body.escape_ascii().to_string();
        let (begin, cut) = body.split_at_checked(2000).map_or((body.as_str(), ""), |(begin, _)| (begin, "…"));
        let key = if self.wants_key { ", to a server with keys" } else { "" };
        write!(f, "{} bytes{key}, {:?}: {begin}{cut}", self.body.len(), self.headers)
    }
}

/// Requests to this path.
pub(crate) fn cases(path: &'static str) -> impl Strategy<Value = Case> {
    let keys = prop_oneof![15 => Just(false), 1 => Just(true)];
    (body::body(good(path), world::fields()), headers::headers(), keys).prop_map(|(body, headers, wants_key)| Case {
        body,
        headers,
        wants_key,
    })
}

/// A pixel.
const DOT: &str = "data:image/gif;base64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=";

/// Requests that are answered, which between them have every field that this path knows.
pub(crate) fn good(path: &str) -> Vec<Value> {
    match path {
        "/v1/chat/completions" => chats(),
        "/v1/completions" => completions(),
        "/v1/embeddings" => vec![
            json!({"model": "m", "input": ["a", ""], "encoding_format": "base64", "user": "me"}),
            json!({"model": "m", "input": [[1, 2], [16777313]], "dimensions": 64}),
        ],
        "/v1/rerank" | "/rerank" | "/reranking" => vec![
            json!({"model": "m", "query": "q", "documents": ["a", {"text": "b"}, ""], "top_n": 2, "return_documents": true}),
        ],
        "/v1/responses" => responses(),
        "/v1/messages" | "/v1/messages/count_tokens" => messages(),
        "/completion" => vec![
            json!({"prompt": "a", "n_predict": -1, "seed": -1, "id_slot": -1, "n_probs": 2, "logit_bias": [[7, 1.5], [8, false]]}),
            json!({"prompt": [[16777313]], "model": "m", "json_schema": {"type": "object"}, "stream": true, "n_predict": 4}),
            sampled(json!({"prompt": "a", "stop": ["x"], "cache_prompt": false, "ignore_eos": true, "n_predict": 5})),
        ],
        "/tokenize" => vec![
            json!({"content": "hé", "model": "m", "add_special": true, "parse_special": false, "with_pieces": true}),
        ],
        "/detokenize" => vec![json!({"tokens": [16777313, 1], "model": "fast"})],
        "/apply-template" => chats().into_iter().take(2).collect(),
        "/chat" | "/chat/stream" => edison(),
        "/chat/cancel" => vec![json!({"request_id": "x"})],
        "/generate-title" => vec![json!({"message": "hi", "response": "ho"})],
        "/models/load" | "/models/unload" => vec![json!({"name": "m"}), json!({"model": "m"})],
        _ => panic!("no good request for {path}"),
    }
}

/// Everything that says how to choose tokens.
fn sampled(mut request: Value) -> Value {
    let options = json!({
        "temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "typical_p": 0.9, "repeat_penalty": 1.1,
        "repeat_last_n": 16, "frequency_penalty": 0.5, "presence_penalty": -0.5, "mirostat": 2, "mirostat_tau": 3,
        "mirostat_eta": 0.1, "dry_multiplier": 0.5, "dry_base": 2, "dry_allowed_length": 2, "dry_penalty_last_n": -1,
        "dry_sequence_breakers": ["\n"], "xtc_probability": 0.1, "xtc_threshold": 0.1, "seed": 7,
    });
    request.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    request
}

fn chats() -> Vec<Value> {
    let picture = json!({"type": "image_url", "image_url": {"url": DOT, "detail": "low"}});
    let tool = json!({"type": "function", "function": {
        "name": "look", "description": "looks", "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}}}});
    let call = json!({"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let schema = json!({"type": "object", "properties": {"a": {"enum": ["b", 1]}}, "required": ["a"]});
    let form = json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
    let hi = json!([{"role": "user", "content": "hi"}]);
    vec![
        json!({"model": "m", "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, picture, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "a", "content": "c"},
        ], "tools": [tool], "tool_choice": "auto", "parallel_tool_calls": false, "max_tokens": 9}),
        json!({"model": "fast", "messages": hi, "response_format": form, "n": 2, "stream": true,
            "stream_options": {"include_usage": true}}),
        json!({"model": "m", "messages": hi, "logprobs": true, "top_logprobs": 2, "logit_bias": {"7": -100}, "stop": ["END"],
            "user": "me", "max_completion_tokens": 3, "store": false, "service_tier": "auto"}),
        sampled(json!({"model": "m", "messages": hi, "grammar": "root ::= \"a\"", "n_predict": 5, "n_probs": 1})),
        json!({"model": "m", "messages": hi, "tools": [tool], "tool_choice": {"type": "function", "function": {"name": "look"}}}),
    ]
}

fn completions() -> Vec<Value> {
    vec![
        json!({"model": "m", "prompt": ["a", "b"], "n": 2, "max_tokens": 3, "echo": true, "suffix": "", "best_of": 2}),
        json!({"model": "m", "prompt": [1, 16777313], "logprobs": 2, "stream": true, "stream_options": {"include_usage": true}}),
        sampled(json!({"model": "fast", "prompt": "a", "stop": "x", "response_format": {"type": "json_object"}})),
    ]
}

fn responses() -> Vec<Value> {
    let image = json!({"type": "input_image", "image_url": DOT, "detail": "auto"});
    let tool = json!({"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": true});
    let format = json!({"type": "json_schema", "name": "x", "schema": {"type": "object"}});
    vec![
        json!({"model": "m", "instructions": "be brief", "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "where?"}, image]},
            {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": [image]},
        ], "tools": [tool], "tool_choice": {"type": "function", "name": "look"}, "parallel_tool_calls": false,
            "include": ["message.output_text.logprobs"], "top_logprobs": 3, "temperature": 0, "stream": true, "store": false}),
        json!({"model": "m", "input": "hi", "text": {"format": format, "verbosity": "medium"}, "max_output_tokens": 9,
            "metadata": {"a": "b"}, "user": "me", "truncation": "disabled", "reasoning": {"effort": null}, "top_p": 0.5}),
    ]
}

fn messages() -> Vec<Value> {
    let data = DOT.split_once(',').map(|(_, data)| data);
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": data}});
    let by_url = json!({"type": "image", "source": {"type": "url", "url": DOT}});
    let tool = json!({"name": "look", "description": "looks", "input_schema": {"type": "object"}});
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    vec![
        json!({"model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "be brief"}], "messages": [
            {"role": "user", "content": [image, {"type": "text", "text": "where?"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c", "name": "look", "input": {"at": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": [by_url], "is_error": true},
                {"type": "text", "text": "and now?"},
            ]},
        ], "tools": [tool], "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": true}}),
        json!({"model": "fast", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": true,
            "temperature": 0, "top_p": 0.5, "top_k": 0, "stop_sequences": ["END"], "metadata": {"user_id": "me"},
            "thinking": {"type": "disabled"}, "output_config": {"format": format}, "service_tier": "auto"}),
    ]
}

fn edison() -> Vec<Value> {
    vec![
        json!({"message": "plan the work", "mode": "work", "context": ["a", {"text": "b"}], "session_id": "s",
            "conversation_history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
        json!({"message": "what is it?", "mode": "auto", "images": [DOT], "remember": true}),
    ]
}
