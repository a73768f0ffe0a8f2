//! The two steps of an end: first nothing new, then no connection.

use tokio_util::sync::CancellationToken;

/// Tells everybody that the server is going down. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    closing: CancellationToken,
}

impl Shutdown {
    /// The first step: `/ready` turns to 503, while connections and requests go on.
    pub fn start_draining(&self) {
        self.draining.cancel();
    }

    /// Whether the first step was taken.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// The second step: no new connections, and the present ones end after the answer in hand.
    pub fn close_connections(&self) {
        self.draining.cancel();
        self.closing.cancel();
    }

    /// Waits for the second step.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closing(&self) {
        self.closing.cancelled().await;
    }
}
