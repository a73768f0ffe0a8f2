//! HTTP clients of a server in this process, one connection a request.
//!
//! The connection is an in-memory pipe, so that the same client works in virtual and in real time. Its buffer is small:
//! a client that does not read holds the engine back after a few hundred bytes, as a slow network would.

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use server::{AppOptions, HEADERS_MIN_BYTES, HttpLimits, Peer, RequestIds, WallClock};
use serving::Service;
use tokio::task::AbortHandle;

/// Bytes under way in each direction.
const PIPE_BYTES: usize = 1024;

/// Reaches one server.
#[derive(Clone)]
pub struct Client {
    service: Service,
    options: AppOptions,
}

impl Client {
    /// A client of this service behind its HTTP face.
    pub fn of(service: &Service) -> Self {
        // The buffer for headers is also what a connection may keep of an answer that nobody reads.
        let limits = HttpLimits { headers_max_bytes: HEADERS_MIN_BYTES, ..HttpLimits::default() };
        let options = AppOptions {
            limits,
            clock: WallClock::fixed(1_700_000_000),
            ids: RequestIds::with_prefix("test"),
            ..AppOptions::default()
        };
        Self { service: service.clone(), options }
    }

    /// Sends one request on a connection of its own and waits for the head of the answer.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, as a client that leaves does.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let app = server::app(self.service.clone(), self.options.clone());
        let (limits, shutdown) = (self.options.limits.clone(), self.options.shutdown.clone());
        tokio::spawn(async move {
            server::serve_connection(theirs, app, &limits, Peer::default(), &shutdown).await;
        });
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.expect("a pipe can be spoken over");
        let wire = Wire(tokio::spawn(connection).abort_handle());
        let mut request = Request::builder().method(method).uri(path).header("host", "edison");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<Bytes>::from(body)).expect("tests write proper requests");
        let (head, body) = sender.send_request(request).await.expect("every request has an answer").into_parts();
        Reply { status: head.status, headers: head.headers, body, unread: String::new(), _wire: wire }
    }

    /// GETs a path whose answer is JSON.
    pub async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, &[], vec![]).await.json().await
    }

    /// POSTs a chat completion.
    pub async fn chat(&self, body: &Value) -> Reply {
        self.send(Method::POST, "/v1/chat/completions", &[], body.to_string().into_bytes()).await
    }
}

/// A chat request of one message at temperature 0.
pub fn chat(model: &str, text: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "stream": stream,
    })
}

/// Closes the connection when it is dropped.
struct Wire(AbortHandle);

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer. Dropping it closes the connection.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    unread: String,
    _wire: Wire,
}

impl Reply {
    /// A header as text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("our headers are ASCII"))
    }

    /// The whole body, from where reading stands.
    pub async fn text(mut self) -> String {
        let rest = (&mut self.body).collect().await.expect("a body that ends properly").to_bytes();
        self.unread + std::str::from_utf8(&rest).expect("our bodies are UTF-8")
    }

    /// The body as JSON.
    pub async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("not JSON: {e}: {text}"))
    }

    /// The payload of the next server-sent event; `None` at the end of the stream.
    pub async fn event(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let data = event.strip_prefix("data: ").map(str::to_string);
                self.unread = rest.to_string();
                if data.is_some() {
                    return data;
                }
                continue; // A comment.
            }
            let frame = self.body.frame().await?.expect("a stream that does not break");
            if let Some(data) = frame.data_ref() {
                self.unread += std::str::from_utf8(data).expect("our streams are cut between characters");
            }
        }
    }

    /// The text of a streamed or whole chat answer, read to its end. Panics when it does not end properly.
    pub async fn content(mut self) -> String {
        assert_eq!(self.status, StatusCode::OK);
        if !self.header("content-type").starts_with("text/event-stream") {
            let body = self.json().await;
            return body["choices"][0]["message"]["content"].as_str().expect("an answer has text").to_string();
        }
        let mut content = String::new();
        while let Some(event) = self.event().await {
            if event == "[DONE]" {
                assert_eq!(self.event().await, None, "nothing follows [DONE]");
                return content;
            }
            let chunk: Value = serde_json::from_str(&event).expect("chunks are JSON");
            assert!(chunk.get("error").is_none(), "{chunk}");
            content += chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
        }
        panic!("the stream ended without [DONE] after {content:?}");
    }
}
