//! A client of a mock, one connection a request.

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use server::mock::{Mock, Script};
use server::{HttpLimits, Peer, Shutdown};

/// An answer, read to where it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Whether it ended as it should; a connection that is cut does not.
    pub(crate) is_whole: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer's text.
    pub(crate) fn content(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }

    /// The payloads of a stream's events.
    pub(crate) fn events(&self) -> Vec<&str> {
        self.text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect()
    }

    /// The text of a stream.
    pub(crate) fn streamed(&self) -> String {
        let delta = |event: &&str| Some(serde_json::from_str::<Value>(event).ok()?["choices"][0]["delta"].clone());
        let deltas = self.events();
        let texts = deltas.iter().filter_map(delta).filter_map(|delta| delta["content"].as_str().map(str::to_owned));
        texts.collect()
    }
}

/// A script in TOML, playing.
pub(crate) fn mock(script: &str) -> Mock {
    let script = Script::from_toml(script, "script").unwrap_or_else(|error| panic!("{error}"));
    Mock::new(script).unwrap_or_else(|error| panic!("{error}"))
}

/// A chat of one message.
pub(crate) fn chat(text: &str) -> Value {
    json!({ "model": "fast", "messages": [{ "role": "user", "content": text }], "temperature": 0 })
}

pub(crate) async fn ask(mock: &Mock, text: &str) -> Answer {
    post(mock, &[], &chat(text)).await
}

pub(crate) async fn stream(mock: &Mock, text: &str) -> Answer {
    let mut body = chat(text);
    body["stream"] = json!(true);
    post(mock, &[], &body).await
}

pub(crate) async fn post(mock: &Mock, headers: &[(&str, &str)], body: &Value) -> Answer {
    send(mock, Method::POST, "/v1/chat/completions", headers, body.to_string()).await
}

/// Sends one request and reads its answer to the end.
///
/// # Cancel safety
/// Dropping the future closes the connection, as a client that leaves does.
pub(crate) async fn send(mock: &Mock, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let app = mock.app();
    tokio::spawn(async move {
        let limits = HttpLimits::default();
        server::serve_connection(theirs, app, &limits, Peer::default(), &Shutdown::default()).await;
    });
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
    let connection = Wire(tokio::spawn(connection).abort_handle());
    let mut request = Request::builder().method(method).uri(path).header("host", "h");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::from(body)).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let (text, is_whole) = read(body).await;
    drop(connection);
    Answer { status: head.status, headers: head.headers, text, is_whole }
}

async fn read(mut body: Incoming) -> (String, bool) {
    let mut bytes = Vec::new();
    let is_whole = loop {
        match body.frame().await {
            None => break true,
            Some(Err(_)) => break false,
            Some(Ok(frame)) => bytes.extend_from_slice(&frame.into_data().unwrap()),
        }
    };
    (String::from_utf8(bytes).unwrap(), is_whole)
}

/// Closes the connection when it is dropped.
struct Wire(tokio::task::AbortHandle);

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) async fn journal(mock: &Mock, query: &str, headers: &[(&str, &str)]) -> Value {
    send(mock, Method::GET, &format!("/mock/journal{query}"), headers, String::new()).await.json()
}
