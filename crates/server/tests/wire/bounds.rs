//! S9: what one client may take has a bound, and an answer in words where one is possible.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use server::{HEADERS_MIN_BYTES, HttpLimits, Peer};
use tokio::time::Instant;

use super::support::{Server, chat_request, hundred_ms, post};

const SECOND: Duration = Duration::from_secs(1);

fn tight() -> HttpLimits {
    HttpLimits {
        body_max_bytes: 200,
        body_read_timeout: 2 * SECOND,
        headers_max_bytes: HEADERS_MIN_BYTES,
        header_read_timeout: 5 * SECOND,
        ..HttpLimits::default()
    }
}

async fn server() -> Server {
    Server::start(hundred_ms(), tight()).await
}

/// A client that says nothing, or not enough to tell which version it speaks, is waited for by nobody else.
#[tokio::test(start_paused = true)]
async fn a_connection_without_a_complete_request_is_closed() {
    let server = server().await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET /health HTTP/1.1\r\nhost:"] {
        let begun = Instant::now();
        let mut client = server.connect();
        client.send(beginning).await;
        let answer = client.rest().await;
        assert_eq!(begun.elapsed(), 5 * SECOND, "{beginning:?} was answered with {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_falls_silent_after_an_answer_is_closed() {
    let server = server().await;
    let mut client = server.connect();
    client.send("GET /health HTTP/1.1\r\nhost: h\r\n\r\n").await;
    client.read_answer().await;
    let begun = Instant::now();
    assert_eq!(client.rest().await, "");
    assert_eq!(begun.elapsed(), 5 * SECOND);
}

/// The time counts from the last answer: a long one does not use it up.
#[tokio::test(start_paused = true)]
async fn a_long_answer_does_not_count_as_silence() {
    let slow = backend_mock::ModelScript { time_per_token: 3 * SECOND, ..hundred_ms() };
    let server = Server::start(slow, tight()).await;
    let mut client = server.connect();
    client.chat(false).await;
    let answer = client.read_answer().await;
    assert!(answer.contains("123456789"), "{answer}");
    client.send("GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    assert!(client.rest().await.contains("200 OK"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let server = server().await;
    let mut client = server.connect();
    client.send(post("content-length: 201\r\n\r\n")).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#""code":"body_too_large""#), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_turns_out_too_large_is_refused() {
    let server = server().await;
    let mut client = server.connect();
    client.send(post(&format!("transfer-encoding: chunked\r\n\r\nc9\r\n{}\r\n", "x".repeat(201)))).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_refused_in_time() {
    let server = server().await;
    let mut client = server.connect();
    client.send(post("content-length: 100\r\n\r\n{")).await;
    let begun = Instant::now();
    let answer = client.read_until("\r\n").await;
    assert_eq!(answer, "HTTP/1.1 408 Request Timeout\r\n");
    assert_eq!(begun.elapsed(), 2 * SECOND);
    assert!(client.rest().await.contains(r#""code":"body_timeout""#));
}

#[tokio::test(start_paused = true)]
async fn headers_that_are_too_large_are_refused() {
    let server = server().await;
    let mut client = server.connect();
    client.send(format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(HEADERS_MIN_BYTES))).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 431 "));
}

/// Whoever comes when all connections are taken is told so, and can still see how the server does (S6).
#[tokio::test(start_paused = true)]
async fn a_crowded_connection_gets_what_needs_no_model_and_one_answer() {
    let server = server().await;
    let crowded = || server.connect_as(Peer { client: None, is_crowded: true });
    let mut client = crowded();
    client.send(chat_request(false)).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n") && answer.contains("too_many_connections"), "{answer}");
    let mut client = crowded();
    client.send("GET /health HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 200 "), "the server closes by itself");
}

/// There are few places for crowded connections, and a silent one takes one from somebody who wants to ask.
#[tokio::test(start_paused = true)]
async fn a_crowded_connection_has_two_seconds_for_its_question() {
    let server = server().await;
    for beginning in ["", "P", "GET /health HTTP/1.1\r\nhost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let begun = Instant::now();
        let mut client = server.connect_as(Peer { client: None, is_crowded: true });
        client.send(beginning).await;
        client.gone().await;
        assert!((2 * SECOND..=3 * SECOND).contains(&begun.elapsed()), "{beginning:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowded_http2_connection_gets_one_answer() {
    let server = server().await;
    let io = TokioIo::new(server.connect_as(Peer { client: None, is_crowded: true }).into_io());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a handshake");
    let connection = tokio::spawn(connection);
    let health = || http::Request::get("http://h/health").body(Empty::<bytes::Bytes>::new()).expect("a request");
    let answer = sender.send_request(health()).await.expect("an answer");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    assert!(body.starts_with(b"{\"status\":\"ok\","), "{body:?}");
    let begun = Instant::now();
    connection.await.expect("no panic").expect("the connection ends in order");
    assert!(begun.elapsed() <= SECOND, "{:?}", begun.elapsed());
    assert!(sender.send_request(health()).await.is_err());
}
