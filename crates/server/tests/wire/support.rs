//! A server in this process, and a client that writes and reads bytes.

use std::sync::Arc;
use std::time::Duration;

use backend::{Backend, ModelSource, ModelSpec};
use backend_mock::{MockBackend, MockConfig, ModelScript, Reply};
use serde_json::Value;
use server::{AppOptions, HttpLimits, Peer, RequestIds, WallClock};
use serving::{ModelConfig, Service, ServiceConfig, Tier};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::fake::Fake;

/// A service with the model `m`, which the tier `fast` means, behind its HTTP face.
pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) options: AppOptions,
}

/// A model whose every answer is "123456789" and takes 100 ms.
pub(crate) fn hundred_ms() -> ModelScript {
    let time_per_token = Duration::from_millis(10);
    ModelScript { time_per_token, reply: Reply::Fixed("123456789".into()), ..ModelScript::default() }
}

impl Server {
    /// Starts it and waits until the model is loaded.
    pub(crate) async fn start(script: ModelScript, limits: HttpLimits) -> Self {
        let server = Self::begin(script, limits);
        server.service.loaded().await;
        server
    }

    /// Starts it while the model still loads.
    pub(crate) fn begin(script: ModelScript, limits: HttpLimits) -> Self {
        Self::begin_as(Tier::Fast, script, limits)
    }

    /// The same for another tier.
    pub(crate) fn begin_as(tier: Tier, script: ModelScript, limits: HttpLimits) -> Self {
        let mock = MockBackend::new(MockConfig::default().with_model("m", script));
        Self::with_tier(tier, Arc::new(mock), limits, 1)
    }

    /// Starts it over an engine that says more than text, and waits until that is loaded.
    pub(crate) async fn playing(fake: &Fake) -> Self {
        let server = Self::over(Arc::new(fake.clone()), HttpLimits::default(), 1);
        server.service.loaded().await;
        server
    }

    /// Starts it over any engine.
    pub(crate) fn over(backend: Arc<dyn Backend>, limits: HttpLimits, lanes: u32) -> Self {
        Self::with_tier(Tier::Fast, backend, limits, lanes)
    }

    /// The same with `tier` as the one that means the model.
    pub(crate) fn with_tier(tier: Tier, backend: Arc<dyn Backend>, limits: HttpLimits, lanes: u32) -> Self {
        let spec = ModelSpec::new("m", ModelSource::File("m.gguf".into()));
        let mut model = ModelConfig::new(ModelSpec { lanes, ..spec });
        model.aliases.push("org/alias".into());
        let tiers = [(tier, "m".to_owned())].into();
        let config = ServiceConfig { models: vec![model], tiers, ..ServiceConfig::default() };
        let service = Service::start(config, backend).expect("a consistent configuration");
        let clock = WallClock::fixed(1_700_000_000);
        let options = AppOptions { limits, ids: RequestIds::with_prefix("t"), clock, ..AppOptions::default() };
        Self { service, options }
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Client {
        self.connect_as(Peer::default())
    }

    pub(crate) fn connect_as(&self, peer: Peer) -> Client {
        self.connect_to(self.app(), peer)
    }

    /// The routes, with what they remember from one request to the next.
    pub(crate) fn app(&self) -> axum::Router {
        server::app(self.service.clone(), self.options.clone())
    }

    /// A connection to these routes.
    pub(crate) fn connect_to(&self, app: axum::Router, peer: Peer) -> Client {
        self.connect_through(app, peer, 1 << 16)
    }

    /// The same through a pipe that holds so many bytes.
    pub(crate) fn connect_with(&self, app: axum::Router, pipe_bytes: usize) -> Client {
        self.connect_through(app, Peer::default(), pipe_bytes)
    }

    fn connect_through(&self, app: axum::Router, peer: Peer, pipe_bytes: usize) -> Client {
        let (ours, theirs) = tokio::io::duplex(pipe_bytes);
        let (limits, shutdown) = (self.options.limits.clone(), self.options.shutdown.clone());
        let served = tokio::spawn(async move {
            server::serve_connection(theirs, app, &limits, peer, &shutdown).await;
        });
        Client { io: ours, served }
    }

    /// The state of the model's only lane.
    pub(crate) fn lane(&self) -> &'static str {
        self.service.models()[0].lanes[0].state
    }

    /// Waits until nobody holds or waits for the model any more.
    pub(crate) async fn at_rest(&self) {
        while self.lane() != "free" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The client's end of a connection. Dropping it closes the connection.
pub(crate) struct Client {
    io: DuplexStream,
    served: JoinHandle<()>,
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    /// Sends what may no longer be wanted.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.io.write_all(bytes).await
    }

    /// Ends the sending side, and still reads.
    pub(crate) async fn close_its_side(&mut self) {
        self.io.shutdown().await.expect("a pipe can be closed");
    }

    /// Reads one byte, if there is one before the end.
    pub(crate) async fn read_byte(&mut self) {
        let _end = self.io.read_u8().await;
    }

    /// Sends a request without a body; the server closes after the answer.
    pub(crate) async fn ask(mut self, method: &str, path: &str) -> String {
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")).await;
        self.rest().await
    }

    /// Sends a body, with headers that each end their line, and reads the answer to the end of the connection.
    pub(crate) async fn post(mut self, path: &str, headers: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n");
        self.send(format!("{head}{headers}\r\n{body}")).await;
        Answer::read(&self.rest().await)
    }

    /// Sends a chat request, on a connection that stays open.
    pub(crate) async fn chat(&mut self, stream: bool) {
        self.send(chat_request(stream)).await;
    }

    /// Reads until `end` has come.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut read = String::new();
        while !read.ends_with(end) {
            let byte = self.io.read_u8().await.unwrap_or_else(|error| panic!("{error} after {read:?}"));
            read.push(char::from(byte));
        }
        read
    }

    /// Reads one answer that announces its length.
    pub(crate) async fn read_answer(&mut self) -> String {
        let head = self.read_until("\r\n\r\n").await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        self.io.read_exact(&mut body).await.expect("the body is there");
        head + std::str::from_utf8(&body).expect("answers are UTF-8")
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(mut self) -> String {
        let mut read = Vec::new();
        self.io.read_to_end(&mut read).await.expect("a pipe does not fail");
        self.served.await.expect("the connection's task does not panic");
        String::from_utf8(read).expect("answers are UTF-8")
    }

    /// Waits until the server has ended the connection, whatever it says before.
    pub(crate) async fn gone(self) {
        self.served.await.expect("the connection's task does not panic");
        drop(self.io);
    }

    /// The pipe itself, for a client that speaks HTTP/2.
    pub(crate) fn into_io(self) -> DuplexStream {
        self.io
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let chunked = head.contains("transfer-encoding: chunked");
        Self { status, head: head.to_owned(), body: if chunked { unchunked(body) } else { body.to_owned() } }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The frames of a stream, without what ends them.
    pub(crate) fn frames(&self) -> Vec<&str> {
        let frames = self.body.strip_suffix("\n\n").expect("the last frame ends");
        frames.split("\n\n").collect()
    }

    /// The values in the frames of a stream; `[DONE]` as a string, comments left out.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.frames().into_iter().filter_map(|frame| frame.split_once("data: "));
        data.map(|(_, data)| serde_json::from_str(data).unwrap_or_else(|_| data.into())).collect()
    }
}

/// The body in the chunks of HTTP/1.1.
fn unchunked(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = chunks.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a length");
        body.push_str(&rest[..length]);
        chunks = rest[length..].strip_prefix("\r\n").expect("a chunk ends");
    }
    body
}

/// A chat request as bytes.
pub(crate) fn chat_request(stream: bool) -> String {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"stream":{stream}}}"#);
    post(&format!("content-length: {}\r\n\r\n{body}", body.len()))
}

/// The beginning of a POST, up to what differs.
pub(crate) fn post(rest: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n{rest}")
}
