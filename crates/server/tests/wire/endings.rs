//! S4 and S8: clients that leave, clients that stop reading, and the end of the server.

use std::time::Duration;

use backend_mock::ModelScript;
use server::HttpLimits;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::support::{Server, chat_request, hundred_ms};

const STEP: Duration = Duration::from_millis(10);

async fn server() -> Server {
    Server::start(hundred_ms(), HttpLimits::default()).await
}

/// Nothing is written before a whole answer is there, so only reading can tell that the client has left.
#[tokio::test(start_paused = true)]
async fn leaving_before_a_whole_answer_is_noticed_within_a_step() {
    for tokens_before in [0, 3] {
        let server = server().await;
        let mut client = server.connect();
        client.chat(false).await;
        tokio::time::sleep(STEP * tokens_before + STEP / 2).await;
        assert_eq!(server.lane(), "leased");
        let left = Instant::now();
        drop(client);
        server.at_rest().await;
        assert!(left.elapsed() <= STEP, "{:?}", left.elapsed());
        assert_eq!(server.service.models()[0].history[0].ended.as_str(), "cancelled");
    }
}

#[tokio::test(start_paused = true)]
async fn leaving_in_mid_stream_is_noticed_within_a_step() {
    let server = server().await;
    let mut client = server.connect();
    client.chat(true).await;
    client.read_until("\"content\":\"3\"}").await;
    let left = Instant::now();
    drop(client);
    server.at_rest().await;
    assert!(left.elapsed() <= STEP * 2, "{:?}", left.elapsed());
    assert_eq!(server.service.models()[0].history[0].ended.as_str(), "cancelled");
}

/// S4 for those behind: the place of a client that left while waiting is free at once.
#[tokio::test(start_paused = true)]
async fn leaving_while_waiting_frees_the_place() {
    let server = server().await;
    let mut first = server.connect();
    first.chat(false).await;
    tokio::time::sleep(STEP / 2).await;
    let mut second = server.connect();
    second.chat(false).await;
    tokio::time::sleep(STEP / 2).await;
    assert_eq!(server.service.models()[0].waiting.len(), 1);
    drop(second);
    tokio::time::sleep(STEP / 2).await;
    assert_eq!(server.service.models()[0].waiting.len(), 0);
    assert!(first.read_until("}}").await.contains("123456789"));
}

/// Requests in hand are answered, and the connection ends after that instead of waiting for more.
#[tokio::test(start_paused = true)]
async fn closing_lets_the_answer_in_hand_finish() {
    let server = server().await;
    let mut busy = server.connect();
    let idle = server.connect();
    busy.chat(true).await;
    busy.read_until("\"content\":\"1\"}").await;
    server.options.shutdown.close_connections();
    assert_eq!(idle.rest().await, "");
    assert!(busy.rest().await.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"));
}

#[tokio::test(start_paused = true)]
async fn draining_turns_ready_to_503_and_refuses_chats_in_words() {
    let server = server().await;
    let mut client = server.connect();
    client.chat(true).await;
    client.read_until("\"content\":\"1\"}").await;
    server.options.shutdown.start_draining();
    let service = server.service.clone();
    let drained = tokio::spawn(async move { service.shutdown(STEP).await });
    tokio::time::sleep(STEP / 2).await;
    let ready = server.connect().ask("GET", "/ready").await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains(r#""draining":true"#), "{ready}");
    assert!(server.connect().ask("GET", "/health").await.starts_with("HTTP/1.1 200 "));
    let mut late = server.connect();
    late.chat(false).await;
    let refused = late.read_until("}}").await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains(r#""code":"shutting_down""#), "{refused}");
    let rest = client.read_until("0\r\n\r\n").await;
    assert!(rest.contains(r#""code":"shutting_down""#) && !rest.contains("[DONE]"), "{rest}");
    drained.await.expect("the service shuts down");
}

/// The client neither reads nor leaves. The engine is freed by the service; the connection by its own bound.
#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_loses_its_connection() {
    let long = ModelScript { reply: backend_mock::Reply::Fixed("x".repeat(4000)), ..ModelScript::default() };
    let limits = HttpLimits { write_timeout: Duration::from_secs(7), ..HttpLimits::default() };
    let server = Server::start(long, limits.clone()).await;
    let (mut ours, theirs) = tokio::io::duplex(512);
    ours.write_all(chat_request(true).as_bytes()).await.expect("the request fits the pipe");
    let app = server::app(server.service.clone(), server.options.clone());
    let begun = Instant::now();
    server::serve_connection(theirs, app, &limits, server::Peer::default(), &server.options.shutdown).await;
    assert!(begun.elapsed() <= Duration::from_secs(8), "{:?}", begun.elapsed());
    server.at_rest().await;
}
