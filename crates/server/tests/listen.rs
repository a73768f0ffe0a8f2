//! The listener, over real sockets and in real time: the bound on connections, TLS, Unix sockets, and the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use backend_mock::{MockBackend, MockConfig, ModelScript};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use server::{AppOptions, Door, HttpLimits, Shutdown, Tls};
use serving::{ModelConfig, Service, ServiceConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: h\r\n\r\n";
const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n";

async fn start(limits: HttpLimits) -> (SocketAddr, Shutdown, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (shutdown, served) = start_at(listener, limits);
    (address, shutdown, served)
}

fn start_at(door: impl Into<Door> + Send + 'static, limits: HttpLimits) -> (Shutdown, JoinHandle<()>) {
    let spec = backend::ModelSpec::new("m", backend::ModelSource::Embedded(b"m"));
    let config = ServiceConfig { models: vec![ModelConfig::new(spec)], ..ServiceConfig::default() };
    let mock = MockBackend::new(MockConfig::default().with_model("m", ModelScript::default()));
    let service = Service::start(config, Arc::new(mock)).expect("a consistent configuration");
    let options = AppOptions { limits: limits.clone(), ..AppOptions::default() };
    let shutdown = options.shutdown.clone();
    let served = tokio::spawn(server::serve(door, server::app(service, options), limits, shutdown.clone()));
    (shutdown, served)
}

async fn ask(address: SocketAddr, request: &str) -> (TcpStream, String) {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    ask_over(stream, request).await
}

async fn ask_over<IO: AsyncRead + AsyncWrite + Unpin>(mut stream: IO, request: &str) -> (IO, String) {
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

/// Without room for them a connection would be waited for until the client's system gives up, minutes later.
#[tokio::test]
async fn many_may_knock_before_the_first_is_let_in() {
    let listener = server::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut knocking = Vec::new();
    for n in 0..500 {
        let knock = TcpStream::connect(address).await;
        knocking.push(knock.unwrap_or_else(|error| panic!("{n} wait: {error}")));
    }
    let other = server::bind(address).expect_err("it is taken");
    assert!(other.contains("is in use by another program"), "{other}");
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

/// A server that speaks TLS, and its certificate.
async fn start_tls(limits: HttpLimits) -> (SocketAddr, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).expect("they belong together");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    start_at(Door::with_tls(listener, tls), limits);
    (address, made.cert.der().clone())
}

/// A connection of a client that trusts this certificate and offers these protocols.
async fn connect_tls(address: SocketAddr, trusted: CertificateDer<'static>, offers: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions that ring knows");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|offer| offer.to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let tcp = TcpStream::connect(address).await.expect("the server listens");
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect("a handshake")
}

#[tokio::test]
async fn over_tls_a_client_gets_the_version_that_it_offers() {
    let (address, certificate) = start_tls(HttpLimits::default()).await;
    for offers in [&[b"http/1.1".as_slice()][..], &[]] {
        let stream = connect_tls(address, certificate.clone(), offers).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), offers.first().copied());
        let (_, answer) = ask_over(stream, HEALTH).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let stream = connect_tls(address, certificate, &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()), "the better one");
    let answer = ask_http2(stream, "https").await;
    assert_eq!(answer, 200);
}

/// Whoever forgets the `s` of `https` reads why there is no answer, whichever version it speaks.
#[tokio::test]
async fn where_tls_is_spoken_plain_http_is_told_so_once() {
    let (address, _) = start_tls(HttpLimits::default()).await;
    for (request, style) in [(HEALTH, "{\"detail\":\"this address speaks TLS"), (CHAT, "\"code\":\"tls_required\"")] {
        let (mut stream, answer) = ask(address, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(style), "{answer}");
        assert_eq!(stream.read(&mut [0]).await.expect("a proper end"), 0);
    }
    let stream = TcpStream::connect(address).await.expect("the server listens");
    assert_eq!(ask_http2(stream, "http").await, 400);
}

/// The status of `/health` over HTTP/2.
async fn ask_http2<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: IO, scheme: &str) -> u16 {
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::get(format!("{scheme}://localhost/health")).body(Empty::<bytes::Bytes>::new());
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    let status = answer.status().as_u16();
    answer.into_body().collect().await.expect("a body");
    status
}

#[tokio::test]
async fn without_tls_http2_is_spoken_to_whoever_begins_with_it() {
    let (address, ..) = start(HttpLimits::default()).await;
    let stream = TcpStream::connect(address).await.expect("the server listens");
    assert_eq!(ask_http2(stream, "http").await, 200);
}

/// A place that was lost with such a connection would be missing for good: there is one.
#[tokio::test]
async fn whoever_does_not_shake_hands_loses_its_connection() {
    let header_read_timeout = Duration::from_millis(50);
    let limits = HttpLimits { header_read_timeout, connections_max: 1, ..HttpLimits::default() };
    let (address, certificate) = start_tls(limits).await;
    for begins_with in [&b""[..], b"\x16\x03", b"\0\0\0\0", b"get /health HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        stream.write_all(begins_with).await.expect("a few bytes always fit");
        let mut said = Vec::new();
        // However it ends; it says no HTTP before.
        let _ = stream.read_to_end(&mut said).await;
        assert!(!said.starts_with(b"HTTP"), "{said:?}");
    }
    let (_, answer) = ask_over(connect_tls(address, certificate, &[]).await, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_key_of_another_certificate_is_noticed() {
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (one, other) = (made(), made());
    let problem =
        |certificate: &str, key: &str| Tls::from_pem(certificate.as_bytes(), key.as_bytes()).expect_err("wrong");
    let key = other.signing_key.serialize_pem();
    assert!(problem(&one.cert.pem(), &key).contains("do not belong together"));
    assert!(problem("", &key).contains("no certificate"));
    assert!(problem(&one.cert.pem(), "").contains("the key cannot be read"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_a_door_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edison.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let (shutdown, served) = start_at(listener, HttpLimits::default());
    let stream = tokio::net::UnixStream::connect(&path).await.expect("the server listens");
    let (idle, answer) = ask_over(stream, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    shutdown.close_connections();
    served.await.expect("the listener ends, and the idle connection with it");
    drop(idle);
}
