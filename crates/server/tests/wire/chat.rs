//! Chats: what reaches the engine, and what comes back besides text.

use std::sync::Arc;
use std::time::Duration;

use backend::{CallPart, Capabilities, Constraint, Prompt, Token, ToolChoice};
use serde_json::{Value, json};
use server::HttpLimits;
use tokio::time::{Instant, sleep};

use super::fake::{Fake, likely};
use super::support::{Answer, Server, chat_request};

const PATH: &str = "/v1/chat/completions";

/// A chat with these fields besides.
fn chat(fields: &Value) -> Value {
    let mut chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    chat.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    chat
}

async fn ask(fake: &Fake, fields: &Value) -> Answer {
    Server::playing(fake).await.connect().post(PATH, "", &chat(fields)).await
}

/// A thought, and a call in three parts.
fn calling() -> Fake {
    let part = |id: Option<&str>, arguments: &str| CallPart {
        index: 0,
        id: id.map(Into::into),
        name: id.map(|_| "look".into()),
        arguments: arguments.into(),
    };
    let calls = [part(Some("call-1"), ""), part(None, "{\"at\":"), part(None, "\"door\"}")];
    let calls = calls.map(|part| Token { calls: vec![part], ..Token::default() });
    let thought = Token { reasoning: "Where?".into(), ..Token::default() };
    let tokens: Vec<_> = std::iter::once(thought).chain(calls).collect();
    Fake::new(move |_| tokens.clone())
}

#[tokio::test(start_paused = true)]
async fn a_call_comes_back_whole_and_in_parts() {
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]);
    let fake = calling();
    let answer = ask(&fake, &json!({"tools": tools, "tool_choice": "required", "parallel_tool_calls": false})).await;
    let message = &answer.json()["choices"][0]["message"];
    let call =
        json!({"id": "call-1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":\"door\"}"}});
    assert_eq!(message["tool_calls"], json!([call]), "{answer:?}");
    assert_eq!((&message["content"], &message["reasoning_content"]), (&Value::Null, &json!("Where?")));
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "tool_calls");
    let Prompt::Chat(asked) = fake.the_request().prompt.prompt else { panic!("a chat") };
    assert_eq!(
        (asked.tools[0].name.as_str(), &asked.tool_choice, asked.single_call),
        ("look", &ToolChoice::Required, true)
    );

    let events = ask(&calling(), &json!({"tools": tools, "stream": true})).await.events();
    let roles = events.iter().filter(|event| event["choices"][0]["delta"]["role"].is_string()).count();
    assert_eq!(roles, 1, "the role is told once");
    let deltas: Vec<_> =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array()).collect();
    assert_eq!(
        deltas[0][0],
        json!({"index": 0, "id": "call-1", "type": "function", "function": {"name": "look", "arguments": ""}})
    );
    let arguments: String = deltas.iter().filter_map(|delta| delta[0]["function"]["arguments"].as_str()).collect();
    assert_eq!(arguments, "{\"at\":\"door\"}");
    let reasons: Vec<_> = events.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str()).collect();
    assert_eq!((reasons, events.last()), (vec!["tool_calls"], Some(&json!("[DONE]"))));
}

#[tokio::test(start_paused = true)]
async fn log_probabilities_are_told_for_each_token() {
    let fake = Fake::new(|_| vec![likely("a", -0.5), likely("b", -1.0)]);
    let fields = json!({"logprobs": true, "top_logprobs": 2});
    let entry = |token: &str, logprob: f32| {
        let candidate = json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
        let never = json!({"token": "\u{fffd}", "logprob": -9999.0, "bytes": [255]});
        let mut entry = candidate.clone();
        entry["top_logprobs"] = json!([candidate, never]);
        entry
    };
    let answer = ask(&fake, &fields).await.json();
    assert_eq!(answer["choices"][0]["logprobs"]["content"], json!([entry("a", -0.5), entry("b", -1.0)]));
    assert_eq!(fake.the_request().options.logprobs, Some(2));
    let events = ask(&fake, &chat(&json!({"logprobs": true, "stream": true}))).await.events();
    assert_eq!(events[1]["choices"][0]["logprobs"]["content"], json!([entry("a", -0.5)]));
}

#[tokio::test(start_paused = true)]
async fn a_schema_reaches_the_engine_as_it_was_written() {
    let schema = json!({"type": "object", "properties": {"z": {}, "a": {}}});
    let fake = Fake::saying(&["{}"]);
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
    let answer = ask(&fake, &json!({"response_format": format})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let Some(Constraint::JsonSchema(text)) = fake.the_request().options.constraint else { panic!("a schema") };
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), schema);
    assert!(text.find("\"z\"") < text.find("\"a\""), "the order of the properties is an order: {text}");
}

/// What a model lacks is refused by the field that asks for it.
#[tokio::test(start_paused = true)]
async fn what_the_model_cannot_do_is_a_400_that_names_the_field() {
    let fake = Fake { capabilities: Capabilities::default(), ..Fake::saying(&["a"]) };
    let tools = json!([{"type": "function", "function": {"name": "look"}}]);
    let rows = [
        (json!({"tools": tools}), "tools"),
        (json!({"response_format": {"type": "json_object"}}), "response_format"),
        (json!({"grammar": "root ::= \"a\""}), "grammar"),
        (json!({"logprobs": true}), "logprobs"),
    ];
    for (fields, param) in rows {
        let answer = ask(&fake, &fields).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!(param)), "{answer:?}");
        assert!(answer.body.contains("model \\\"m\\\" has no "), "{answer:?}");
    }
}

/// Each choice is a request of its own in the queue, one behind the other, with an id and a seed of its own.
#[tokio::test(start_paused = true)]
async fn several_choices_are_several_requests() {
    for (lanes, millis) in [(1, 60), (3, 20)] {
        let fake = Fake::new(|request| {
            let seed = request.options.sampling.seed.to_string();
            vec![Token::text("seed "), Token::text(seed)]
        });
        let server = Server::over(Arc::new(fake), HttpLimits::default(), lanes);
        server.service.loaded().await;
        let begun = Instant::now();
        let answer = server.connect().post(PATH, "", &chat(&json!({"n": 3, "seed": 5}))).await.json();
        assert_eq!(begun.elapsed(), Duration::from_millis(millis), "{lanes} lanes");
        let said: Vec<_> =
            answer["choices"].as_array().expect("choices").iter().map(|choice| &choice["message"]["content"]).collect();
        assert_eq!(said, ["seed 5", "seed 6", "seed 7"]);
        assert_eq!((&answer["usage"]["prompt_tokens"], &answer["usage"]["completion_tokens"]), (&json!(9), &json!(6)));
        let mut ids: Vec<_> = server.service.models()[0].history.iter().map(|hold| hold.request_id.clone()).collect();
        ids.sort();
        assert_eq!(ids, ["t-1", "t-1#1", "t-1#2"]);
    }
}

/// Method: two lanes, so that both choices always have something to tell.
#[tokio::test(start_paused = true)]
async fn streams_of_several_choices_interleave_by_their_index() {
    let server = Server::over(Arc::new(Fake::saying(&["a", "b", "c"])), HttpLimits::default(), 2);
    server.service.loaded().await;
    let fields = json!({"n": 2, "stream": true, "stream_options": {"include_usage": true}});
    let events = server.connect().post(PATH, "", &chat(&fields)).await.events();
    let texts: Vec<_> = events
        .iter()
        .filter_map(|event| {
            Some((event["choices"][0]["index"].as_u64()?, event["choices"][0]["delta"]["content"].as_str()?))
        })
        .collect();
    let expected = [(0, ""), (1, ""), (0, "a"), (1, "a"), (0, "b"), (1, "b"), (0, "c"), (1, "c")];
    assert_eq!(texts, expected);
    let ends: Vec<_> = events.iter().filter(|event| event["choices"][0]["finish_reason"] == "stop").collect();
    assert_eq!(ends.len(), 2, "each choice ends once");
    let n = events.len();
    assert_eq!((&events[n - 2]["usage"]["completion_tokens"], &events[n - 1]), (&json!(6), &json!("[DONE]")));
}

/// A choice that finds no place takes the others with it, and their places come back.
#[tokio::test(start_paused = true)]
async fn choices_that_do_not_fit_the_queue_are_refused_together() {
    let fake = Fake::saying(&["a"]);
    let server = Server::playing(&fake).await;
    let place = || {
        let client = server.connect();
        tokio::spawn(async move { client.post(PATH, "", &chat(&json!({"n": 8}))).await })
    };
    let places: Vec<_> = (0..8).map(|_| place()).collect();
    sleep(Duration::from_millis(1)).await;
    let waiting = server.service.models()[0].waiting.len();
    assert_eq!(waiting, 63, "64 choices, one of which runs");
    let refused = server.connect().post(PATH, "", &chat(&json!({"n": 2}))).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("queue_full")));
    assert_eq!(server.service.models()[0].waiting.len(), waiting);
    for place in places {
        assert_eq!(place.await.expect("no panic").status, 200);
    }
}

/// Each choice waits for its lane, also behind the choices before it, and none of them for longer than the client will. An
/// answer holds its lane for 20 ms here.
#[tokio::test(start_paused = true)]
async fn choices_that_would_wait_too_long_are_refused_together() {
    for (lanes, millis, status) in [(1, 0, 503), (1, 10, 503), (1, 30, 200), (2, 0, 200)] {
        let server = Server::over(Arc::new(Fake::saying(&["a", "b"])), HttpLimits::default(), lanes);
        server.service.loaded().await;
        let header = format!("x-queue-timeout-ms: {millis}\r\n");
        let answer = server.connect().post(PATH, &header, &chat(&json!({"n": 2}))).await;
        assert_eq!(answer.status, status, "{lanes} lanes, {millis} ms: {answer:?}");
        let code = (status == 503).then_some("queue_timeout");
        assert_eq!(answer.json()["error"]["code"].as_str(), code, "{answer:?}");
        server.at_rest().await;
    }
}

/// Method: an engine that takes no time has 200 tokens. A piece for each would be 200 writes; and with tokens that are slower
/// than the client nobody's token waits for the next one.
#[tokio::test(start_paused = true)]
async fn tokens_that_are_there_travel_together_and_others_do_not_wait() {
    let words = ["word "; 200];
    let pieces = async |time_per_token| {
        let fake = Fake { time_per_token, context_len: 4096, ..Fake::saying(&words) };
        let mut client = Server::playing(&fake).await.connect();
        client.send(chat_request(true).replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1)).await;
        let answer = client.rest().await;
        assert_eq!(answer.matches("word ").count(), 200, "{answer}");
        // Every chunk of HTTP/1.1 begins with its length, and every event with a line break before it.
        answer.matches("\r\ndata: ").count()
    };
    let together = pieces(Duration::ZERO).await;
    assert!(together < 30, "{together} pieces");
    assert!(pieces(Duration::from_millis(10)).await >= 200);
}
