//! Pictures that lie elsewhere, fetched for whoever names their URL.
//!
//! A server that fetches what a stranger names can be sent to places that only it can reach. So this is off unless the
//! configuration says otherwise; a name is resolved once, what it means is looked at, and the connection goes to just that address; each
//! redirect begins from the beginning; and size, time, redirects and the number of fetches have bounds.

mod address;
mod exchange;
mod network;
mod place;
mod trust;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use self::exchange::Exchange;
use self::network::Internet;
pub use self::network::{Network, Pipe};
use self::place::Place;
use self::trust::Trust;
use crate::echo;
use crate::limits::HttpLimits;

/// Fetches at one time, for all requests together. Each holds a file of at most [`HttpLimits::fetch_max_bytes`].
const FETCHES_MAX: usize = 8;

/// Redirects that are followed, one after the other.
const REDIRECTS_MAX: usize = 3;

/// Whether pictures are fetched, and over which network. A cheap handle.
#[derive(Clone, Default)]
pub struct PictureFetch(Option<Arc<Fetching>>);

struct Fetching {
    network: Arc<dyn Network>,
    trust: Trust,
    slots: Arc<Semaphore>,
}

impl fmt::Debug for PictureFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PictureFetch({})", if self.is_on() { "on" } else { "off" })
    }
}

impl PictureFetch {
    /// Nothing is fetched: a URL that would have to be is refused. The default.
    pub fn off() -> Self {
        Self::default()
    }

    /// Pictures are fetched from the Internet, over https with the certificates that this system trusts.
    pub fn on() -> Self {
        Self::over(Arc::new(Internet::new()))
    }

    /// The same over another network.
    pub fn over(network: Arc<dyn Network>) -> Self {
        Self::trusting(network, Trust::of_the_system())
    }

    fn trusting(network: Arc<dyn Network>, trust: Trust) -> Self {
        let slots = Arc::new(Semaphore::new(FETCHES_MAX));
        Self(Some(Arc::new(Fetching { network, trust, slots })))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The file at a URL, within the bounds in `limits`.
    ///
    /// # Errors
    /// Why there is none, as a sentence whose subject is the picture.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub(crate) async fn file(&self, url: &str, limits: &HttpLimits) -> Result<Fetched, String> {
        let Some(fetching) = &self.0 else { return Err("is not fetched by this server".to_owned()) };
        let fetched = match timeout(limits.fetch_timeout, fetching.file(url, limits.fetch_max_bytes)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("it did not come within {:?}", limits.fetch_timeout)),
        };
        tracing::debug!(url = %echo::value(url), error = fetched.as_ref().err(), "fetched a picture");
        fetched.map_err(|reason| format!("could not be fetched: {}", echo::sentence(&reason)))
    }
}

/// A file that was fetched, and its place among those that may be held at one time.
pub(crate) struct Fetched {
    pub(crate) bytes: Bytes,
    _slot: OwnedSemaphorePermit,
}

impl Fetching {
    async fn file(&self, url: &str, max_bytes: usize) -> Result<Fetched, String> {
        let mut place = Place::parse(url)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|error| error.to_string())?;
        for _ in 0..=REDIRECTS_MAX {
            match self.exchange(&place, max_bytes).await? {
                Exchange::File(bytes) => return Ok(Fetched { bytes, _slot: slot }),
                Exchange::Elsewhere(location) => place = place.redirected(&location)?,
            }
        }
        Err(format!("it is behind more than {REDIRECTS_MAX} redirects"))
    }
}

#[cfg(test)]
mod tests;
