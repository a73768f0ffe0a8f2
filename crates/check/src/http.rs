//! One request on a connection of its own. Dropping what it gives closes the connection, as a client that leaves does.

use std::io;
use std::pin::pin;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::task::AbortHandle;

use crate::target::Target;

/// No answer that is asked for here is longer, in bytes. A server that never stops must not fill the memory.
pub(crate) const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Why there is no answer, or no end of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Connect(error.to_string())
    }
}

impl From<hyper::Error> for Lost {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The head of an answer, and its body as it comes.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Limited<Incoming>,
    _wire: Wire,
}

/// Closes the connection when it is dropped.
struct Wire(AbortHandle);

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and waits for the head of its answer. `sent` is called when the request has been written.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub(crate) async fn send(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<&Value>,
    sent: impl FnOnce(),
) -> Result<Reply, Lost> {
    let io = target.connect().await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
    let wire = Wire(tokio::spawn(connection).abort_handle());
    let mut answer = pin!(sender.send_request(request(target, method, path, body)?));
    // The connection's task writes the request when it is polled. Whoever is told too early may leave, or let somebody
    // else ask, before the server has heard of this request at all.
    let early = tokio::select! {
        biased;
        answer = answer.as_mut() => Some(answer),
        () = let_others_run() => None,
    };
    sent();
    let answer = match early {
        Some(answer) => answer,
        None => answer.await,
    };
    let (head, body) = answer?.into_parts();
    Ok(Reply { status: head.status, headers: head.headers, body: Limited::new(body, ANSWER_MAX_BYTES), _wire: wire })
}

/// Gives the other tasks of this thread their turns: one to take the request, one to write it.
async fn let_others_run() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

fn request(target: &Target, method: Method, path: &str, body: Option<&Value>) -> Result<Request<Full<Bytes>>, Lost> {
    let mut request = Request::builder()
        .method(method)
        .uri(target.path(path))
        .header("host", target.authority())
        .header("user-agent", concat!("edison-check/", env!("CARGO_PKG_VERSION")));
    if let Some(key) = target.api_key() {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let body = match body {
        Some(json) => {
            request = request.header("content-type", "application/json");
            Bytes::from(json.to_string())
        }
        None => Bytes::new(),
    };
    request.body(Full::new(body)).map_err(|error| Lost::Broken(format!("the request cannot be written: {error}")))
}

impl Reply {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Lost> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Lost::Broken(error.to_string())),
                // Trailers say nothing here.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body.
    pub(crate) async fn bytes(mut self) -> Result<Vec<u8>, Lost> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
