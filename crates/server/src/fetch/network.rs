//! The network as a value, so that a test can be one.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::address::is_public;

/// A connection, whatever it is made of.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// Names and connections.
#[async_trait]
pub trait Network: Send + Sync {
    /// The addresses of a host. Asked once for each connection: the address that was checked is the one that is used.
    ///
    /// # Errors
    /// Why there is none.
    ///
    /// # Cancel safety
    /// Nobody waits for the answer when the future is dropped.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;

    /// Whether this address may be fetched from. By default those of the public Internet.
    fn admits(&self, address: IpAddr) -> bool {
        is_public(address)
    }

    /// A connection to this address.
    ///
    /// # Errors
    /// Why there is none.
    ///
    /// # Cancel safety
    /// Dropping the future gives it up.
    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Pipe>>;
}

/// Names that are looked up at one time. The system's way to do that holds a thread, also when nobody waits any more.
const LOOKUPS_MAX: usize = 8;

/// The real one: the system's resolver, and TCP.
pub(crate) struct Internet {
    lookups: Arc<Semaphore>,
}

impl Internet {
    pub(crate) fn new() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

#[async_trait]
impl Network for Internet {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let looking = tokio::task::spawn_blocking(move || {
            // Here and not with the future: that may be dropped while this thread goes on.
            let _permit = permit;
            Ok((host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
        });
        looking.await.map_err(io::Error::other)?
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Pipe>> {
        Ok(Box::new(TcpStream::connect(address).await?))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{Internet, Network};

    #[tokio::test]
    async fn a_connection_leads_to_the_address_that_it_is_made_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut pipe = Internet::new().connect(listener.local_addr().expect("an address")).await.expect("it listens");
        let (mut other, _) = listener.accept().await.expect("somebody connects");
        other.write_all(b"a").await.expect("it reads");
        assert_eq!(pipe.read_u8().await.expect("a byte"), b'a');
    }

    /// The system reads numbers as names in forms that nobody expects; what they mean is looked at, and not how they look.
    #[tokio::test]
    async fn names_that_mean_this_machine_are_not_admitted_however_they_are_written() {
        let network = Internet::new();
        for host in ["localhost", "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "::1", "0"] {
            let addresses = network.resolve(host).await.unwrap_or_default();
            assert!(!addresses.iter().any(|address| network.admits(*address)), "{host}: {addresses:?}");
        }
    }
}
