//! The listener, over TCP and in real time: the bound on connections, and the end.

use std::sync::Arc;

use backend_mock::{MockBackend, MockConfig, ModelScript};
use server::{AppOptions, HttpLimits, Shutdown};
use serving::{ModelConfig, Service, ServiceConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: h\r\n\r\n";
const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n";

async fn start(limits: HttpLimits) -> (std::net::SocketAddr, Shutdown, JoinHandle<()>) {
    let spec = backend::ModelSpec::new("m", backend::ModelSource::Embedded(b"m"));
    let config = ServiceConfig { models: vec![ModelConfig::new(spec)], ..ServiceConfig::default() };
    let mock = MockBackend::new(MockConfig::default().with_model("m", ModelScript::default()));
    let service = Service::start(config, Arc::new(mock)).expect("a consistent configuration");
    let options = AppOptions { limits: limits.clone(), ..AppOptions::default() };
    let shutdown = options.shutdown.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let served = tokio::spawn(server::serve(listener, server::app(service, options), limits, shutdown.clone()));
    (address, shutdown, served)
}

async fn ask(address: std::net::SocketAddr, request: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        let byte = stream.read_u8().await.unwrap_or_else(|error| panic!("{error} after {answer:?}"));
        answer.push(char::from(byte));
    }
    let length = answer.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).await.expect("the body is there");
    (stream, answer + std::str::from_utf8(&body).expect("UTF-8"))
}

/// Method: one connection takes the only place and stays; whoever comes next is told, and still hears of health.
#[tokio::test]
async fn beyond_the_bound_connections_are_told_so() {
    let (address, shutdown, served) = start(HttpLimits { connections_max: 1, ..HttpLimits::default() }).await;
    let (first, answer) = ask(address, CHAT).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "taken, and its empty body refused: {answer}");
    let (_, answer) = ask(address, CHAT).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("too_many_connections"), "{answer}");
    let (_, answer) = ask(address, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(first);
    shutdown.close_connections();
    served.await.expect("the listener ends");
}

#[tokio::test]
async fn closing_ends_idle_connections_and_the_listener() {
    let (address, shutdown, served) = start(HttpLimits::default()).await;
    let (mut idle, _) = ask(address, HEALTH).await;
    shutdown.close_connections();
    served.await.expect("the listener ends");
    // What is left of the answer, and then the end.
    idle.read_to_end(&mut Vec::new()).await.expect("a proper end");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
