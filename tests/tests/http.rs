//! What a client sees over HTTP, with scripted models in virtual time.

use std::time::Duration;

use backend_mock::{Fault, ModelScript, Reply as MockReply};
use edison_tests::client::{Client, chat};
use edison_tests::world::{Make, World, hundred_ms};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

async fn ready(make: Make) -> (World, Client) {
    let world = make.loaded().await;
    let client = Client::of(&world.service);
    (world, client)
}

/// A model whose every answer takes an hour.
fn hour_long() -> ModelScript {
    ModelScript { faults: (1..100).map(|call| (call, Fault::HangAfter { tokens: 1 })).collect(), ..hundred_ms() }
}

/// S6. Every model is busy and every queue is full; the clock must not move while the control plane answers.
#[tokio::test(start_paused = true)]
async fn the_control_plane_answers_while_every_model_is_busy_and_every_queue_full() {
    let (_world, client) = ready(Make::models([("a", hour_long()), ("b", hour_long())]).queue_max(2)).await;
    let mut kept = vec![];
    for model in ["a", "b"] {
        for _ in 0..3 {
            let (client, body) = (client.clone(), chat(model, "hello", false));
            kept.push(tokio::spawn(async move { client.chat(&body).await }));
        }
    }
    sleep(50 * MS).await;
    for model in ["a", "b"] {
        assert_eq!(client.chat(&chat(model, "hello", false)).await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    let asked = Instant::now();
    for path in ["/health", "/ready", "/locks", "/v1/models", "/v1/models/a", "/"] {
        assert_eq!(client.send(Method::GET, path, &[], vec![]).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(asked.elapsed(), Duration::ZERO);
    let locks = client.get("/locks").await;
    for lock in locks["models"].as_array().expect("a list") {
        assert_eq!(lock["lanes"][0]["state"], "leased");
        assert_eq!(lock["lanes"][0]["holder"]["tokens"], 1);
        assert_eq!(lock["waiting"].as_array().map(Vec::len), Some(2));
        assert_eq!(lock["waiting"][0]["position"], 1);
    }
    kept.iter().for_each(|task| task.abort());
}

/// L5. The queue holds three; of five at once exactly one is refused, before the first byte of an answer.
#[tokio::test(start_paused = true)]
async fn one_request_too_many_is_a_429_with_retry_after() {
    let (world, client) = ready(Make::models([("m", hundred_ms())]).queue_max(3)).await;
    let asks: Vec<_> = (0..5)
        .map(|i| {
            let (client, body) = (client.clone(), chat("m", "hello", i % 2 == 0));
            tokio::spawn(async move {
                let reply = client.chat(&body).await;
                let (status, retry_after) = (reply.status, reply.header("retry-after").to_string());
                (status, retry_after, reply.text().await)
            })
        })
        .collect();
    let mut refused = vec![];
    for ask in asks {
        let (status, retry_after, body) = ask.await.expect("no panic");
        if status == StatusCode::OK {
            assert!(body.contains('9'), "a whole answer: {body}");
        } else {
            refused.push((status, retry_after, body));
        }
    }
    let [(status, retry_after, body)] = refused.as_slice() else { panic!("exactly one, not {refused:?}") };
    assert_eq!(*status, StatusCode::TOO_MANY_REQUESTS);
    assert!(retry_after.parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{retry_after:?}");
    let error: Value = serde_json::from_str(body).expect("an error object");
    assert_eq!(error["error"]["code"], "queue_full");
    world.assert_sound();
}

/// Every bad request is a 400 that names the field, whether the model is busy or not, and none reaches an engine.
#[tokio::test(start_paused = true)]
async fn a_bad_request_is_a_400_that_names_the_field() {
    let script = ModelScript { context_len: 512, ..hundred_ms() };
    let (world, client) = ready(Make::models([("m", script)])).await;
    let with = |key: &str, value: Value| {
        let mut body = chat("m", "hello", false);
        body[key] = value;
        body
    };
    let cases = [
        (with("messages", json!([])), "messages"),
        (with("messages", json!("hello")), "messages"),
        (with("messages", json!([{"role": "user", "content": "x".repeat(2000)}])), "messages"),
        (with("messages", json!([{"role": "wizard", "content": "x"}])), "messages[0].role"),
        (with("messages", json!([{"role": "user", "content": 7}])), "messages[0].content"),
        (with("model", json!(7)), "model"),
        (with("temperature", json!(-0.1)), "temperature"),
        (with("temperature", json!(1e300)), "temperature"),
        (with("temperature", json!("warm")), "temperature"),
        (with("top_p", json!(0)), "top_p"),
        (with("max_tokens", json!(0)), "max_tokens"),
        (with("max_tokens", json!(-5)), "max_tokens"),
        (with("max_tokens", json!(1e12)), "max_tokens"),
        (with("stop", json!(["a", "b", "c", "d", "e"])), "stop"),
        (with("stop", json!([""])), "stop"),
        (with("n", json!(0)), "n"),
        (with("stream", json!("yes")), "stream"),
        (with("tools", json!([{"type": "function", "function": {}}])), "tools[0].function.name"),
        (with("response_format", json!({"type": "xml"})), "response_format.type"),
        (with("frequency_penalty", json!(5)), "frequency_penalty"),
    ];
    for (body, field) in cases {
        let reply = client.chat(&body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        let error = reply.json().await;
        let param = error["error"]["param"].as_str().unwrap_or_default();
        assert!(param.starts_with(field), "{field} expected, {param} named: {error}");
        assert!(!error["error"]["message"].as_str().unwrap_or_default().is_empty());
    }
    for body in ["", "{", "[]", "null", "{\"model\": \"m\", \"messages\": [}"] {
        let path = "/v1/chat/completions";
        let reply = client.send(Method::POST, path, &[], body.into()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(reply.json().await["error"]["type"], "invalid_request_error", "{body}");
    }
    assert_eq!(world.journal.holds("m"), [], "nothing reached the engine");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_is_a_404_and_nobody_else_answers() {
    let (world, client) = ready(Make::models([("m", hundred_ms())])).await;
    let reply = client.chat(&chat("gpt-4", "hello", true)).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.json().await["error"]["code"], "model_not_found");
    assert_eq!(world.journal.holds("m"), []);
}

/// The shape that OpenAI clients rely on: the role once, the finish reason once, usage on demand, `[DONE]` last.
#[tokio::test(start_paused = true)]
async fn a_stream_has_the_shape_that_clients_expect() {
    let (_world, client) = ready(Make::models([("m", hundred_ms())])).await;
    let mut body = chat("m", "hello", true);
    body["stream_options"] = json!({"include_usage": true});
    let mut reply = client.chat(&body).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.header("content-type").starts_with("text/event-stream"));
    let mut events = vec![];
    while let Some(event) = reply.event().await {
        events.push(event);
    }
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> = events.iter().map(|e| serde_json::from_str(e).expect("JSON")).collect();
    let (usage, chunks) = chunks.split_last().expect("chunks");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], 10);
    let roles: Vec<_> = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["role"].as_str()).collect();
    assert_eq!(roles, ["assistant"]);
    let reasons: Vec<_> = chunks.iter().filter_map(|c| c["choices"][0]["finish_reason"].as_str()).collect();
    assert_eq!(reasons, ["stop"]);
    let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "123456789");
    assert!(chunks.iter().all(|c| c["object"] == "chat.completion.chunk" && c["id"] == chunks[0]["id"]));
}

/// An error after the first byte is an event of its own; it is never dressed up as a complete answer.
#[tokio::test(start_paused = true)]
async fn a_failure_in_mid_stream_is_an_error_event_and_no_done() {
    let script = ModelScript { faults: [(1, Fault::FailAfter { tokens: 3 })].into(), ..hundred_ms() };
    let (_world, client) = ready(Make::models([("m", script)])).await;
    let mut reply = client.chat(&chat("m", "hello", true)).await;
    assert_eq!(reply.status, StatusCode::OK);
    let mut events = vec![];
    while let Some(event) = reply.event().await {
        events.push(event);
    }
    let last: Value = serde_json::from_str(events.last().expect("events")).expect("the last event is JSON, not [DONE]");
    assert_eq!(last["error"]["code"], "backend_error");
    let text: String = events
        .iter()
        .filter_map(|e| serde_json::from_str::<Value>(e).ok())
        .filter_map(|c| c["choices"][0]["delta"]["content"].as_str().map(str::to_string))
        .collect();
    assert_eq!(text, "123");
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_first_token_is_a_500_that_hides_the_engine() {
    let script = ModelScript { faults: [(1, Fault::FailBeforeFirstToken)].into(), ..hundred_ms() };
    let (_world, client) = ready(Make::models([("m", script)])).await;
    let reply = client.chat(&chat("m", "hello", true)).await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    let error = reply.json().await;
    assert_eq!(error["error"]["code"], "backend_error");
    assert!(!error.to_string().contains("the script says so"), "what the engine reports is for the log: {error}");
}

#[tokio::test(start_paused = true)]
async fn a_request_id_is_taken_from_the_client_or_made_and_is_in_the_record() {
    let (_world, client) = ready(Make::models([("m", hundred_ms())])).await;
    let body = || chat("m", "hello", false).to_string().into_bytes();
    let path = "/v1/chat/completions";
    let given = client.send(Method::POST, path, &[("x-request-id", "mine-7")], body()).await;
    assert_eq!(given.header("x-request-id"), "mine-7");
    assert_eq!(given.header("x-edison-ticket"), "1");
    given.text().await;
    let made = client.send(Method::POST, path, &[("x-request-id", "not ascii \u{e9}")], body()).await;
    let id = made.header("x-request-id").to_string();
    assert!(!id.is_empty() && id.is_ascii() && id != "mine-7");
    made.text().await;
    let locks = client.get("/locks").await;
    let ids: Vec<_> = locks["models"][0]["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|hold| hold["request_id"].as_str().expect("an id").to_string())
        .collect();
    assert_eq!(ids, ["mine-7".to_string(), id]);
    assert!(!client.send(Method::GET, "/health", &[], vec![]).await.header("x-request-id").is_empty());
}

/// S4 over HTTP: connections that close, while waiting for the head and in mid-stream. Both places are free at once.
#[tokio::test(start_paused = true)]
async fn closing_the_connection_frees_the_place() {
    let script = ModelScript { reply: MockReply::Fixed("x".repeat(1000)), ..hundred_ms() };
    let (world, client) = ready(Make::models([("m", script)])).await;
    let mut streams = client.chat(&chat("m", "hello", true)).await;
    streams.event().await.expect("it streams");
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.chat(&chat("m", "hello", false)).await }
    });
    sleep(20 * MS).await;
    assert_eq!(world.service.models()[0].waiting.len(), 1);
    waits.abort();
    sleep(MS).await;
    assert_eq!(world.service.models()[0].waiting.len(), 0, "whoever waited has left");
    drop(streams);
    sleep(11 * MS).await;
    assert_eq!(world.service.models()[0].lanes[0].state, "free", "one token takes 10 ms");
    world.assert_sound();
}

/// `/ready` follows the models, `/health` does not.
#[tokio::test(start_paused = true)]
async fn ready_waits_for_the_models_and_health_does_not() {
    let slow = ModelScript { load_time: Duration::from_secs(5), ..hundred_ms() };
    let world = Make::models([("m", slow)]).start();
    let client = Client::of(&world.service);
    let status = |path: &'static str| {
        let client = client.clone();
        async move { client.send(Method::GET, path, &[], vec![]).await.status }
    };
    assert_eq!(status("/health").await, StatusCode::OK);
    assert_eq!(status("/ready").await, StatusCode::SERVICE_UNAVAILABLE);
    world.service.loaded().await;
    assert_eq!(status("/ready").await, StatusCode::OK);
    world.service.shutdown(Duration::ZERO).await;
    assert_eq!(status("/ready").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status("/health").await, StatusCode::OK);
    assert_eq!(client.chat(&chat("m", "hello", false)).await.status, StatusCode::SERVICE_UNAVAILABLE);
}
