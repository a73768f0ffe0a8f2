//! Takes connections, as many as there may be, until the server closes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use crate::app::in_the_style_of;
use crate::connection::{Peer, serve_connection};
use crate::error::ApiError;
use crate::limits::{CROWD_MAX, HttpLimits, KNOCKS_MAX};
use crate::shutdown::Shutdown;
use crate::tls::Tls;

/// Pauses after failed accepts, one after another: without them the loop would spin while no file handle is free.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Where connections come in: TCP, TCP with TLS, or a Unix socket.
#[derive(Debug)]
pub struct Door(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Tls(TcpListener, Tls),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Door {
    /// Whoever comes through has to speak TLS.
    pub fn with_tls(listener: TcpListener, tls: Tls) -> Self {
        Self(Kind::Tls(listener, tls))
    }
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }
}

#[cfg(unix)]
impl From<UnixListener> for Door {
    fn from(listener: UnixListener) -> Self {
        Self(Kind::Unix(listener))
    }
}

/// Serves connections until [`Shutdown::close_connections`], and returns when the last one has ended.
///
/// # Cancel safety
/// Dropping the future stops taking connections; those that are there go on by themselves.
pub async fn serve(door: impl Into<Door>, app: Router, limits: HttpLimits, shutdown: Shutdown) {
    serve_all(vec![door.into()], app, limits, shutdown).await;
}

/// The same at several doors, which have their bounds together.
///
/// # Cancel safety
/// As [`serve`].
pub async fn serve_all(doors: Vec<Door>, app: Router, limits: HttpLimits, shutdown: Shutdown) {
    let hall = Hall { rooms: Rooms::new(limits.connections_max), tracker: TaskTracker::new(), app, limits, shutdown };
    join_all(doors.into_iter().map(|door| hall.take_in(door))).await;
    hall.tracker.close();
    hall.tracker.wait().await;
}

/// What all doors lead to.
struct Hall {
    rooms: Rooms,
    tracker: TaskTracker,
    app: Router,
    limits: HttpLimits,
    shutdown: Shutdown,
}

/// A connection as it comes, and who that is.
struct Arrival {
    stream: Stream,
    client: String,
}

enum Stream {
    Tcp(TcpStream),
    Tls(TcpStream, Tls),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Door {
    async fn next(&self) -> io::Result<Arrival> {
        // Without the port: whoever opens many connections is one client.
        let arrival = |stream, address: SocketAddr| Arrival { stream, client: address.ip().to_string() };
        match &self.0 {
            Kind::Tcp(listener) => listener.accept().await.map(|(tcp, at)| arrival(Stream::Tcp(tcp), at)),
            Kind::Tls(listener, tls) => {
                listener.accept().await.map(|(tcp, at)| arrival(Stream::Tls(tcp, tls.clone()), at))
            }
            #[cfg(unix)]
            Kind::Unix(listener) => {
                let (unix, _) = listener.accept().await?;
                // Whoever may open the socket is somebody of this machine, and the system knows who.
                let user = unix.peer_cred().map(|who| who.uid());
                let client = user.map_or_else(|_| "unix".to_owned(), |uid| format!("unix user {uid}"));
                Ok(Arrival { stream: Stream::Unix(unix), client })
            }
        }
    }
}

impl Hall {
    /// Takes connections until the server closes.
    async fn take_in(&self, door: Door) {
        let mut backoff = BACKOFF_MIN;
        while let Some(accepted) = unless_closing(&self.shutdown, door.next()).await {
            match accepted {
                Ok(Arrival { stream, client }) => {
                    backoff = BACKOFF_MIN;
                    // Beyond both rooms the connection is dropped at once.
                    let Some((place, is_crowded)) = self.rooms.enter() else { continue };
                    let peer = Peer { client: Some(client), is_crowded };
                    let (app, limits, shutdown) = (self.app.clone(), self.limits.clone(), self.shutdown.clone());
                    self.tracker.spawn(serve_one(stream, app, limits, peer, shutdown, place));
                }
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken; trying again in {backoff:?}");
                    unless_closing(&self.shutdown, tokio::time::sleep(backoff)).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }
}

/// Listens on the address, with room for a crowd before the door.
///
/// # Errors
/// Why not, in plain words.
pub fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    listen(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is in use by another program; stop it, or choose another address with --listen")
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// The runtime's own listeners have room for 128.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does it: a server that was ended can come back at once. Elsewhere it would let another
    // program take the address.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(KNOCKS_MAX)
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
    stream: Stream,
    app: Router,
    limits: HttpLimits,
    peer: Peer,
    shutdown: Shutdown,
    _place: OwnedSemaphorePermit,
) {
    match stream {
        Stream::Tcp(tcp) => serve_connection(without_delay(tcp), app, &limits, peer, &shutdown).await,
        Stream::Tls(tcp, tls) => {
            // The handshake counts as the beginning of the first request: who is silent in it is as silent as anybody.
            let handshake = tokio::time::timeout(limits.header_read_timeout, shake_hands(without_delay(tcp), &tls));
            match unless_closing(&shutdown, handshake).await {
                Some(Ok(Ok(Shaken::Tls(stream)))) => serve_connection(*stream, app, &limits, peer, &shutdown).await,
                Some(Ok(Ok(Shaken::No(tcp)))) => {
                    // One answer is all there is to say.
                    let peer = Peer { is_crowded: true, ..peer };
                    serve_connection(tcp, only_over_tls(), &limits, peer, &shutdown).await;
                }
                Some(Ok(Err(error))) => tracing::debug!(%error, "no TLS"),
                Some(Err(_)) => tracing::debug!("no TLS in time"),
                None => {}
            }
        }
        #[cfg(unix)]
        Stream::Unix(unix) => serve_connection(unix, app, &limits, peer, &shutdown).await,
    }
}

/// How a connection begins where TLS is spoken.
enum Shaken {
    Tls(Box<TlsStream<TcpStream>>),
    /// The client speaks HTTP as it is. It is told so: an alert of TLS would be gibberish to it.
    No(TcpStream),
}

async fn shake_hands(tcp: TcpStream, tls: &Tls) -> io::Result<Shaken> {
    let mut first = [0];
    tcp.peek(&mut first).await?;
    // What TLS begins with is no letter, and every method of HTTP begins with one.
    if first[0].is_ascii_uppercase() {
        return Ok(Shaken::No(tcp));
    }
    Ok(Shaken::Tls(Box::new(tls.accept(tcp).await?)))
}

fn only_over_tls() -> Router {
    Router::new().fallback(async |request: Request| in_the_style_of(request.uri().path(), ApiError::OnlyOverTls))
}

/// Tokens are small and each is waited for; with the delay some would wait for the next one.
fn without_delay(tcp: TcpStream) -> TcpStream {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    tcp
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
