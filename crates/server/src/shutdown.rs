//! The two steps of an end: first nothing new, then no connection.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Tells everybody that the server is going down. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    closing: CancellationToken,
    /// When the first step was taken.
    since: Arc<OnceLock<Instant>>,
}

impl Shutdown {
    /// The first step: `/ready` turns to 503, while connections and requests go on.
    pub fn start_draining(&self) {
        self.since.get_or_init(Instant::now);
        self.draining.cancel();
    }

    /// Whether the first step was taken.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// The second step: no new connections, and the present ones end after the answer in hand.
    pub fn close_connections(&self) {
        self.start_draining();
        self.closing.cancel();
    }

    /// Waits for the second step.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// Waits for the second step and then until `drain_timeout` after the first, or `grace` after the second if that
    /// is later: the end of a request has to reach its client.
    pub(crate) async fn overdue(&self, drain_timeout: Duration, grace: Duration) {
        self.closing().await;
        let closed = Instant::now();
        let since = self.since.get().copied().unwrap_or(closed);
        tokio::time::sleep_until((since + drain_timeout).max(closed + grace)).await;
    }
}
