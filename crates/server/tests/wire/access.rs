//! Who is served: API keys, and web pages.

use std::time::Duration;

use backend::{ModelSource, ModelSpec};
use backend_mock::{MockBackend, MockConfig};
use serde_json::{Value, json};
use server::{ApiKeys, AppOptions, HttpLimits, Origins};
use serving::{Limits, ModelConfig, Service, ServiceConfig};

use super::support::{Client, Server, hundred_ms};

const KEYS: &str = "alice=0123456789abcdef\nbob=fedcba9876543210";
const ALICE: &str = "authorization: Bearer 0123456789abcdef\r\n";
const BOB: &str = "x-api-key: fedcba9876543210\r\n";

async fn server() -> Server {
    let mut server = Server::start(hundred_ms(), HttpLimits::default()).await;
    server.options.keys = ApiKeys::parse(KEYS).expect("good keys");
    server
}

fn chat() -> Value {
    json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})
}

async fn get(server: &Server, path: &str, headers: &str) -> String {
    let mut client = server.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{headers}\r\n")).await;
    client.rest().await
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_key_is_served_under_its_name() {
    let server = server().await;
    for (headers, name) in [(ALICE, "alice"), (BOB, "bob"), ("authorization: bEARER  0123456789abcdef\r\n", "alice")] {
        let answer = server.connect().post("/v1/chat/completions", headers, &chat()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let last = server.service.models()[0].history.last().cloned().expect("it held the lane");
        assert_eq!(last.client.as_deref(), Some(name));
    }
}

/// Each protocol's clients read the refusal in their own words, and no word of it is a key.
#[tokio::test(start_paused = true)]
async fn without_a_key_the_answer_is_401_in_the_words_of_the_protocol() {
    let server = server().await;
    for headers in ["", "authorization: Bearer 0123456789abcdeX\r\n", "authorization: Basic 0123456789abcdef\r\n"] {
        let answer = server.connect().post("/v1/chat/completions", headers, &chat()).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("invalid_api_key")), "{headers}");
        assert!(answer.head.contains("www-authenticate: Bearer"), "{answer:?}");
        let answer = server.connect().post("/v1/messages", headers, &chat()).await;
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (401, &json!("authentication_error")));
        let answer = server.connect().post("/chat", headers, &json!({"message": "hi"})).await;
        assert!(answer.status == 401 && answer.json()["detail"].is_string(), "{answer:?}");
        assert!(!answer.body.contains("abcde"), "{answer:?}");
    }
    assert_eq!(server.service.models()[0].granted_total, 0, "nothing reached the model");
}

/// What is not there and what is closed look the same to somebody without a key.
#[tokio::test(start_paused = true)]
async fn only_health_is_open() {
    let server = server().await;
    for path in ["/ready", "/locks", "/v1/models", "/", "/no-such-path", "/healthy", "/health/"] {
        assert!(get(&server, path, "").await.starts_with("HTTP/1.1 401 "), "{path}");
    }
    assert!(get(&server, "/health", "").await.starts_with("HTTP/1.1 200 "));
    assert!(get(&server, "/locks", ALICE).await.starts_with("HTTP/1.1 200 "));
}

/// A body that would have been refused is not even read.
#[tokio::test(start_paused = true)]
async fn a_stranger_is_refused_before_its_body_has_come() {
    let mut client = server().await.connect();
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\n{").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 401 "));
}

fn preflight(origin: &str) -> String {
    format!(
        "origin: {origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: content-type, x-api-key\r\n"
    )
}

async fn options(server: &Server, headers: &str) -> String {
    let mut client = server.connect();
    client.send(format!("OPTIONS /chat/stream HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{headers}\r\n")).await;
    client.rest().await
}

/// As EDISON's page does it: served by this machine on another port, with JSON, before any key is known.
#[tokio::test(start_paused = true)]
async fn a_page_of_this_machine_may_ask_and_read() {
    let server = server().await;
    let answer = options(&server, &preflight("http://localhost:8080")).await;
    for part in [
        "HTTP/1.1 200 ",
        "access-control-allow-origin: http://localhost:8080\r\n",
        "access-control-allow-methods: GET,POST\r\n",
        "access-control-allow-headers: content-type, x-api-key\r\n",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    let page = "origin: http://localhost:8080\r\n";
    let answer = server.connect().post("/chat", &format!("{page}{ALICE}"), &json!({"message": "hi"})).await;
    assert!(answer.status == 200 && answer.head.contains("access-control-allow-origin: http://localhost:8080"));
    assert!(answer.head.contains("access-control-expose-headers: x-request-id,"), "{answer:?}");
    let answer = server.connect().post("/chat", ALICE, &json!({"message": "hi"})).await;
    assert!(!answer.head.contains("access-control"), "who is no page hears nothing of it: {answer:?}");
    // Why it was not let in, it can read as well.
    let answer = server.connect().post("/chat", page, &json!({"message": "hi"})).await;
    assert!(answer.status == 401 && answer.head.contains("access-control-allow-origin: http://localhost:8080"));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_elsewhere_reads_nothing_and_makes_no_work() {
    let mut server = Server::start(hundred_ms(), HttpLimits::default()).await;
    let answer = options(&server, &preflight("https://evil.example")).await;
    assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    let page = "origin: https://evil.example\r\n";
    let answer = server.connect().post("/v1/chat/completions", page, &chat()).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &json!("origin_not_allowed")));
    assert!(!answer.head.contains("access-control-allow-origin"), "{answer:?}");
    assert_eq!(server.service.models()[0].granted_total, 0, "nothing reached the model");
    server.options.origins = Origins::new(vec!["https://evil.example".into()]).expect("an origin");
    let answer = server.connect().post("/v1/chat/completions", page, &chat()).await;
    assert!(answer.status == 200 && answer.head.contains("access-control-allow-origin: https://evil.example"));
}

/// The order in which names got the model, with and without a fair share.
/// Method: alice asks three times and bob once behind her, while her first request holds the lane.
async fn order(fair_share: bool) -> Vec<String> {
    let mock = MockBackend::new(MockConfig::default().with_model("m", hundred_ms()));
    let model = ModelConfig::new(ModelSpec::new("m", ModelSource::File("m.gguf".into())));
    let limits = Limits { fair_share, ..Limits::default() };
    let config = ServiceConfig { models: vec![model], limits, ..ServiceConfig::default() };
    let service = Service::start(config, std::sync::Arc::new(mock)).expect("a consistent configuration");
    service.loaded().await;
    let options = AppOptions { keys: ApiKeys::parse(KEYS).expect("good keys"), ..AppOptions::default() };
    let server = Server { service, options };
    let mut clients: Vec<Client> = Vec::new();
    for key in [ALICE, ALICE, ALICE, BOB] {
        let body = chat().to_string();
        let length = body.len();
        let mut client = server.connect();
        client.send(super::support::post(&format!("{key}content-length: {length}\r\n\r\n{body}"))).await;
        // Each stands in the queue before the next one comes.
        tokio::time::sleep(Duration::from_millis(1)).await;
        clients.push(client);
    }
    for client in &mut clients {
        assert!(client.read_answer().await.starts_with("HTTP/1.1 200 "));
    }
    server.service.models()[0].history.iter().map(|outcome| outcome.client.clone().expect("a name")).collect()
}

#[tokio::test(start_paused = true)]
async fn with_a_fair_share_the_name_of_the_key_decides_who_is_next() {
    assert_eq!(order(true).await, ["alice", "bob", "alice", "alice"]);
    assert_eq!(order(false).await, ["alice", "alice", "alice", "bob"]);
}
