//! A server with one fault at choice: what `edison check` must find, and the proof that it can.
//!
//! It plays one model that echoes words and counts, one token at a time, behind a queue. Without a fault it is sound. With
//! one it does what a real server did: see [`Fault`]. It is deterministic: time is tokio's, and there is no chance in it.
//!
//! Not for anything else. It is small, it knows one path, and it trusts its clients.

mod engine;
mod fault;
mod reply;
mod routes;

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

pub use engine::Make;
pub use fault::Fault;

use engine::Engine;

/// A server.
#[derive(Clone)]
pub struct BrokenServer(Arc<Engine>);

impl BrokenServer {
    /// A server that is made like this.
    pub fn new(make: Make) -> Self {
        Self(Arc::new(Engine::new(make)))
    }

    /// Serves one connection to its end.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn serve_connection<IO>(&self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(|request| routes::answer(Arc::clone(&self.0), request));
        // How a connection ends is the client's business.
        let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await;
    }

    /// How many tokens it has made, for whomever.
    pub fn tokens(&self) -> u64 {
        self.0.tokens()
    }
}
