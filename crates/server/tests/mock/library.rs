//! The mock as a value in a Rust program, on a real port.

use server::mock::{FaultScript, MockServer, ReplyScript, Rule, Script, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A model whose answers begin and never end.
fn hangs() -> Script {
    let fault = FaultScript { hang_after: Some(2), ..FaultScript::default() };
    let reply = ReplyScript { fault, ..ReplyScript::text("never said to the end") };
    Script { rules: vec![Rule::new(When::default(), reply)], ..Script::default() }
}

/// A client in the middle of an answer.
async fn listening(server: &MockServer) -> TcpStream {
    let body = r#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let length = body.len();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    // However the connection ends, it ends.
    let _cut = stream.read_to_end(&mut rest).await;
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_the_answers_under_way() {
    let server = MockServer::start(hangs()).await.unwrap();
    let client = listening(&server).await;
    drop(server);
    let rest = rest(client).await;
    assert!(!rest.contains("[DONE]"), "{rest}");
}

#[tokio::test]
async fn a_server_that_was_stopped_has_given_its_port_back() {
    let server = MockServer::start(hangs()).await.unwrap();
    let (client, address, mock) = (listening(&server).await, server.address(), server.mock());
    server.stop().await;
    let rest = rest(client).await;
    assert!(rest.contains("shutting_down") && !rest.contains("[DONE]"), "{rest}");
    let journal = mock.journal();
    assert_eq!((journal.requests[0].outcome.as_deref(), journal.overlaps), (Some("shut_down"), 0));
    TcpListener::bind(address).await.expect("the port is free");
}

#[tokio::test]
async fn a_script_that_cannot_be_played_is_no_server() {
    let script = Script { rules: vec![Rule::new(When::default(), Vec::new())], ..Script::default() };
    let error = MockServer::start(script).await.err().expect("it has no reply").to_string();
    assert_eq!(error, "the script cannot be played: rules[0].reply: is missing");
}
