//! One connection: HTTP/1.1 or HTTP/2, within its bounds, until the client leaves or the server closes.

use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::limits::{HEADERS_MIN_BYTES, HttpLimits};
use crate::shutdown::Shutdown;
use crate::write_timeout::WriteTimeout;

/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Who is at the other end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// The name for logs and views: an address.
    pub client: Option<String>,
    /// Whether it came when all connections were taken. It gets what needs no model, and one answer.
    pub is_crowded: bool,
}

/// Serves one connection to its end.
///
/// # Cancel safety
/// Dropping the future drops the connection and with it every request on it.
pub async fn serve_connection<IO>(io: IO, app: Router, limits: &HttpLimits, peer: Peer, shutdown: &Shutdown)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let is_crowded = peer.is_crowded;
    let (requests, under_way) = watch::channel(0);
    let requests = Arc::new(requests);
    let service = service_fn(move |request| answer(app.clone(), request, peer.clone(), UnderWay::new(&requests)));
    let io = TokioIo::new(WriteTimeout::new(io, limits.write_timeout));
    let builder = builder(limits, is_crowded);
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return log(ended),
        () = shutdown.closing() => {}
        () = idle(under_way, limits.header_read_timeout) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A client that has vanished confirms nothing. Answers in hand are over by then: each write has its timeout.
    match tokio::time::timeout(limits.write_timeout, connection).await {
        Ok(ended) => log(ended),
        Err(_) => tracing::debug!("connection dropped: the client did not let it end"),
    }
}

fn builder(limits: &HttpLimits, is_crowded: bool) -> Builder<TokioExecutor> {
    let headers_max = limits.headers_max_bytes.max(HEADERS_MIN_BYTES);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(headers_max)
        .header_read_timeout(limits.header_read_timeout)
        .keep_alive(!is_crowded);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(headers_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams_max)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    builder
}

async fn answer(
    app: Router,
    request: Request<Incoming>,
    peer: Peer,
    under_way: UnderWay,
) -> Result<Response<Counted>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let router = hyper_util::service::TowerToHyperService::new(app);
    let response = router.call(request).await?;
    Ok(response.map(|body| Counted { body, _under_way: under_way }))
}

/// Resolves when no request was under way for as long as `limit`. It also covers what the HTTP implementation does
/// not: a client that does not say which version it speaks, and HTTP/2 without requests.
async fn idle(mut under_way: watch::Receiver<usize>, limit: Duration) {
    loop {
        // The sender lives in the connection, so that an error means that nobody is left to wait for.
        if under_way.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        if tokio::time::timeout(limit, under_way.wait_for(|count| *count > 0)).await.is_err() {
            return;
        }
    }
}

/// Ends are of interest to whoever looks for them only: clients may leave at any moment.
fn log(ended: Result<(), Box<dyn Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// A request that has come and whose answer is not written yet.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn new(requests: &Arc<watch::Sender<usize>>) -> Self {
        requests.send_modify(|count| *count += 1);
        Self(Arc::clone(requests))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The body of an answer. The request is under way until it is dropped.
struct Counted {
    body: Body,
    _under_way: UnderWay,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
