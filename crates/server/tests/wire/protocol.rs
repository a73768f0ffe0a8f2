//! The shapes of answers: paths, methods, ids, listings, and HTTP/2.

use std::time::Duration;

use backend_mock::ModelScript;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use server::HttpLimits;
use serving::LoadState;

use super::support::{Server, hundred_ms};

async fn server() -> Server {
    Server::start(hundred_ms(), HttpLimits::default()).await
}

/// The head, and the body as JSON.
fn parts(answer: &str) -> (String, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods_are_answered_in_the_style_of_their_readers() {
    let server = server().await;
    let rows = [
        ("GET", "/v1/nothing", "404 Not Found", "unknown_path"),
        ("GET", "/v1/models/none", "404 Not Found", "model_not_found"),
        ("GET", "/v1/chat/completions", "405 Method Not Allowed", "method_not_allowed"),
        ("GET", "/v1/models/%ff", "400 Bad Request", "invalid_request_error"),
        ("DELETE", "/v1/models", "405 Method Not Allowed", "method_not_allowed"),
    ];
    for (method, path, status, code) in rows {
        let (head, body) = parts(&server.connect().ask(method, path).await);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{method} {path}: {head}");
        assert_eq!(body["error"]["code"], code, "{method} {path}");
        assert_eq!(body["error"]["type"], "invalid_request_error", "{method} {path}");
    }
    for (method, path, status) in [("GET", "/nothing", "404"), ("POST", "/locks", "405"), ("GET", "/v1x", "404")] {
        let (head, body) = parts(&server.connect().ask(method, path).await);
        assert!(head.contains(status), "{method} {path}: {head}");
        assert!(body["detail"].is_string(), "{method} {path}: {body}");
    }
    let (head, _) = parts(&server.connect().ask("GET", "/v1/chat/completions").await);
    assert!(head.contains("allow: POST"), "{head}");
    let (head, _) = parts(&server.connect().ask("PUT", "/locks").await);
    assert!(head.contains("allow: GET,HEAD"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_an_id() {
    let server = server().await;
    for path in ["/", "/health", "/nothing", "/v1/models"] {
        let (head, _) = parts(&server.connect().ask("GET", path).await);
        assert!(head.contains("x-request-id: t-"), "{path}: {head}");
    }
    let mut client = server.connect();
    client.send("GET /health HTTP/1.1\r\nhost: h\r\nx-request-id: mine\r\nconnection: close\r\n\r\n").await;
    assert!(client.rest().await.contains("x-request-id: mine\r\n"));
}

#[tokio::test(start_paused = true)]
async fn models_and_tiers_are_listed_and_found_by_every_name() {
    let server = server().await;
    let (_, list) = parts(&server.connect().ask("GET", "/v1/models").await);
    let object = |id: &str, aliases: Value| {
        json!({
            "id": id,
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "edison",
            "root": "m",
            "state": "ready",
            "aliases": aliases,
            "adapters": [],
            "context_len": 4096,
            "capabilities": ["generation", "tools", "constraints", "logprobs", "embeddings", "rerank", "vision"],
        })
    };
    let model = object("m", json!(["fast", "org/alias"]));
    let tier = object("fast", json!(["m", "org/alias"]));
    assert_eq!(list, json!({"object": "list", "data": [model, tier]}));
    for (path, found) in [("m", &model), ("fast", &tier), ("org/alias", &model), ("org%2Falias", &model)] {
        let (_, body) = parts(&server.connect().ask("GET", &format!("/v1/models/{path}")).await);
        assert_eq!(&body, found, "{path}");
    }
}

/// The context is known once the model is loaded, and not before.
#[tokio::test(start_paused = true)]
async fn a_model_that_loads_is_listed_without_its_context() {
    let slow = ModelScript { load_time: Duration::from_secs(1), ..hundred_ms() };
    let server = Server::begin(slow, HttpLimits::default());
    for (state, context_len) in [("loading", Value::Null), ("ready", json!(4096)), ("ready", json!(4096))] {
        let (_, model) = parts(&server.connect().ask("GET", "/v1/models/m").await);
        assert_eq!((&model["state"], &model["context_len"]), (&json!(state), &context_len));
        server.service.loaded().await;
    }
}

/// Why a model failed may name files, and anybody can ask.
#[tokio::test(start_paused = true)]
async fn ready_says_that_a_model_failed_and_not_in_the_engines_words() {
    let broken = ModelScript { load_failures: u32::MAX, ..hundred_ms() };
    let server = Server::start(broken, HttpLimits::default()).await;
    let LoadState::Failed { reason, .. } = server.service.models()[0].state.clone() else { panic!("it was loaded") };
    let (head, body) = parts(&server.connect().ask("GET", "/ready").await);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!((&body["models"]["m"]["state"], &body["ready"]), (&json!("failed"), &json!(false)));
    assert!(body.to_string().contains("the server's log says why") && !body.to_string().contains(&reason), "{body}");
}

/// The view during a hold, and the record after it.
#[tokio::test(start_paused = true)]
async fn locks_tell_who_holds_who_waits_and_who_held() {
    let server = server().await;
    let (mut first, mut second) = (server.connect(), server.connect());
    first.chat(true).await;
    first.read_until("\"content\":\"2\"}").await;
    second.chat(false).await;
    // The second one's request is read before the time moves.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (_, now) = parts(&server.connect().ask("GET", "/locks").await);
    let model = &now["models"][0];
    assert_eq!((&model["id"], &model["state"], &model["queue_max"]), (&json!("m"), &json!("ready"), &json!(64)));
    assert_eq!(model["lanes"][0]["state"], "leased");
    let holder = &model["lanes"][0]["holder"];
    assert_eq!(holder["request_id"], "t-1");
    assert_eq!((&holder["phase"], &holder["tokens"]), (&json!("decode"), &json!(2)));
    let waiter = &model["waiting"][0];
    assert_eq!(
        (&waiter["position"], &waiter["request_id"], &waiter["class"]),
        (&json!(1), &json!("t-2"), &json!("normal"))
    );
    first.read_until("0\r\n\r\n").await;
    second.read_answer().await;
    let (_, then) = parts(&server.connect().ask("GET", "/locks").await);
    let history = then["models"][0]["history"].as_array().expect("a list").clone();
    let summary: Vec<_> =
        history.iter().map(|hold| (&hold["request_id"], &hold["outcome"], &hold["hold_ms"])).collect();
    let (finished, hundred) = (json!("finished"), json!(100.0));
    assert_eq!(summary, [(&json!("t-1"), &finished, &hundred), (&json!("t-2"), &finished, &hundred)]);
    assert!(history[0]["released_ms"].as_f64() <= history[1]["granted_ms"].as_f64(), "{history:?}");
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_says_who_answered_and_how_long_it_waited() {
    let server = server().await;
    let mut client = server.connect();
    client.chat(false).await;
    let (head, body) = parts(&client.read_answer().await);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for header in ["x-edison-model: m", "x-edison-wait-ms: 0", "x-edison-ticket: "] {
        assert!(head.contains(header), "{head} has no {header:?}");
    }
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["created"], 1_700_000_000);
    assert_eq!(body["model"], "m");
    assert_eq!(body["choices"][0]["message"]["content"], "123456789");
    assert_eq!(body["usage"]["completion_tokens"], 10);
}

/// HTTP/2 without TLS, as proxies speak it.
#[tokio::test(start_paused = true)]
async fn http2_is_spoken_too() {
    let server = server().await;
    let io = TokioIo::new(server.connect().into_io());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a handshake");
    let connection = tokio::spawn(connection);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true}).to_string();
    let request = http::Request::post("http://h/v1/chat/completions").body(Full::<bytes::Bytes>::from(body));
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    drop(sender);
    connection.await.expect("no panic").expect("the connection ends in order");
}
