//! A client that streams can be told where its request is while it waits, and what that costs: a refusal that comes
//! later is an event.

use std::sync::Arc;
use std::time::Duration;

use backend_mock::ModelScript;
use serde_json::{Value, json};
use server::HttpLimits;
use tokio::time::{Instant, sleep};

use super::fake::Fake;
use super::support::{Answer, Client, Server, hundred_ms};

const PATH: &str = "/v1/chat/completions";
const SECOND: Duration = Duration::from_secs(1);

fn chat() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true})
}

/// A server whose every answer takes ten seconds, which it has measured once.
async fn slow(limits: HttpLimits) -> Server {
    let fake = Fake { time_per_token: 5 * SECOND, ..Fake::saying(&["a", "b"]) };
    let server = Server::over(Arc::new(fake), limits, 1);
    server.service.loaded().await;
    ask(&server, "").await;
    server
}

async fn ask(server: &Server, headers: &str) -> Answer {
    server.connect().post(PATH, headers, &chat()).await
}

fn begin(server: &Server) -> tokio::task::JoinHandle<Answer> {
    let client: Client = server.connect();
    tokio::spawn(async move { client.post(PATH, "", &chat()).await })
}

fn comments(answer: &Answer) -> Vec<&str> {
    answer.frames().into_iter().filter(|frame| frame.starts_with(':')).collect()
}

/// Method: two others are ahead. Comments come every four seconds from the fourth on while nothing else does: while
/// they are answered, and before each of the two tokens.
#[tokio::test(start_paused = true)]
async fn a_client_that_asks_for_it_is_told_its_place_while_it_waits() {
    let server = slow(HttpLimits::default()).await;
    let others = [begin(&server), begin(&server)];
    sleep(Duration::from_millis(1)).await;
    let answer = ask(&server, "x-edison-keep-alive-ms: 4000\r\n").await;
    assert_eq!(answer.status, 200);
    let (first, second) = (": queue position=2 eta_ms=20000", ": queue position=1 eta_ms=10000");
    assert_eq!(comments(&answer), [first, first, second, second, ": prefill", ": prefill", ": decode"]);
    let events = answer.events();
    assert_eq!((events[0]["model"].as_str(), events.last()), (Some("m"), Some(&json!("[DONE]"))));
    assert!(!answer.head.contains("x-edison-ticket"), "it was not known: {}", answer.head);
    for other in others {
        assert!(comments(&other.await.expect("no panic")).is_empty(), "nobody else asked for comments");
    }
}

/// The configuration can ask for everybody; who gets the lane in time sees no comment, and the headers.
#[tokio::test(start_paused = true)]
async fn who_does_not_wait_that_long_gets_the_usual_answer() {
    let server = slow(HttpLimits { keep_alive: Some(6 * SECOND), ..HttpLimits::default() }).await;
    let answer = ask(&server, "").await;
    assert!(answer.head.contains("x-edison-ticket: 2"), "{}", answer.head);
    assert!(comments(&answer).is_empty(), "{answer:?}");
}

/// The same refusal: with its status where the client waits in silence or not long enough, as an event where a comment
/// has begun the answer. A stream that ends so has no `[DONE]`.
#[tokio::test(start_paused = true)]
async fn a_refusal_after_the_first_comment_is_an_event() {
    let server = slow(HttpLimits::default()).await;
    let timeout = "x-edison-queue-timeout-ms: 3000\r\n";
    let rows = [("", 503), ("x-edison-keep-alive-ms: 3500\r\n", 503), ("x-edison-keep-alive-ms: 2000\r\n", 200)];
    for (keep_alive, status) in rows {
        let other = begin(&server);
        sleep(Duration::from_millis(1)).await;
        let begun = Instant::now();
        let answer = ask(&server, &format!("{timeout}{keep_alive}")).await;
        assert_eq!((answer.status, begun.elapsed()), (status, 3 * SECOND), "{keep_alive}");
        let error = if status == 200 {
            assert_eq!(answer.frames().len(), 2, "a comment and the error: {answer:?}");
            answer.events().remove(0)
        } else {
            answer.json()
        };
        assert_eq!(error["error"]["code"], "queue_timeout", "{answer:?}");
        other.await.expect("no panic");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_model_loads_the_share_that_is_done_is_told() {
    let slow = ModelScript { load_time: 3 * SECOND, ..hundred_ms() };
    let server = Server::begin(slow, HttpLimits::default());
    let answer = ask(&server, "x-edison-keep-alive-ms: 2000\r\n").await;
    let comments = comments(&answer);
    assert!(comments.len() == 1 && comments[0].starts_with(": loading progress=0."), "{comments:?}");
    assert_eq!(answer.events().last(), Some(&json!("[DONE]")));
}

/// Whoever has begun to be answered and leaves is gone like everybody else (S4).
#[tokio::test(start_paused = true)]
async fn leaving_between_two_comments_frees_the_place() {
    let server = slow(HttpLimits::default()).await;
    let other = begin(&server);
    sleep(Duration::from_millis(1)).await;
    let mut client = server.connect();
    let body = chat().to_string();
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: h\r\nx-edison-keep-alive-ms: 1000\r\n");
    client.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    client.read_until("\n\n\r\n").await;
    assert_eq!(server.service.models()[0].waiting.len(), 1);
    drop(client);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.service.models()[0].waiting.len(), 0);
    other.await.expect("no panic");
}
