//! The other protocols over the same rules: Anthropic's messages, Responses, EDISON's own.

use http::Method;
use serde_json::{Value, json};
use server::mock::Mock;

use crate::support::{Answer, journal, mock, send};

const SCRIPT: &str = r#"
    strict = true
    [[models]]
    name = "fast"
    bytes_per_token = 1
    [[rules]]
    name = "hello"
    when = { user = "hello", system_contains = "brief" }
    reply = { reasoning = "Short.", text = "hi" }
    [[rules]]
    name = "call"
    when = { user = "look", tool = "look" }
    reply = { tool_calls = [{ name = "look", arguments = { at = 1 }, id = "a" }] }
    [[rules]]
    name = "busy"
    when = { user = "busy" }
    reply = { fault = { status = 429, retry_after = "2s" } }
    [[rules]]
    name = "cut"
    when = { user = "cut" }
    reply = { text = "abcdef", fault = { disconnect_after = 2 } }
    [[rules]]
    name = "spoilt"
    when = { user = "spoilt" }
    reply = { text = "abcdef", fault = { malformed_after = 2 } }
    [[rules]]
    name = "form"
    when = { json = true }
    reply = { json = true }
"#;

async fn post(mock: &Mock, path: &str, body: &Value) -> Answer {
    send(mock, Method::POST, path, &[], body.to_string()).await
}

fn message(text: &str, fields: &Value) -> Value {
    let mut body = json!({"model": "fast", "max_tokens": 50, "system": "Be brief.",
        "messages": [{"role": "user", "content": text}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn response(text: &str, fields: &Value) -> Value {
    let mut body = json!({"model": "fast", "instructions": "Be brief.", "input": text});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// The data of a stream's events, whatever stands before it.
fn events(answer: &Answer) -> Vec<Value> {
    let data = |event: &str| event.lines().find_map(|line| Some(line.strip_prefix("data: ")?.to_owned()));
    answer.text.split("\n\n").filter_map(data).filter_map(|data| serde_json::from_str(&data).ok()).collect()
}

/// The text of a stream, by the name of its field.
fn said(answer: &Answer) -> String {
    let text = |event: &Value| match event["type"].as_str()? {
        "content_block_delta" => event["delta"]["text"].as_str().map(str::to_owned),
        "response.output_text.delta" => event["delta"].as_str().map(str::to_owned),
        _ => None,
    };
    events(answer).iter().filter_map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn rules_answer_in_the_anthropic_protocol() {
    let mock = mock(SCRIPT);
    let answer = post(&mock, "/v1/messages", &message("hello", &json!({}))).await.json();
    let content = json!([{"type": "thinking", "thinking": "Short.", "signature": ""}, {"type": "text", "text": "hi"}]);
    assert_eq!((&answer["content"], &answer["stop_reason"]), (&content, &json!("end_turn")));
    assert_eq!(answer["usage"]["output_tokens"], 6 + 2 + 1);
    let tools = json!({"tools": [{"name": "look", "input_schema": {"type": "object"}}]});
    let called = post(&mock, "/v1/messages", &message("look", &tools)).await.json();
    let call = json!([{"type": "tool_use", "id": "a", "name": "look", "input": {"at": 1}}]);
    assert_eq!((&called["content"], &called["stop_reason"]), (&call, &json!("tool_use")));
    let streamed = post(&mock, "/v1/messages", &message("hello", &json!({"stream": true}))).await;
    assert_eq!((said(&streamed).as_str(), &events(&streamed).last().unwrap()["type"]), ("hi", &json!("message_stop")));
    let journal = journal(&mock, "?settle_ms=1000", &[]).await;
    let rows: Vec<_> =
        journal["requests"].as_array().unwrap().iter().map(|r| (&r["path"], &r["rule"], &r["outcome"])).collect();
    let (path, finished) = (json!("/v1/messages"), json!("finished"));
    let (hello, call, calls) = (json!("hello"), json!("call"), json!("finished_tool_calls"));
    assert_eq!(rows, [(&path, &hello, &finished), (&path, &call, &calls), (&path, &hello, &finished)]);
}

#[tokio::test(start_paused = true)]
async fn rules_answer_in_the_responses_protocol() {
    let mock = mock(SCRIPT);
    let answer = post(&mock, "/v1/responses", &response("hello", &json!({}))).await.json();
    assert_eq!(answer["output"][0]["content"][0]["text"], "Short.");
    assert_eq!((&answer["output"][1]["content"][0]["text"], &answer["status"]), (&json!("hi"), &json!("completed")));
    assert_eq!(answer["usage"]["output_tokens_details"]["reasoning_tokens"], 6);
    let tools = json!({"tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}]});
    let called = post(&mock, "/v1/responses", &response("look", &tools)).await.json();
    let (call, arguments) = (&called["output"][0], json!("{\"at\":1}"));
    assert_eq!(
        (&call["type"], &call["call_id"], &call["arguments"]),
        (&json!("function_call"), &json!("a"), &arguments)
    );
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let form = json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}});
    let formed = post(&mock, "/v1/responses", &response("x", &form)).await.json();
    let json: Value = serde_json::from_str(formed["output"][0]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert!(json["n"].is_i64(), "{json}");
    let streamed = post(&mock, "/v1/responses", &response("hello", &json!({"stream": true}))).await;
    assert_eq!(
        (said(&streamed).as_str(), &events(&streamed).last().unwrap()["type"]),
        ("hi", &json!("response.completed"))
    );
    let journal = journal(&mock, "?settle_ms=1000", &[]).await;
    let rules: Vec<_> = journal["requests"].as_array().unwrap().iter().map(|request| &request["rule"]).collect();
    assert_eq!(rules, ["hello", "call", "form", "hello"]);
}

/// A scripted status, and what a strict script says to a request that nobody expected, look as in the protocol.
#[tokio::test(start_paused = true)]
async fn faults_have_the_shape_of_the_protocol() {
    let mock = mock(SCRIPT);
    let busy = post(&mock, "/v1/messages", &message("busy", &json!({}))).await;
    assert_eq!((busy.status.as_u16(), busy.headers["retry-after"].to_str().unwrap()), (429, "2"));
    assert_eq!((&busy.json()["type"], &busy.json()["error"]["type"]), (&json!("error"), &json!("rate_limit_error")));
    let unknown = post(&mock, "/v1/messages", &message("what?", &json!({"stream": true}))).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    assert!(unknown.json()["error"]["message"].as_str().unwrap().starts_with("no rule matches"));
    let busy = post(&mock, "/v1/responses", &response("busy", &json!({}))).await;
    assert_eq!((busy.status.as_u16(), &busy.json()["error"]["code"]), (429, &json!("scripted_fault")));
    let own = post(&mock, "/chat", &json!({"message": "what?"})).await;
    assert_eq!(own.status, 400);
    assert!(own.json()["detail"].as_str().unwrap().starts_with("no rule matches"), "{}", own.text);
}

/// After two events that have something of the answer, whatever the protocol says before them.
#[tokio::test(start_paused = true)]
async fn streams_are_cut_and_spoilt_after_so_many_pieces_in_every_protocol() {
    for (path, body) in [("/v1/messages", message as fn(&str, &Value) -> Value), ("/v1/responses", response)] {
        let mock = mock(SCRIPT);
        let cut = post(&mock, path, &body("cut", &json!({"stream": true}))).await;
        assert_eq!((said(&cut).as_str(), cut.is_whole), ("ab", false), "{path}: {}", cut.text);
        let spoilt = post(&mock, path, &body("spoilt", &json!({"stream": true}))).await;
        assert_eq!((said(&spoilt).as_str(), spoilt.is_whole), ("ab", true), "{path}: {}", spoilt.text);
        let last = spoilt.text.trim_end().rsplit_once("data: ").unwrap().1;
        assert!(serde_json::from_str::<Value>(last).is_err(), "{last}");
    }
    let mock = mock(SCRIPT);
    let body = json!({"model": "fast", "prompt": "cut", "stream": true});
    let cut = post(&mock, "/v1/completions", &body).await;
    let text = |event: &Value| event["choices"][0]["text"].as_str().map(str::to_owned);
    assert_eq!(events(&cut).iter().filter_map(text).collect::<String>(), "ab", "{}", cut.text);
    let body = json!({"model": "fast", "messages": [{"role": "user", "content": "cut"}], "n": 2, "stream": true});
    let cut = post(&mock, "/v1/chat/completions", &body).await;
    let text = |event: &Value| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
    assert_eq!(events(&cut).iter().filter_map(text).collect::<String>(), "ab", "{}", cut.text);
}

/// A plan and an answer are two parts of one request, of one test.
#[tokio::test(start_paused = true)]
async fn the_parts_of_a_chat_of_edison_share_a_row() {
    let mock = mock(
        "[[rules]]\nname = \"plan\"\nwhen = { system_contains = \"numbered list\" }\nreply = \"1. Look\\n2. Tell\"\n\
         [[rules]]\nname = \"answer\"\nreply = { template = \"{{ test_id }}\" }\n",
    );
    let test = [("x-test-id", "work"), ("x-request-id", "w")];
    let body = json!({"message": "Find out.", "mode": "work"}).to_string();
    let answer = send(&mock, Method::POST, "/chat", &test, body).await.json();
    assert_eq!((&answer["response"], &answer["work_steps"][0]), (&json!("work"), &json!("Look")));
    let journal = journal(&mock, "?settle_ms=1000", &test[..1]).await;
    let request = &journal["requests"][0];
    assert_eq!((&request["rule"], &request["outcome"]), (&json!("answer"), &json!("finished")));
    let part = &request["parts"][0];
    assert_eq!((&part["rule"], &part["outcome"]), (&json!("plan"), &json!("finished")));
    assert_eq!(journal["grants"].as_array().map(Vec::len), Some(2));
}
