//! The Anthropic protocol over the wire.

use std::time::Duration;

use backend::{CallPart, Prompt, Role, Token};
use serde_json::{Value, json};

use super::fake::Fake;
use super::support::{Answer, Server};

const PATH: &str = "/v1/messages";

fn body(fields: &Value) -> Value {
    let mut body = json!({"model": "fast", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    body
}

async fn ask(fake: &Fake, fields: &Value) -> Answer {
    Server::playing(fake).await.connect().post(PATH, "anthropic-version: 2023-06-01\r\n", &body(fields)).await
}

/// A thought, a text in two pieces, and two calls, the first in two parts.
fn everything() -> Fake {
    let part = |index, id: Option<&str>, arguments: &str| Token {
        calls: vec![CallPart {
            index,
            id: id.map(Into::into),
            name: id.map(|_| "look".into()),
            arguments: arguments.into(),
        }],
        ..Token::default()
    };
    let thought = Token { reasoning: "Where?".into(), ..Token::default() };
    let calls = [part(0, Some("a"), "{\"at\":"), part(0, None, "1}"), part(1, Some("b"), "{}")];
    let tokens: Vec<_> = [thought, Token::text("I "), Token::text("look.")].into_iter().chain(calls).collect();
    Fake::new(move |_| tokens.clone())
}

fn tools() -> Value {
    json!({"tools": [{"name": "look", "input_schema": {"type": "object"}}]})
}

fn content() -> Value {
    json!([
        {"type": "thinking", "thinking": "Where?", "signature": ""},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "a", "name": "look", "input": {"at": 1}},
        {"type": "tool_use", "id": "b", "name": "look", "input": {}},
    ])
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_the_shape_of_the_protocol() {
    let fake = everything();
    let answer = ask(&fake, &tools()).await;
    let expected = json!({
        "id": "msg_t-1", "type": "message", "role": "assistant", "model": "m", "content": content(),
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {
            "input_tokens": 8, "cache_read_input_tokens": 1, "cache_creation_input_tokens": 0, "output_tokens": 6,
        },
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert!(answer.head.contains("x-edison-ticket: 1"), "{}", answer.head);
    let Prompt::Chat(chat) = fake.the_request().prompt.prompt else { panic!("a conversation") };
    assert_eq!((chat.messages[0].role, chat.tools[0].name.as_str()), (Role::User, "look"));
}

/// Method: the events, put together as the protocol says, are the answer in one piece.
#[tokio::test(start_paused = true)]
async fn the_events_of_a_stream_add_up_to_the_answer() {
    let mut fields = tools();
    fields["stream"] = json!(true);
    let answer = ask(&everything(), &fields).await;
    for frame in answer.frames() {
        let (name, data) = frame.split_once('\n').expect("a name and data");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name, format!("event: {}", data["type"].as_str().expect("a type")));
    }
    let events = answer.events();
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 9);
    let mut blocks: Vec<Value> = Vec::new();
    let mut open = None;
    for event in &events {
        let index = event["index"].as_u64().map(|index| index as usize);
        match event["type"].as_str().expect("a type") {
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(blocks.len())), "one block at a time: {event}");
                open = index;
                let mut block = event["content_block"].clone();
                if block["type"] == "tool_use" {
                    block["input"] = json!("");
                }
                blocks.push(block);
            }
            "content_block_delta" => {
                assert_eq!(open, index);
                let (block, delta) = (blocks.last_mut().expect("a block"), &event["delta"]);
                let (field, more) = match delta["type"].as_str().expect("a type") {
                    "thinking_delta" => ("thinking", &delta["thinking"]),
                    "text_delta" => ("text", &delta["text"]),
                    "input_json_delta" => ("input", &delta["partial_json"]),
                    other => panic!("{other}"),
                };
                block[field] = json!(format!("{}{}", block[field].as_str().unwrap(), more.as_str().unwrap()));
            }
            "content_block_stop" => {
                assert_eq!(open, index);
                open = None;
            }
            _ => assert_eq!(open, None),
        }
    }
    for block in blocks.iter_mut().filter(|block| block["type"] == "tool_use") {
        block["input"] = serde_json::from_str(block["input"].as_str().unwrap()).expect("JSON");
    }
    assert_eq!(json!(blocks), content());
    let n = events.len();
    assert_eq!(events[n - 2]["delta"], json!({"stop_reason": "tool_use", "stop_sequence": null}));
    assert_eq!(events[n - 2]["usage"]["output_tokens"], 6);
    assert_eq!(events[n - 1], json!({"type": "message_stop"}));
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_shape_of_the_protocol_and_the_status_of_all_others() {
    let fake = Fake { time_per_token: Duration::from_secs(9), ..Fake::saying(&["a"]) };
    let server = Server::playing(&fake).await;
    let post = |path: &'static str, headers: &'static str, body: Value| {
        let client = server.connect();
        async move { client.post(path, headers, &body).await }
    };
    let holds = tokio::spawn(post(PATH, "", body(&json!({}))));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let long = json!({"messages": [{"role": "user", "content": "x".repeat(99)}]});
    let rows = [
        (body(&json!({"max_tokens": null})), "", 400, "invalid_request_error", "max_tokens is missing"),
        (body(&json!({"model": "none"})), "", 404, "not_found_error", "there is no model \"none\""),
        (body(&long), "", 400, "invalid_request_error", "shorten the messages"),
        (body(&json!({})), "x-edison-queue-timeout-ms: 5\r\n", 503, "overloaded_error", "Retry-After"),
    ];
    for (body, headers, status, kind, part) in rows {
        let answer = post(PATH, headers, body).await;
        let error = answer.json();
        assert_eq!((answer.status, &error["type"], &error["error"]["type"]), (status, &json!("error"), &json!(kind)));
        assert!(error["error"]["message"].as_str().expect("a text").contains(part), "{error}");
        assert_eq!(answer.head.contains("retry-after: "), status == 503, "{}", answer.head);
    }
    let wrong_method = server.connect().ask("GET", PATH).await;
    assert!(wrong_method.contains(r#"{"type":"error","error":{"type":"invalid_request_error""#), "{wrong_method}");
    holds.await.expect("no panic");
}

/// A conversation that no context holds is counted like any other: clients count to know what to leave out.
#[tokio::test(start_paused = true)]
async fn tokens_are_counted_without_a_lane() {
    let server = Server::playing(&Fake::saying(&["a"])).await;
    // "user: ..." and the end of the line; one more token begins what is not encoded as a prompt.
    for (length, tokens) in [(2, 9), (99, 107)] {
        let asked = json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(length)}]});
        let answer = server.connect().post("/v1/messages/count_tokens", "", &asked).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"input_tokens": tokens})));
    }
    assert!(server.service.models()[0].history.is_empty(), "nobody held a lane");
}
