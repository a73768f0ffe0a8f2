//! S4 and S8: clients that leave, clients that stop reading, and the end of the server.

use std::time::Duration;

use backend_mock::ModelScript;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
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
    assert!(first.read_answer().await.contains("123456789"));
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
    let refused = late.read_answer().await;
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

/// Method: bytes lie behind the request, as a stray line break or the beginning of a next request do.
#[tokio::test(start_paused = true)]
async fn leaving_is_noticed_behind_bytes_that_nobody_has_read_yet() {
    for behind in ["\r\n", "G", "GET /health HTTP/1.1\r\nhost: h\r\n\r\n"] {
        let server = server().await;
        let mut client = server.connect();
        client.send(chat_request(false) + behind).await;
        tokio::time::sleep(STEP * 3 + STEP / 2).await;
        assert_eq!(server.lane(), "leased");
        let left = Instant::now();
        drop(client);
        server.at_rest().await;
        assert!(left.elapsed() <= STEP, "{behind:?}: {:?}", left.elapsed());
        assert_eq!(server.service.models()[0].history[0].ended.as_str(), "cancelled");
    }
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_answered_in_their_order() {
    let server = server().await;
    let mut client = server.connect();
    let health = "GET /health HTTP/1.1\r\nhost: h\r\n\r\n";
    let last = "GET /nothing HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    client.send(chat_request(false) + health + &chat_request(false) + last).await;
    let answers = client.rest().await;
    let places: Vec<_> = ["123456789", "\"ok\"", "there is nothing"].iter().map(|part| answers.find(part)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
}

/// It looks like a client that has left, and is taken for one.
#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_side_of_the_connection_has_left() {
    let server = server().await;
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    let app = server::app(server.service.clone(), server.options.clone());
    ours.write_all(chat_request(false).as_bytes()).await.expect("the request fits the pipe");
    let limits = HttpLimits::default();
    let connection = server::serve_connection(theirs, app, &limits, server::Peer::default(), &server.options.shutdown);
    let client = async {
        tokio::time::sleep(STEP / 2).await;
        ours.shutdown().await.expect("a pipe has two sides");
        server.at_rest().await;
    };
    tokio::join!(connection, client);
    assert_eq!(server.service.models()[0].history[0].ended.as_str(), "cancelled");
}

/// Whoever is in the middle of a header has no request yet, and holds the end up for a second at most.
#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_half_a_header() {
    for beginning in ["GET /health HTTP/1.1\r\nHo", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let server = server().await;
        let mut client = server.connect();
        client.send(beginning).await;
        tokio::time::sleep(STEP).await;
        server.options.shutdown.close_connections();
        let begun = Instant::now();
        client.gone().await;
        assert!(begun.elapsed() <= Duration::from_secs(1), "{beginning:?}: {:?}", begun.elapsed());
    }
}

/// Method: the answer would take a minute, and the first step of the end was taken long before the second.
#[tokio::test(start_paused = true)]
async fn an_answer_in_hand_has_what_is_left_of_the_drain() {
    let second = Duration::from_secs(1);
    for (drained, left) in [(Duration::ZERO, 5 * second), (2 * second, 3 * second), (9 * second, second)] {
        let slow = ModelScript { time_per_token: 6 * second, ..hundred_ms() };
        let server = Server::start(slow, HttpLimits { drain_timeout: 5 * second, ..HttpLimits::default() }).await;
        let mut client = server.connect();
        client.chat(false).await;
        tokio::time::sleep(STEP).await;
        server.options.shutdown.start_draining();
        tokio::time::sleep(drained).await;
        server.options.shutdown.close_connections();
        let begun = Instant::now();
        client.gone().await;
        assert_eq!(begun.elapsed(), left, "after {drained:?}");
    }
}

/// The client allows no byte of any answer, and takes all the rest: pings, settings, headers.
#[tokio::test(start_paused = true)]
async fn an_http2_client_that_takes_no_answer_loses_its_connection() {
    for stream in [false, true] {
        let limits = HttpLimits { write_timeout: Duration::from_secs(7), ..HttpLimits::default() };
        let server = Server::start(hundred_ms(), limits).await;
        let io = TokioIo::new(server.connect().into_io());
        let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(0);
        let (mut sender, connection) = client.handshake(io).await.expect("a handshake");
        let connection = tokio::spawn(connection);
        let body = chat_request(stream);
        let body = body.split("\r\n\r\n").last().expect("a body").to_owned();
        let request = http::Request::post("http://h/v1/chat/completions").body(Full::<bytes::Bytes>::from(body));
        let answer = sender.send_request(request.expect("a request")).await.expect("headers");
        assert_eq!(answer.status(), 200);
        let begun = Instant::now();
        let _ended = connection.await.expect("no panic");
        assert!(begun.elapsed() <= Duration::from_secs(8), "{:?}", begun.elapsed());
        server.at_rest().await;
        drop(answer);
    }
}

/// A model that takes its time is not a client that takes nothing.
#[tokio::test(start_paused = true)]
async fn an_http2_client_waits_for_a_slow_model_as_long_as_it_likes() {
    let slow = ModelScript { time_per_token: Duration::from_secs(9), ..hundred_ms() };
    let limits = HttpLimits { write_timeout: Duration::from_secs(7), ..HttpLimits::default() };
    let server = Server::start(slow, limits).await;
    let io = TokioIo::new(server.connect().into_io());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a handshake");
    let connection = tokio::spawn(connection);
    let body = chat_request(true);
    let body = body.split("\r\n\r\n").last().expect("a body").to_owned();
    let request = http::Request::post("http://h/v1/chat/completions").body(Full::<bytes::Bytes>::from(body));
    let answer = sender.send_request(request.expect("a request")).await.expect("headers");
    let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    drop(sender);
    connection.await.expect("no panic").expect("the connection ends in order");
}
