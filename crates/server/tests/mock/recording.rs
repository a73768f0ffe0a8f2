//! Recording and replaying.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;
use server::mock::{Mock, MockServer, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    let mut program = Command::new(env!("CARGO_BIN_EXE_edison"))
        .args(["mock", "--listen", "127.0.0.1:0", "--record", &upstream.base_url(), "--record-to"])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("http://").expect("it says where").1.to_owned();

    let ask = async |text: &str, stream: bool| {
        let body = json!({ "model": "fast", "messages": [{ "role": "user", "content": text }], "stream": stream });
        over_tcp(&address, &body.to_string()).await
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

async fn over_tcp(address: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
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
