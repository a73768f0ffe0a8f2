//! One connection: HTTP/1.1 or HTTP/2, within its bounds, until the client leaves or the server closes.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::limits::{CLOSE_GRACE, CROWD_HEADER_READ_TIMEOUT, HEADERS_MIN_BYTES, HttpLimits, PING_INTERVAL};
use crate::read_ahead::{Lookout, read_ahead};
use crate::shutdown::Shutdown;
use crate::under_way::{Counted, Requests, UnderWay};
use crate::write_timeout::WriteTimeout;

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
    let requests = Requests::default();
    let counted = requests.clone();
    let service = service_fn(move |request| answer(app.clone(), request, peer.clone(), counted.begin()));
    let (read, write) = tokio::io::split(io);
    let (read, lookout) = read_ahead(read);
    let io = TokioIo::new(tokio::io::join(read, WriteTimeout::new(write, limits.write_timeout)));
    let header_read_timeout = header_read_timeout(limits, is_crowded);
    let builder = builder(limits, header_read_timeout, is_crowded);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut lost = pin!(lost(&lookout, &requests, limits.write_timeout));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return log(ended),
        why = lost.as_mut() => return tracing::debug!("connection dropped: {why}"),
        () = shutdown.closing() => {}
        () = requests.none_for(header_read_timeout) => {}
        () = requests.answered(), if is_crowded => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        ended = connection => log(ended),
        why = lost => tracing::debug!("connection dropped: {why}"),
        // A client that has vanished, or is in the middle of a header, confirms nothing.
        () = requests.none_for(CLOSE_GRACE) => tracing::debug!("connection dropped: the client did not let it end"),
        () = shutdown.overdue(limits.drain_timeout, CLOSE_GRACE) => {
            tracing::debug!("connection dropped: its answers took longer than the server's end may");
        }
    }
}

/// Crowded connections are few, and whoever is silent on one keeps others from asking how the server does.
fn header_read_timeout(limits: &HttpLimits, is_crowded: bool) -> Duration {
    let crowded = limits.header_read_timeout.min(CROWD_HEADER_READ_TIMEOUT);
    if is_crowded { crowded } else { limits.header_read_timeout }
}

fn builder(limits: &HttpLimits, header_read_timeout: Duration, is_crowded: bool) -> Builder<TokioExecutor> {
    let headers_max = limits.headers_max_bytes.max(HEADERS_MIN_BYTES);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(headers_max)
        .header_read_timeout(header_read_timeout)
        // Whether an end behind a request is a client that has left is the lookout's to say, after a first look at the
        // request: what needs no wait is answered, as `printf .. | nc` expects.
        .half_close(true)
        .keep_alive(!is_crowded);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(headers_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(if is_crowded { 1 } else { limits.streams_max })
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
    let is_http2 = request.version() == Version::HTTP_2;
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let router = hyper_util::service::TowerToHyperService::new(app);
    let response = router.call(request).await?;
    Ok(response.map(|body| Counted::new(body, under_way, is_http2)))
}

/// Resolves when there is nobody left to answer, with the reason.
async fn lost<IO: AsyncRead + Unpin>(lookout: &Lookout<IO>, requests: &Requests, limit: Duration) -> &'static str {
    tokio::select! {
        biased;
        () = lookout.gone(requests) => "the client left while a request was under way",
        () = requests.untaken_for(limit) => "the client took nothing of its answer",
    }
}

/// Ends are of interest to whoever looks for them only: clients may leave at any moment.
fn log(ended: Result<(), Box<dyn Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
