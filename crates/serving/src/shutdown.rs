//! Going down without losing anybody.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use crate::Service;
use crate::canary;
use crate::quietly::quietly;

impl Service {
    /// Takes nothing new, lets requests finish until `deadline` has passed, then ends the rest. Resolves when every
    /// request has its ending and every lane is home.
    ///
    /// An engine that never stops after being asked to keeps this waiting; bound it outside where that matters.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn shutdown(&self, deadline: Duration) {
        let inner = &self.inner;
        let deadline = if canary::is_hasty() { Duration::ZERO } else { deadline };
        inner.draining.store(true, Ordering::Release);
        inner.requests.close();
        if timeout(deadline, inner.requests.wait()).await.is_err() {
            let requests = inner.requests.len();
            quietly(|| tracing::warn!(requests, "the time to drain is over, ending what is left"));
        }
        inner.end_requests.cancel();
        inner.requests.wait().await;
        // A submission that looked at `draining` just before it was set finds the lock closed, or holds a lane that
        // `closed` waits for.
        inner.end_loads.cancel();
        for instance in &inner.instances {
            instance.lock.close();
        }
        inner.background.close();
        inner.background.wait().await;
        for instance in &inner.instances {
            instance.lock.closed().await;
        }
        inner.requests.wait().await;
    }
}
