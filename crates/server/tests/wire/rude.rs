//! Clients that are slow, half gone, or strange: none of them stops the server, and each ends within its bound.

use std::time::Duration;

use server::HttpLimits;
use tokio::time::{Instant, sleep};

use super::support::{Client, Server, chat_request, hundred_ms, post};

const SECOND: Duration = Duration::from_secs(1);

async fn server() -> Server {
    let limits = HttpLimits { body_read_timeout: 2 * SECOND, header_read_timeout: 5 * SECOND, ..HttpLimits::default() };
    Server::start(hundred_ms(), limits).await
}

async fn is_up(server: &Server) -> bool {
    server.connect().ask("GET", "/health").await.starts_with("HTTP/1.1 200 ")
}

/// Sends a byte every 100 ms until nobody takes them any more.
async fn trickle(client: &mut Client, bytes: &[u8]) {
    for byte in bytes {
        sleep(SECOND / 10).await;
        if client.try_send(&[*byte]).await.is_err() {
            return;
        }
    }
}

/// Each byte is progress, and none of them gives the client more time.
#[tokio::test(start_paused = true)]
async fn headers_that_trickle_have_the_time_of_headers_that_stand_still() {
    let server = server().await;
    let begun = Instant::now();
    let mut client = server.connect();
    let endless = format!("GET /health HTTP/1.1\r\nhost: h\r\n{}", "x-more: y\r\n".repeat(100));
    trickle(&mut client, endless.as_bytes()).await;
    assert!((5 * SECOND..=6 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(!client.rest().await.contains("200 OK"));
    assert!(is_up(&server).await);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_has_the_time_of_one_that_stands_still() {
    let server = server().await;
    let mut client = server.connect();
    client.send(post("content-length: 1000\r\n\r\n")).await;
    let begun = Instant::now();
    trickle(&mut client, &[b' '; 1000]).await;
    assert!((2 * SECOND..=3 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(client.rest().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(server.service.models()[0].granted_total, 0, "it never came near the model");
}

/// Method: the client reads a byte a second of a stream that is written a hundred times as fast. What it takes is
/// progress for its connection, and not enough to keep the lane.
#[tokio::test(start_paused = true)]
async fn a_reader_that_only_trickles_loses_the_lane_and_the_next_one_gets_it() {
    let long = backend_mock::Reply::Fixed("x".repeat(20_000));
    let server = Server::start(backend_mock::ModelScript { reply: long, ..hundred_ms() }, HttpLimits::default()).await;
    let mut slow = server.connect_with(server.app(), 256);
    slow.send(chat_request(true)).await;
    let begun = Instant::now();
    while server.service.models()[0].history.is_empty() {
        assert!(begun.elapsed() < 300 * SECOND, "it has kept the lane");
        sleep(SECOND).await;
        slow.read_byte().await;
    }
    let outcome = &server.service.models()[0].history[0];
    assert_eq!(outcome.ended.as_str(), "stalled");
    let body = serde_json::json!({
        "model": "m", "max_tokens": 3, "messages": [{"role": "user", "content": "hi"}],
    });
    let next = server.connect().post("/v1/chat/completions", "", &body);
    assert_eq!(next.await.status, 200);
}

/// What a proxy sends, and what is meant for other servers.
#[tokio::test(start_paused = true)]
async fn targets_of_every_form_are_answered() {
    let server = server().await;
    for (method, target, status) in [
        ("GET", "http://anybody.example/health", 200),
        ("GET", "http://anybody.example:80/health?x=y", 200),
        ("GET", "/health?", 200),
        ("GET", "/health#part", 200),
        ("GET", "//health", 404),
        ("GET", "/./health", 404),
        ("GET", "/v1/models/%00", 404),
        ("GET", "/v1/models/%ff", 400),
        ("OPTIONS", "*", 404),
        ("CONNECT", "anybody.example:443", 404),
        ("BREW", "/health", 405),
    ] {
        let answer = server.connect().ask(method, target).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {target}: {answer}");
    }
}

/// What is no HTTP at all ends its own connection, at once or when its time is over.
#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_http_end_their_connection_and_nothing_else() {
    let server = server().await;
    let many = format!("GET /health HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5_000));
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost : h\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"POST /chat HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        many.as_bytes(),
    ] {
        let mut client = server.connect();
        client.send(bytes).await;
        client.gone().await;
    }
    assert!(is_up(&server).await);
    assert_eq!(server.service.models()[0].granted_total, 0);
}

/// As `printf .. | nc` does it: the request, and the end of the sending side right behind it.
#[tokio::test(start_paused = true)]
async fn a_half_closed_client_hears_what_needs_no_wait() {
    let server = server().await;
    let mut client = server.connect();
    client.send("GET /health HTTP/1.1\r\nhost: h\r\n\r\n").await;
    client.close_its_side().await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("qdrant_ready"), "{answer}");
}

/// Method: many more requests than are read ahead, written at once and never read.
#[tokio::test(start_paused = true)]
async fn whoever_pipelines_without_reading_is_bounded_by_its_own_connection() {
    let limits = HttpLimits { write_timeout: 7 * SECOND, ..HttpLimits::default() };
    let server = Server::start(hundred_ms(), limits).await;
    let begun = Instant::now();
    let mut client = server.connect();
    while client.try_send(b"GET /locks HTTP/1.1\r\nhost: h\r\n\r\n").await.is_ok() {
        assert!(begun.elapsed() < 60 * SECOND, "the connection is still there");
    }
    assert!(begun.elapsed() >= 7 * SECOND, "{:?}", begun.elapsed());
    assert!(is_up(&server).await);
}
