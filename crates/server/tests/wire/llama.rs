//! The paths of llama-server.

use std::sync::Arc;
use std::time::Duration;

use backend::{ModelSource, ModelSpec, Tuning};
use backend_mock::{MockBackend, MockConfig, ModelScript};
use serde_json::{Value, json};
use server::{AppOptions, HttpLimits};
use serving::{ModelConfig, Service, ServiceConfig};

use super::fake::{Fake, likely};
use super::support::{Server, hundred_ms};

#[tokio::test(start_paused = true)]
async fn a_text_is_continued_whole_and_in_pieces() {
    let fake = Fake::new(|_| vec![likely("c", -0.5), likely("d", -1.0)]);
    let server = Server::playing(&fake).await;
    let post = |fields: Value| {
        let client = server.connect();
        async move { client.post("/completion", "", &fields).await }
    };
    let answer = post(json!({"prompt": "ab", "n_predict": 9, "n_probs": 1})).await.json();
    assert_eq!(
        (&answer["content"], &answer["stop"], &answer["stop_type"]),
        (&json!("cd"), &json!(true), &json!("eos"))
    );
    let counts = ["tokens_evaluated", "tokens_cached", "tokens_predicted"].map(|field| answer[field].as_u64());
    assert_eq!(counts, [Some(2), Some(1), Some(2)]);
    assert_eq!(answer["completion_probabilities"][1]["token"], "d");
    let timings = &answer["timings"];
    assert_eq!((&timings["prompt_n"], &timings["prompt_ms"]), (&json!(1), &json!(10.0)));
    assert_eq!((&timings["predicted_ms"], &timings["predicted_per_second"]), (&json!(10.0), &json!(200.0)));
    assert_eq!(post(json!({"prompt": [97], "n_predict": 2})).await.json()["stop_type"], "limit");

    let events = post(json!({"prompt": "ab", "stream": true})).await.events();
    let pieces: Vec<_> =
        events.iter().map(|event| (event["content"].as_str().unwrap(), event["stop"] == true)).collect();
    assert_eq!(pieces, [("c", false), ("d", false), ("", true)]);
    assert_eq!(events[2]["tokens_predicted"], 2);
}

/// S6: what is shown of a model is shown while it is busy.
#[tokio::test(start_paused = true)]
async fn props_and_slots_show_a_model_and_its_lanes() {
    let server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let get = async |path: &str| {
        let answer = server.connect().ask("GET", path).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.split(' ').nth(1).unwrap().to_owned(), serde_json::from_str::<Value>(body).expect("JSON"))
    };
    let mut client = server.connect();
    client.chat(true).await;
    client.read_until("\"content\":\"2\"}").await;
    for path in ["/slots", "/slots?model=m", "/slots?model=fast", "/slots?model=org%2Falias"] {
        let (status, slots) = get(path).await;
        let expected = json!([{
            "id": 0, "id_task": 1, "n_ctx": 4096, "speculative": false, "is_processing": true,
            "params": {"lora": []}, "next_token": {"has_next_token": true, "n_decoded": 2},
        }]);
        assert_eq!((status.as_str(), slots), ("200", expected), "{path}");
    }
    let (status, props) = get("/props").await;
    assert_eq!((status.as_str(), &props["total_slots"], &props["model_alias"]), ("200", &json!(1), &json!("m")));
    assert_eq!(props["default_generation_settings"]["n_ctx"], 4096);
    for path in ["/props?model=none", "/slots?model=none"] {
        let (status, error) = get(path).await;
        assert_eq!((status.as_str(), &error["error"]["code"]), ("404", &json!("model_not_found")));
    }
}

#[tokio::test(start_paused = true)]
async fn slots_say_whether_tokens_are_guessed() {
    for (draft_tokens, speculative) in [(0, "\"speculative\":false"), (1, "\"speculative\":true")] {
        let tuning = Tuning { draft_tokens, ..Tuning::default() };
        let spec = ModelSpec { tuning, ..ModelSpec::new("m", ModelSource::File("m.gguf".into())) };
        let config = ServiceConfig { models: vec![ModelConfig::new(spec)], ..ServiceConfig::default() };
        let engine = MockBackend::new(MockConfig::default().with_model("m", hundred_ms()));
        let service = Service::start(config, Arc::new(engine)).expect("consistent");
        service.loaded().await;
        let server = Server { service, options: AppOptions::default() };
        let page = server.connect().ask("GET", "/slots").await;
        assert!(page.contains(speculative), "{draft_tokens}: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_loads_has_no_props_yet() {
    let slow = ModelScript { load_time: Duration::from_secs(1), ..hundred_ms() };
    let server = Server::begin(slow, HttpLimits::default());
    let answer = server.connect().ask("GET", "/props").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("model_loading"), "{answer}");
}
