//! An in-memory network: pipes between real HTTP clients and the real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::response::Response;
use http::header::DATE;
use http::{HeaderValue, Request};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use server::{AppOptions, HEADERS_MIN_BYTES, HttpLimits, Peer, RequestIds, Shutdown, WallClock};
use serving::Service;
use tokio::task::AbortHandle;

use crate::world::World;

/// The server's address, so to speak. A cheap handle.
#[derive(Clone)]
pub(crate) struct Network {
    app: Router,
    limits: HttpLimits,
    shutdown: Shutdown,
    pipe: usize,
    closed: Arc<AtomicBool>,
}

/// A connection. Dropping it closes it.
pub(crate) struct Link {
    sender: Sender,
    wire: AbortHandle,
}

#[derive(Clone)]
enum Sender {
    // Several requests cannot share it, but the type that can is one for both.
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Network {
    /// The HTTP face of this service, with a date and ids that are the same in every run.
    pub(crate) fn new(service: Service, world: &World, shutdown: Shutdown) -> Self {
        let limits = HttpLimits {
            // The buffer for headers is also what a connection may keep of an answer that nobody reads.
            headers_max_bytes: HEADERS_MIN_BYTES,
            write_timeout: std::time::Duration::from_millis(world.bounds.write_timeout),
            drain_timeout: std::time::Duration::from_millis(world.drain_for),
            ..HttpLimits::default()
        };
        let options = AppOptions {
            limits: limits.clone(),
            ids: RequestIds::with_prefix("sim"),
            clock: WallClock::fixed(1_700_000_000),
            shutdown: shutdown.clone(),
            ..AppOptions::default()
        };
        // Otherwise the connection dates the answers by the clock of the machine, and over HTTP/2 their length varies.
        let dated = axum::middleware::map_response(async |mut response: Response| {
            response.headers_mut().insert(DATE, HeaderValue::from_static("Tue, 14 Nov 2023 22:13:20 GMT"));
            response
        });
        let app = server::app(service, options).layer(dated);
        Self { app, limits, shutdown, pipe: world.bounds.pipe, closed: Arc::default() }
    }

    /// From now on nobody connects.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Connects, unless the server is gone.
    pub(crate) async fn connect(&self, client: &str, is_http2: bool) -> Option<Link> {
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        let (ours, theirs) = tokio::io::duplex(self.pipe);
        let (app, limits, shutdown) = (self.app.clone(), self.limits.clone(), self.shutdown.clone());
        let peer = Peer { client: Some(client.to_owned()), is_crowded: false };
        tokio::spawn(async move { server::serve_connection(theirs, app, &limits, peer, &shutdown).await });
        let io = TokioIo::new(ours);
        if is_http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            let (sender, connection) = builder.timer(TokioTimer::new()).handshake(io).await.ok()?;
            let wire = tokio::spawn(connection).abort_handle();
            Some(Link { sender: Sender::Http2(sender), wire })
        } else {
            let mut builder = http1::Builder::new();
            let (sender, connection) = builder.max_buf_size(HEADERS_MIN_BYTES).handshake(io).await.ok()?;
            let wire = tokio::spawn(connection).abort_handle();
            Some(Link { sender: Sender::Http1(Arc::new(tokio::sync::Mutex::new(sender))), wire })
        }
    }
}

impl Link {
    /// Whether another request can be sent over it.
    pub(crate) async fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.lock().await.ready().await.is_ok(),
            Sender::Http2(sender) => sender.clone().ready().await.is_ok(),
        }
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// The connection ended before.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> hyper::Result<http::Response<Incoming>> {
        match &self.sender {
            Sender::Http1(sender) => {
                let answer = sender.lock().await.send_request(request);
                answer.await
            }
            Sender::Http2(sender) => sender.clone().send_request(request).await,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.wire.abort();
    }
}
