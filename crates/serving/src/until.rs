//! Waiting for a change.

use tokio::sync::Notify;

/// Waits until a look has something to tell. It is taken at once, and again after each change, which `changed` tells of.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped: whoever waits again looks again.
pub(crate) async fn until<T>(changed: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        // Made before the look: a change after it is not missed, whether or not this was polled by then.
        let changed = changed.notified();
        if let Some(seen) = look() {
            return seen;
        }
        changed.await;
    }
}
