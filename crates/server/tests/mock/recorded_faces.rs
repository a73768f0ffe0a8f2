//! Recording and replaying through every face whose answers a script can hold.

use std::fs::read_to_string;
use std::process::Command;

use http::Method;
use serde_json::{Value, json};
use server::mock::{Mock, MockServer, Script};

use crate::recording::{over_tcp, recorder};
use crate::support::send;

/// The server that is recorded. It is not strict, and its answers have all that an answer can have.
const UPSTREAM: &str = r#"
    [[rules]]
    when = { user_contains = "think" }
    reply = { reasoning = "Let me see. é", text = "Well: 日本 🦀, naïve." }
    [[rules]]
    when = { user_contains = "Once" }
    reply = " upon a time, 日本 🦀, naïve."
    [[rules]]
    when = { user = "look", after_tool = false }
    reply = { text = "I look.", tool_calls = [{ name = "look", arguments = { at = 1, why = "é \"quoted\"" } }, { name = "look" }] }
    [[rules]]
    when = { user = "look", after_tool = true }
    reply = { template = "There is {{ result }}." }
    [[rules]]
    when = { user = "several" }
    reply = ["one", "two {{ braces }}", "three"]
    then = "cycle"
    [[rules]]
    when = { user = "busy" }
    reply = { fault = { status = 429, retry_after = "3s" } }
    [[rules]]
    when = { system_contains = "Plan the task" }
    reply = "1. dig\n2. fill"
    [[rules]]
    when = { user = "a, then b" }
    reply = "done"
    [[rules]]
    when = { user = "calm", embedding = true }
    reply = { embedding = [0.125, -1.0, 0.1] }
    [[rules]]
    when = { user = "busy", embedding = true }
    reply = [{ fault = { status = 503 } }, { embedding = [1.0, 0.0, 0.0] }]
    [[rules]]
    when = { user = "calm", rerank = true }
    reply = { score = -0.1 }
    [[rules]]
    when = { user = "busy", rerank = true }
    reply = [{ fault = { status = 503 } }, { score = 7.25 }]
"#;

/// Requests, in order: a path, and a body.
fn requests() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for stream in [false, true] {
        all.extend(chats(stream));
        all.extend(completions(stream));
        all.extend(messages(stream));
        all.extend(responses(stream));
    }
    for path in ["/chat", "/chat/stream"] {
        for message in ["think", "busy", "think", "Once"] {
            all.push((path, json!({"message": message})));
        }
        all.push((path, json!({"message": "a, then b", "mode": "work", "context": ["it rains"]})));
        let history = json!([{"role": "user", "content": "before"}, {"role": "assistant", "content": "yes"}]);
        all.push((path, json!({"message": "think again", "mode": "reasoning", "conversation_history": history})));
    }
    for format in ["float", "base64"] {
        for input in [json!("calm"), json!(["calm", "é other", "calm"]), json!("busy"), json!("busy")] {
            all.push(("/v1/embeddings", json!({"model": "fast", "input": input, "encoding_format": format})));
        }
    }
    all.extend(rankings());
    all
}

/// Documents that are ranked under each name, all of them and the best, twice the same, with words that only the query tells
/// apart.
fn rankings() -> Vec<(&'static str, Value)> {
    let rank = |query: &str, documents: &[&str], more: Value| {
        let body = json!({"model": "fast", "query": query, "documents": documents});
        with(body, more)
    };
    vec![
        ("/v1/rerank", rank("a calm day", &["calm", "é other", "calm", "day"], json!({"return_documents": true}))),
        ("/rerank", rank("tax", &["é other", "calm", "tax report"], json!({"top_n": 2}))),
        ("/reranking", rank("tax", &["busy"], json!({}))),
        ("/v1/rerank", rank("tax", &["busy", "taxi"], json!({"top_n": 1}))),
    ]
}

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn chats(stream: bool) -> Vec<(&'static str, Value)> {
    let options = if stream { json!({"stream": true, "stream_options": {"include_usage": true}}) } else { json!({}) };
    let schema = json!({"type": "object", "properties": {"at": {"type": "integer"}}, "required": ["at"]});
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": schema}}]);
    let user = |text: &str| json!({"role": "user", "content": text});
    let call = json!({"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let called = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let result = json!({"role": "tool", "tool_call_id": "a", "content": "a door"});
    let chat = |messages: Value, more: Value| {
        ("/v1/chat/completions", with(with(json!({"model": "fast", "messages": messages}), options.clone()), more))
    };
    vec![
        chat(json!([{"role": "system", "content": "be brief"}, user("think")]), json!({})),
        chat(json!([user("think")]), json!({"max_tokens": 9})),
        chat(json!([user("look")]), json!({"tools": tools})),
        chat(json!([user("look"), called, result]), json!({"tools": tools})),
        chat(json!([user("several")]), json!({"n": 3})),
        chat(json!([user("several")]), json!({"n": 2, "temperature": 0})),
        chat(json!([user("busy")]), json!({})),
    ]
}

fn completions(stream: bool) -> Vec<(&'static str, Value)> {
    let options = if stream { json!({"stream": true, "stream_options": {"include_usage": true}}) } else { json!({}) };
    let complete = |prompt: Value, more: Value| {
        ("/v1/completions", with(with(json!({"model": "medium", "prompt": prompt}), options.clone()), more))
    };
    vec![
        complete(json!("Once"), json!({})),
        complete(json!("Once"), json!({"max_tokens": 3})),
        complete(json!(["Once again", "several"]), json!({"n": 2})),
        complete(json!("Once é more"), json!({"echo": true})),
        complete(json!("busy"), json!({})),
    ]
}

fn messages(stream: bool) -> Vec<(&'static str, Value)> {
    let message = |text: &str, more: Value| {
        let messages = json!([{"role": "user", "content": text}]);
        let body = json!({"model": "deep", "max_tokens": 60, "messages": messages, "stream": stream});
        ("/v1/messages", with(body, more))
    };
    let tools = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    let results = json!([{"role": "user", "content": "look"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "a wall"}]}]);
    vec![
        message("think", json!({"system": "be brief"})),
        message("think", json!({"max_tokens": 9})),
        message("look", json!({"tools": tools})),
        message("", json!({"tools": tools, "messages": results})),
        message("busy", json!({})),
    ]
}

fn responses(stream: bool) -> Vec<(&'static str, Value)> {
    let response = |input: Value, more: Value| {
        ("/v1/responses", with(json!({"model": "deep", "input": input, "stream": stream}), more))
    };
    let tools = json!([{"type": "function", "name": "look", "parameters": {"type": "object"}}]);
    let results = json!([{"role": "user", "content": "look"},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "a hole"}]);
    vec![
        response(json!("think"), json!({"instructions": "be brief"})),
        response(json!("think hard"), json!({"max_output_tokens": 9})),
        response(json!("look"), json!({"tools": tools})),
        response(results, json!({"tools": tools})),
        response(json!("busy"), json!({})),
    ]
}

/// What an answer says, without when it was made and how long that took: all of its events, or all of its body.
fn said(answer: &str) -> Vec<Value> {
    let data = |line: &str| serde_json::from_str(line.strip_prefix("data: ").unwrap_or(line)).ok();
    let is_stream = answer.lines().any(|line| line.starts_with("data: "));
    let mut said: Vec<Value> =
        if is_stream { answer.lines().filter_map(data).collect() } else { data(answer).into_iter().collect() };
    assert!(!said.is_empty(), "{answer}");
    said.iter_mut().for_each(without_times);
    said
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["created", "created_at"] {
                fields.remove(name);
            }
            // Of work, the tokens are those of two calls, of which a recording knows the sum.
            let is_work = fields.get("work_steps").is_some_and(|steps| !steps.is_null());
            if let Some(timings) = fields.get_mut("timings").and_then(Value::as_object_mut) {
                timings.retain(|name, _| name.ends_with("_n") && !is_work);
            }
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// Method: a mock is the server that is recorded. Every answer of the recording, event by event, is what that server answered:
/// texts, thoughts, calls with their ids, reasons, tokens, vectors, refusals.
#[tokio::test]
async fn every_face_answers_from_its_recording_as_it_did() {
    let upstream = MockServer::start(Script::from_toml(UPSTREAM, "upstream").unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.toml");
    let (address, mut program) = recorder(&upstream.base_url(), &file, None);
    let mut answers = Vec::new();
    for (index, (path, body)) in requests().into_iter().enumerate() {
        let answer = over_tcp(&address, path, &format!("r{index}"), &body.to_string()).await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().to_owned();
        answers.push((status, said(&unchunked(head, text))));
    }
    program.kill().unwrap();
    program.wait().unwrap();

    let recorded = read_to_string(&file).unwrap();
    let script = Script::from_toml(&recorded, "recorded").unwrap_or_else(|error| panic!("{error}\n{recorded}"));
    let mock = Mock::new(script.without_timing()).unwrap();
    for (index, ((path, body), (status, expected))) in requests().into_iter().zip(answers).enumerate() {
        let id = format!("r{index}");
        let played = send(&mock, Method::POST, path, &[("x-request-id", &id)], body.to_string()).await;
        assert_eq!(played.status.as_str(), status, "{path} {body}: {}", played.text);
        assert_eq!(said(&played.text), expected, "{path} {body}\n{recorded}");
    }
    for (path, other) in [
        ("/v1/embeddings", json!({"model": "fast", "input": "never heard"})),
        ("/v1/rerank", json!({"model": "fast", "query": "never heard", "documents": ["calm"]})),
    ] {
        let refused = send(&mock, Method::POST, path, &[], other.to_string()).await;
        assert_eq!(refused.status, 400, "a recording is strict: {}", refused.text);
        assert!(refused.text.contains("the closest is"), "{}", refused.text);
    }
}

/// The body of an answer over a connection of its own.
fn unchunked(head: &str, body: &str) -> String {
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body.as_bytes(), Vec::new());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return String::from_utf8(whole).unwrap();
        }
        whole.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
}

/// Method: two paths that are not recorded, twice each, and a request that no script can answer. All are answered.
#[tokio::test]
async fn what_is_not_recorded_is_handed_on_and_said() {
    let upstream = MockServer::start(Script::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.toml");
    let (address, mut program) = recorder(&upstream.base_url(), &file, None);
    let title = json!({"message": "Repeat after me: a title"}).to_string();
    let tokens = json!({"model": "fast", "prompt": [0x0100_0061], "max_tokens": 3}).to_string();
    for (path, body) in [
        ("/generate-title", &title),
        ("/generate-title", &title),
        ("/tokenize", &json!({"model": "fast", "content": "abc"}).to_string()),
        ("/v1/completions", &tokens),
    ] {
        let answer = over_tcp(&address, path, "r", body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    // Politely, so that the log is written out.
    assert!(Command::new("kill").args(["-TERM", &program.id().to_string()]).status().unwrap().success());
    let mut log = String::new();
    std::io::Read::read_to_string(&mut program.stderr.take().unwrap(), &mut log).unwrap();
    program.wait().unwrap();
    let said = |part: &str| log.matches(part).count();
    assert_eq!((said("POST /generate-title"), said("POST /tokenize")), (1, 1), "{log}");
    assert_eq!(said("vocabulary"), 1, "{log}");
    assert_eq!(Script::from_toml(&read_to_string(&file).unwrap(), "recorded").unwrap().rules, []);
}
