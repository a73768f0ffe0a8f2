//! Takes connections, as many as there may be, until the server closes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::connection::{Peer, serve_connection};
use crate::limits::{CROWD_MAX, HttpLimits};
use crate::shutdown::Shutdown;

/// Pauses after failed accepts, one after another: without them the loop would spin while no file handle is free.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Serves connections until [`Shutdown::close_connections`], and returns when the last one has ended.
///
/// # Cancel safety
/// Dropping the future stops taking connections; those that are there go on by themselves.
pub async fn serve(listener: TcpListener, app: Router, limits: HttpLimits, shutdown: Shutdown) {
    let rooms = Rooms::new(limits.connections_max);
    let connections = TaskTracker::new();
    let mut backoff = BACKOFF_MIN;
    while let Some(accepted) = unless_closing(&shutdown, listener.accept()).await {
        match accepted {
            Ok((stream, address)) => {
                backoff = BACKOFF_MIN;
                // Beyond both rooms the connection is dropped at once.
                let Some((place, is_crowded)) = rooms.enter() else { continue };
                // Without the port: whoever opens many connections is one client.
                let peer = Peer { client: Some(address.ip().to_string()), is_crowded };
                connections.spawn(serve_one(stream, app.clone(), limits.clone(), peer, shutdown.clone(), place));
            }
            Err(error) if concerns_one_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken; trying again in {backoff:?}");
                unless_closing(&shutdown, tokio::time::sleep(backoff)).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Binds the address, and says in plain words why not.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is in use by another program; stop it, or choose another address with --listen")
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// `None` when the server closes first. What `future` would have had is lost then, and nobody wants it any more.
async fn unless_closing<T>(shutdown: &Shutdown, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = shutdown.closing() => None,
        value = future => Some(value),
    }
}

/// The client left between its knock and our answer: no reason to pause.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

async fn serve_one(
    stream: TcpStream,
    app: Router,
    limits: HttpLimits,
    peer: Peer,
    shutdown: Shutdown,
    _place: OwnedSemaphorePermit,
) {
    // Tokens are small and each is waited for; without this some would wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    serve_connection(stream, app, &limits, peer, &shutdown).await;
}

/// Where connections find a place.
struct Rooms {
    main: Arc<Semaphore>,
    crowd: Arc<Semaphore>,
}

impl Rooms {
    fn new(connections_max: usize) -> Self {
        Self { main: Arc::new(Semaphore::new(connections_max)), crowd: Arc::new(Semaphore::new(CROWD_MAX)) }
    }

    /// A place, and whether it is one beyond the limit.
    fn enter(&self) -> Option<(OwnedSemaphorePermit, bool)> {
        let main = Arc::clone(&self.main).try_acquire_owned().map(|place| (place, false));
        main.or_else(|_| Arc::clone(&self.crowd).try_acquire_owned().map(|place| (place, true))).ok()
    }
}
