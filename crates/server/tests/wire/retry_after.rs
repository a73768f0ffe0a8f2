//! When a refused client is told to come back: as long as the holds that were measured say that the queue takes.
//!
//! Method of all: holds of known length come first, in virtual time. Then a client holds each lane for an hour and two more
//! wait, so that what is told depends on the holds before, on the waiters and on the lanes, and on nothing else.

use std::sync::Arc;
use std::time::Duration;

use backend::{ModelSource, ModelSpec};
use backend_mock::{MockBackend, MockConfig, ModelScript, Reply};
use serde_json::{Value, json};
use server::AppOptions;
use serving::{ModelConfig, Service, ServiceConfig, Tier};
use tokio::time::sleep;

use super::support::{Answer, Client, Server};

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(1);

/// A token a second, and one for the end: a text of so many bytes holds a lane for one second more.
async fn server(seconds: &[usize], lanes: u32) -> Server {
    let texts = seconds.iter().map(|&seconds| "x".repeat(seconds - 1)).chain((0..9).map(|_| "y".repeat(3600)));
    let script =
        ModelScript { time_per_token: SECOND, reply: Reply::Script(texts.collect()), ..ModelScript::default() };
    let spec = ModelSpec { lanes, ..ModelSpec::new("m", ModelSource::File("m.gguf".into())) };
    let config = ServiceConfig {
        models: vec![ModelConfig { queue_max: 2, max_tokens: 3600, ..ModelConfig::new(spec) }],
        tiers: [(Tier::Fast, "m".to_owned())].into(),
        ..ServiceConfig::default()
    };
    let mock = MockBackend::new(MockConfig::default().with_model("m", script));
    let service = Service::start(config, Arc::new(mock)).expect("a consistent configuration");
    service.loaded().await;
    Server { service, options: AppOptions::default() }
}

/// Lets the holds be measured, one after the other, and then everything be taken. Returns who stays.
async fn crowd(server: &Server, n_holds: usize, lanes: usize, waiting: usize) -> Vec<Client> {
    for _ in 0..n_holds {
        assert_eq!(ask(server, "/v1/chat/completions", "").await.status, 200);
    }
    let mut clients = Vec::new();
    for _ in 0..lanes + waiting {
        let mut client = server.connect();
        client.chat(true).await;
        sleep(STEP).await;
        clients.push(client);
    }
    assert_eq!(server.service.models()[0].waiting.len(), waiting);
    clients
}

/// The same question in each protocol.
async fn ask(server: &Server, path: &str, headers: &str) -> Answer {
    let turn = json!([{"role": "user", "content": "hi"}]);
    let body: Value = match path {
        "/chat" | "/chat/stream" => json!({"message": "hi", "mode": "chat"}),
        "/completion" => json!({"prompt": "hi"}),
        "/v1/responses" => json!({"model": "m", "input": "hi"}),
        "/v1/messages" => json!({"model": "m", "messages": turn, "max_tokens": 3600}),
        _ => json!({"model": "m", "messages": turn}),
    };
    server.connect().post(path, headers, &body).await
}

fn retry_after(answer: &Answer) -> Option<u64> {
    let value = answer.head.lines().find_map(|line| line.strip_prefix("retry-after: "))?;
    Some(value.parse().expect("whole seconds"))
}

/// Each hold moves the mean by an eighth: after 2 s and 10 s it is 3 s.
#[tokio::test(start_paused = true)]
async fn a_full_queue_says_when_a_lane_is_likely_by_what_holds_took() {
    for (holds, lanes, expected) in [
        (&[2][..], 1, 6),
        (&[10], 1, 30),
        (&[2, 10], 1, 9),
        // Two lanes: half as long, rounded up.
        (&[2], 2, 3),
        (&[3], 2, 5),
        // Nothing was measured.
        (&[], 1, 1),
    ] {
        let server = server(holds, lanes).await;
        let _others = crowd(&server, holds.len(), lanes as usize, 2).await;
        for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/completion", "/chat", "/chat/stream"] {
            let refused = ask(&server, path, "").await;
            let status = if path.starts_with("/chat") { 503 } else { 429 };
            assert_eq!((refused.status, retry_after(&refused)), (status, Some(expected)), "{holds:?} {lanes} {path}");
        }
    }
}

/// Whoever has waited in vain leaves the queue, and would stand behind the other one if it came back.
#[tokio::test(start_paused = true)]
async fn a_wait_in_vain_says_the_same_without_counting_itself() {
    for (holds, others, expected) in [(&[2][..], 0, 2), (&[2], 1, 4), (&[10], 1, 20), (&[2, 10], 0, 3), (&[], 1, 1)] {
        let server = server(holds, 1).await;
        let _others = crowd(&server, holds.len(), 1, others).await;
        for path in ["/v1/chat/completions", "/v1/messages", "/chat"] {
            let refused = ask(&server, path, "x-queue-timeout-ms: 1500\r\n").await;
            assert_eq!((refused.status, retry_after(&refused)), (503, Some(expected)), "{holds:?} {others} {path}");
        }
    }
}
