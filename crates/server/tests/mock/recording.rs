//! Recording and replaying.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::json;
use server::mock::{Mock, MockServer, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

const CHAT: &str = "/v1/chat/completions";

/// What a recorder writes for a stream and a whole answer, as text: replayed at its times, and without them.
#[tokio::test(start_paused = true)]
async fn a_recording_is_replayed_with_its_times_or_without() {
    let text = r#"
        strict = true
        [[models]]
        name = "remote"
        [[rules]]
        when = { model = "remote", user = "hi", turn = 1 }
        reply = { prefill = "500ms", pieces = [["0s", "Hel"], ["20ms", "lo"], ["30ms", "!"]] }
    "#;
    for (script, millis) in
        [(Script::from_toml(text, "r").unwrap(), 550), (Script::from_toml(text, "r").unwrap().without_timing(), 0)]
    {
        let mock = Mock::new(script).unwrap();
        mock.loaded().await;
        let begun = tokio::time::Instant::now();
        let body =
            serde_json::json!({ "model": "remote", "messages": [{ "role": "user", "content": "hi" }], "stream": true });
        let answer = crate::support::post(&mock, &[], &body).await;
        assert_eq!(answer.streamed(), "Hello!");
        assert_eq!(begun.elapsed().as_millis(), millis);
        // The first event says who speaks, then one for each piece, then the reason and the end.
        assert_eq!(answer.events().len(), 1 + 3 + 2, "{answer:?}");
    }
}

/// Method: a mock in this process is the server that is recorded; the program stands in between. What it wrote is played,
/// and answers the same requests the same way.
#[tokio::test]
async fn what_the_program_recorded_answers_as_the_server_did() {
    let upstream = MockServer::start(
        Script::from_toml(
            r#"
            [[rules]]
            when = { user = "tell me" }
            reply = ["first", "second \"quoted\" {{ braces }}"]
            [[rules]]
            when = { user = "busy?" }
            reply = { fault = { status = 429, retry_after = "3s" } }
            "#,
            "upstream",
        )
        .unwrap(),
    )
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.toml");
    let (address, mut program) = recorder(&upstream.base_url(), &file, None);

    let ask = async |text: &str, stream: bool| {
        let body = json!({ "model": "fast", "messages": [{ "role": "user", "content": text }], "stream": stream });
        over_tcp(&address, CHAT, "r", &body.to_string()).await
    };
    assert!(ask("tell me", false).await.contains("first"));
    assert!(ask("tell me", true).await.contains("data: [DONE]"));
    assert!(ask("busy?", false).await.starts_with("HTTP/1.1 429"));
    program.kill().unwrap();
    program.wait().unwrap();

    let recorded = std::fs::read_to_string(&file).unwrap();
    let script = Script::from_toml(&recorded, "recorded").unwrap_or_else(|error| panic!("{error}\n{recorded}"));
    let mock = Mock::new(script.without_timing()).unwrap();
    assert_eq!(crate::support::ask(&mock, "tell me").await.content(), "first");
    assert_eq!(crate::support::stream(&mock, "tell me").await.streamed(), "second \"quoted\" {{ braces }}");
    let busy = crate::support::ask(&mock, "busy?").await;
    assert_eq!((busy.status.as_u16(), busy.headers["retry-after"].to_str().unwrap()), (429, "3"));
    assert_eq!(crate::support::ask(&mock, "other").await.status, 400, "a recording is strict");
}

/// Starts the program as a recorder of the server at this URL. The address it listens on, and the process, whose log is
/// kept.
pub(crate) fn recorder(url: &str, file: &Path, trusted: Option<&Path>) -> (String, Child) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_edison"));
    program.args(["mock", "--listen", "127.0.0.1:0", "--record", url, "--record-to"]).arg(file);
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(trusted) = trusted {
        program.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
    }
    let mut program = program.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (line.trim().rsplit_once("http://").expect("it says where").1.to_owned(), program)
}

/// A server that speaks TLS, in front of one that does not. Its address, and its certificate as a file has it.
async fn tls_in_front_of(inner: SocketAddr) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // One that does not trust us goes away.
                let Ok(mut outside) = acceptor.accept(outside).await else { return };
                let mut inside = TcpStream::connect(inner).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    (address, made.cert.pem())
}

/// Method: the same server behind TLS. Whoever trusts its certificate records it; whoever trusts another one is told why
/// there is no answer, and records nothing.
#[tokio::test]
async fn a_server_that_speaks_https_is_recorded_where_its_certificate_is_trusted() {
    let script = Script::from_toml("[[rules]]\nreply = { template = \"heard {{ user }}\" }\n", "upstream").unwrap();
    let upstream = MockServer::start(script).await.unwrap();
    let (address, certificate) = tls_in_front_of(upstream.address()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("trusted.pem"), certificate).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("other.pem"), other.cert.pem()).unwrap();
    let url = format!("https://localhost:{}/v1", address.port());

    for (trusted, begins, part) in
        [("trusted.pem", "HTTP/1.1 200", "heard over TLS"), ("other.pem", "HTTP/1.1 502", "invalid peer certificate")]
    {
        let file = path(&format!("{trusted}.toml"));
        let (recorder, mut program) = recorder(&url, &file, Some(&path(trusted)));
        let body = json!({ "model": "fast", "messages": [{ "role": "user", "content": "over TLS" }] });
        let answer = over_tcp(&recorder, CHAT, "r", &body.to_string()).await;
        assert!(answer.starts_with(begins) && answer.contains(part), "{trusted}: {answer}");
        program.kill().unwrap();
        program.wait().unwrap();
        let recorded = Script::from_toml(&std::fs::read_to_string(&file).unwrap(), "recorded").unwrap();
        assert_eq!(recorded.rules.len(), usize::from(trusted == "trusted.pem"));
    }
    let output = Command::new(env!("CARGO_BIN_EXE_edison"))
        .args(["mock", "--record", &url, "--record-to"])
        .arg(path("none.toml"))
        .env("SSL_CERT_FILE", path("absent.pem"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("no certificate was found") && error.contains("SSL_CERT_FILE"), "{error}");
}

/// `edison check` reaches it the same way.
#[tokio::test]
async fn a_server_that_speaks_https_is_checked_where_its_certificate_is_trusted() {
    let upstream = MockServer::start(Script::default()).await.unwrap();
    let (address, certificate) = tls_in_front_of(upstream.address()).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, certificate).unwrap();
    let check = |trusted: PathBuf| async move {
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_edison"));
        let url = format!("https://localhost:{}", address.port());
        program.args(["check", &url, "--only", "crossed"]).env("SSL_CERT_FILE", trusted);
        program.env_remove("SSL_CERT_DIR").kill_on_drop(true);
        program.output().await.unwrap()
    };
    let passed = check(trusted).await;
    assert_eq!(passed.status.code(), Some(0), "{}", String::from_utf8_lossy(&passed.stderr));
    assert!(String::from_utf8_lossy(&passed.stdout).contains("pass"), "{passed:?}");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let untrusted = folder.path().join("other.pem");
    std::fs::write(&untrusted, other.cert.pem()).unwrap();
    let refused = check(untrusted).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("invalid peer certificate"), "{refused:?}");
}

/// Sends one request over a connection of its own. What came back, the head included.
pub(crate) async fn over_tcp(address: &str, path: &str, id: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\nx-request-id: {id}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_script_that_cannot_be_played_ends_with_2_and_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.toml");
    std::fs::write(&file, "strickt = true\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_edison")).args(["mock", "--script"]).arg(&file).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("s.toml:1: strickt: unknown key; did you mean \"strict\"?"), "{error}");
}
