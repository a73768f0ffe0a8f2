//! `/v1/responses` over the wire.

use std::time::Duration;

use backend::{CallPart, Token};
use serde_json::{Value, json};

use super::fake::{Fake, likely};
use super::support::{Answer, Server};

const PATH: &str = "/v1/responses";

async fn ask(fake: &Fake, fields: &Value) -> Answer {
    let mut body = json!({"model": "fast", "input": "hi"});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    Server::playing(fake).await.connect().post(PATH, "", &body).await
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
    json!({"tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}]})
}

fn output() -> Value {
    let call = |id: &str, call_id: &str, arguments: &str| {
        json!({
            "type": "function_call", "id": id, "status": "completed",
            "call_id": call_id, "name": "look", "arguments": arguments,
        })
    };
    json!([
        {
            "type": "reasoning", "id": "rs_t-1-0", "status": "completed", "summary": [],
            "content": [{"type": "reasoning_text", "text": "Where?"}],
        },
        {
            "type": "message", "id": "msg_t-1-1", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}],
        },
        call("fc_t-1-2", "a", "{\"at\":1}"),
        call("fc_t-1-3", "b", "{}"),
    ])
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_the_shape_of_the_protocol_and_says_what_was_asked() {
    let mut fields = tools();
    fields["instructions"] = json!("be brief");
    fields["metadata"] = json!({"a": "b"});
    let answer = ask(&everything(), &fields).await.json();
    assert_eq!(answer["output"], output());
    assert_eq!((&answer["status"], &answer["incomplete_details"]), (&json!("completed"), &Value::Null));
    assert_eq!((&answer["model"], &answer["created_at"]), (&json!("m"), &json!(1_700_000_000)));
    assert_eq!((&answer["instructions"], &answer["metadata"]), (&json!("be brief"), &json!({"a": "b"})));
    assert_eq!((&answer["store"], &answer["text"]), (&json!(false), &json!({"format": {"type": "text"}})));
    let usage = json!({
        "input_tokens": 26, "input_tokens_details": {"cached_tokens": 1},
        "output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 32,
    });
    assert_eq!(answer["usage"], usage);
}

/// Method: items are put together from their events alone, and from the items that the events carry; both are the answer.
#[tokio::test(start_paused = true)]
async fn the_events_of_a_stream_add_up_to_the_answer() {
    let mut fields = tools();
    fields["stream"] = json!(true);
    let events = ask(&everything(), &fields).await.events();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], json!(number), "{event}");
    }
    assert_eq!((&events[0]["type"], &events[1]["type"]), (&json!("response.created"), &json!("response.in_progress")));
    let (mut grown, mut whole) = (vec![String::new(); 4], Vec::new());
    for event in &events {
        let kind = event["type"].as_str().expect("a type");
        if let (Some(delta), Some(index)) = (event["delta"].as_str(), event["output_index"].as_u64()) {
            assert_eq!(index, whole.len() as u64, "one item at a time: {event}");
            assert!(!delta.is_empty());
            grown[index as usize].push_str(delta);
        }
        if kind == "response.output_item.done" {
            whole.push(event["item"].clone());
        }
    }
    assert_eq!(grown, ["Where?", "I look.", "{\"at\":1}", "{}"]);
    assert_eq!(json!(whole), output());
    let last = events.last().expect("events");
    assert_eq!((&last["type"], &last["response"]["output"]), (&json!("response.completed"), &output()));
    assert_eq!(last["response"]["usage"]["output_tokens"], 6);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_says_so() {
    let fields = json!({"max_output_tokens": 2, "include": ["message.output_text.logprobs"]});
    let fake = Fake::new(|_| vec![likely("a", -0.5), likely("b", -1.0)]);
    let answer = ask(&fake, &fields).await.json();
    assert_eq!(answer["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!((&answer["status"], &answer["output"][0]["status"]), (&json!("incomplete"), &json!("incomplete")));
    let logprobs = answer["output"][0]["content"][0]["logprobs"].as_array().expect("a list");
    assert_eq!((logprobs.len(), &logprobs[1]["token"], &logprobs[1]["logprob"]), (2, &json!("b"), &json!(-1.0)));
    let fields = json!({"max_output_tokens": 2, "stream": true});
    let events = ask(&fake, &fields).await.events();
    let last = events.last().expect("events");
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.incomplete"), &json!("incomplete")));
}

/// An answer that says nothing has an empty message in it, whole and streamed.
#[tokio::test(start_paused = true)]
async fn there_is_always_an_item() {
    let fake = Fake::saying(&[]);
    let message = json!([{"type": "output_text", "text": "", "annotations": [], "logprobs": []}]);
    assert_eq!(ask(&fake, &json!({})).await.json()["output"][0]["content"], message);
    let events = ask(&fake, &json!({"stream": true})).await.events();
    assert_eq!(events.last().expect("events")["response"]["output"][0]["content"], message);
}

/// Once the status is sent, the error is the last event, with what makes the protocol's clients raise.
#[tokio::test(start_paused = true)]
async fn a_failure_is_an_event_that_clients_raise() {
    let server = Server::playing(&Fake { time_per_token: Duration::from_secs(9), ..Fake::saying(&["a"]) }).await;
    let ask = |headers: &'static str| {
        let (client, body) = (server.connect(), json!({"model": "m", "input": "hi", "stream": true}));
        async move { client.post(PATH, headers, &body).await }
    };
    let holds = tokio::spawn(ask(""));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let events = ask("x-edison-keep-alive-ms: 1000\r\nx-edison-queue-timeout-ms: 1500\r\n").await.events();
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["type"], &events[0]["code"]), (&json!("error"), &json!("queue_timeout")));
    assert_eq!(events[0]["error"]["type"], "server_error");
    holds.await.expect("no panic");
}
