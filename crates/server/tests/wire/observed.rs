//! What the server tells of itself: where the time of an answer went, its trace, counts, and how busy the machine is.

use std::sync::Arc;
use std::time::Duration;

use backend::{Backend, ModelSource, ModelSpec, SavedStates};
use backend_mock::{MockBackend, MockConfig, ModelScript};
use serde_json::{Value, json};
use server::{AppOptions, HttpLimits, Metrics};
use serving::{ModelConfig, Service, ServiceConfig};

use super::fake::Fake;
use super::support::{Answer, Server, hundred_ms};

fn chat(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
}

/// A model that takes 2 s to load, and then 10 ms for each of nine tokens and for their end.
async fn loading() -> Server {
    Server::begin(ModelScript { load_time: Duration::from_secs(2), ..hundred_ms() }, HttpLimits::default())
}

/// Method: in virtual time every part has the length that the script gives it.
#[tokio::test(start_paused = true)]
async fn the_parts_of_an_answers_time_are_told_in_header_and_body() {
    let server = loading().await;
    let body = chat(false);
    let (first, second) = tokio::join!(
        server.connect().post("/v1/chat/completions", "", &body),
        server.connect().post("/v1/chat/completions", "", &body),
    );
    let header = "server-timing: load;dur=2000.000, wait;dur=2000.000, prefill;dur=10.000, decode;dur=";
    assert!(first.head.contains(header), "{}", first.head);
    let [first, second] = [first, second].map(|answer| answer.json()["timings"].clone());
    assert_eq!(
        (&first["loaded_ms"], &first["waited_ms"], &first["prompt_ms"]),
        (&json!(2000.0), &json!(2000.0), &json!(10.0))
    );
    assert_eq!((&second["loaded_ms"], &second["waited_ms"]), (&json!(2000.0), &json!(2100.0)), "one behind the other");
    assert_eq!(first["predicted_n"], 10);
    let predicted = first["predicted_ms"].as_f64().expect("a number");
    assert!((80.0..=90.0).contains(&predicted) && first["predicted_per_second"].as_f64() > Some(100.0), "{first}");
}

/// The header of a stream goes out with the first token; what comes later is in the last chunk.
#[tokio::test(start_paused = true)]
async fn a_stream_tells_its_times_in_the_chunk_that_ends_the_answer() {
    let server = loading().await;
    let answer = server.connect().post("/v1/chat/completions", "", &chat(true)).await;
    assert!(answer.head.contains("server-timing: load;dur=2000.000, wait;dur=2000.000, prefill;dur=10.000\r\n"));
    let events = answer.events();
    let timed: Vec<_> = events.iter().filter(|event| event["timings"].is_object()).collect();
    assert_eq!((timed.len(), &timed[0]["choices"][0]["finish_reason"]), (1, &json!("stop")));
    let body = json!({"model": "m", "prompt": "hi", "stream": true});
    let pieces = server.connect().post("/v1/completions", "", &body).await.events();
    let timed: Vec<_> = pieces.iter().filter(|event| event["timings"].is_object()).collect();
    assert_eq!((timed.len(), &timed[0]["timings"]["loaded_ms"]), (1, &json!(0.0)), "it was loaded by then");
}

/// Several choices have several lanes' times, which overlap.
#[tokio::test(start_paused = true)]
async fn several_choices_have_no_times_of_their_own() {
    let server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let body = json!({"model": "m", "n": 2, "messages": [{"role": "user", "content": "hi"}]});
    let answer = server.connect().post("/v1/chat/completions", "", &body).await;
    assert_eq!((answer.status, &answer.json()["timings"]), (200, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_trace_goes_through_and_nobody_else_gets_one() {
    let server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-";
    let headers = format!("traceparent: {trace}00f067aa0ba902b7-01\r\n");
    for path in ["/v1/chat/completions", "/no-such-path"] {
        let answer = server.connect().post(path, &headers, &chat(false)).await;
        assert!(answer.head.contains(&format!("\r\ntraceparent: {trace}")), "{answer:?}");
        assert!(!answer.head.contains("00f067aa0ba902b7"), "the span is the request's own");
    }
    let answer = server.connect().post("/v1/chat/completions", "traceparent: 00-0-0-0\r\n", &chat(false)).await;
    assert!(answer.status == 200 && !answer.head.contains("traceparent"), "{answer:?}");
}

fn value(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// A server that counts, over this engine.
async fn counting(engine: impl Backend) -> Server {
    let model = ModelConfig::new(ModelSpec::new("m", ModelSource::File("m.gguf".into())));
    let config = ServiceConfig { models: vec![model], ..ServiceConfig::default() };
    let metrics = Metrics::default();
    let service = Service::start_observed(config, Arc::new(engine), metrics.observer()).expect("consistent");
    service.loaded().await;
    Server { service, options: AppOptions { metrics, ..AppOptions::default() } }
}

fn assert_values(page: &str, expected: &[(&str, f64)]) {
    for (name, expected) in expected {
        let found = value(page, name).unwrap_or_else(|| panic!("{name} is not in {page}"));
        assert!((found - expected).abs() < 1e-9, "{name}: {found} instead of {expected}");
    }
}

/// Method: one request is answered, one is refused by its prompt, and one holds the lane while another waits.
#[tokio::test(start_paused = true)]
async fn metrics_tell_queues_waits_holds_and_tokens_of_every_model() {
    let server = counting(MockBackend::new(MockConfig::default().with_model("m", hundred_ms()))).await;
    assert_eq!(server.connect().post("/v1/chat/completions", "", &chat(false)).await.status, 200);
    assert_eq!(server.connect().post("/v1/chat/completions", "", &json!({})).await.status, 400);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.chat(true).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let page = server.connect().ask("GET", "/metrics").await;
    assert!(page.contains("content-type: application/openmetrics-text; version=1.0.0"), "{page}");
    assert!(page.ends_with("# EOF\n"), "{page}");
    let expected = [
        ("edison_requests_total{model=\"m\",class=\"normal\",outcome=\"finished\"}", 1.0),
        ("edison_grants_total{model=\"m\"}", 1.0),
        ("edison_request_wait_seconds_count{model=\"m\",class=\"normal\"}", 1.0),
        ("edison_request_wait_seconds_sum{model=\"m\",class=\"normal\"}", 0.0),
        ("edison_request_hold_seconds_sum{model=\"m\"}", 0.1),
        ("edison_first_token_seconds_sum{model=\"m\"}", 0.01),
        ("edison_generated_tokens_total{model=\"m\"}", 10.0),
        ("edison_queue_length{model=\"m\"}", 1.0),
        ("edison_queue_limit{model=\"m\"}", 64.0),
        ("edison_lanes{model=\"m\",state=\"busy\"}", 1.0),
        ("edison_lanes{model=\"m\",state=\"free\"}", 0.0),
        ("edison_model_ready{model=\"m\"}", 1.0),
        ("edison_http_responses_total{status=\"400\"}", 1.0),
        ("edison_draft_tokens_total{model=\"m\"}", 0.0),
        ("edison_saved_states_bytes{model=\"m\"}", 0.0),
    ];
    assert_values(&page, &expected);
    assert!(value(&page, "edison_prompt_tokens_total{model=\"m\"}") > Some(0.0), "{page}");
}

/// Method: an engine that says how much it guessed and keeps. Two are answered and one leaves in the middle, of whom it does
/// not say. Then the model is let go, and whatever was kept with it.
#[tokio::test(start_paused = true)]
async fn what_an_engine_spared_itself_is_told_in_metrics_and_by_each_hold() {
    let saved_states = SavedStates { bytes: 4096, restored: 3, evicted: 2 };
    let server = counting(Fake { drafts: (7, 5), saved_states, ..Fake::saying(&["a", "b", "c"]) }).await;
    for _ in 0..2 {
        assert_eq!(server.connect().post("/v1/chat/completions", "", &chat(false)).await.status, 200);
    }
    let mut leaver = server.connect();
    leaver.chat(true).await;
    leaver.read_until("\"a\"").await;
    drop(leaver);
    server.at_rest().await;
    let page = server.connect().ask("GET", "/metrics").await;
    let expected = [
        ("edison_cached_prompt_tokens_total{model=\"m\"}", 2.0),
        ("edison_draft_tokens_total{model=\"m\"}", 14.0),
        ("edison_draft_accepted_tokens_total{model=\"m\"}", 10.0),
        ("edison_saved_states_bytes{model=\"m\"}", 4096.0),
        ("edison_saved_states_restored_total{model=\"m\"}", 3.0),
        ("edison_saved_states_evicted_total{model=\"m\"}", 2.0),
    ];
    assert_values(&page, &expected);
    let locks = Answer::read(&server.connect().ask("GET", "/locks").await).json();
    let told = |hold: &Value| ["cached_tokens", "drafted_tokens", "accepted_tokens"].map(|name| hold[name].clone());
    let holds: Vec<_> = locks["models"][0]["history"].as_array().expect("holds").iter().map(told).collect();
    assert_eq!(holds, [[1, 7, 5], [1, 7, 5], [0, 0, 0]].map(|hold| hold.map(Value::from)));
    let props = Answer::read(&server.connect().ask("GET", "/props").await).json();
    assert_eq!(props["saved_states"], json!({"bytes": 4096, "restored": 3, "evicted": 2}));
    server.service.unload("m").await.expect("it can be let go");
    assert_values(&server.connect().ask("GET", "/metrics").await, &[("edison_saved_states_bytes{model=\"m\"}", 0.0)]);
}

/// What EDISON's page formats without looking: five numbers.
#[tokio::test]
async fn the_machine_is_shown_in_the_numbers_that_the_web_page_reads() {
    let server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let answer = server.connect().ask("GET", "/system/stats").await;
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    for field in ["cpu_percent", "gpu_percent", "ram_used_gb", "ram_total_gb", "temp_c"] {
        assert!(body[field].is_number(), "{field} in {body}");
    }
}
