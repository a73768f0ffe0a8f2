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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::Notify;

    use super::until;

    /// The change comes behind the look's back, and before there is anything that waits.
    #[test]
    fn a_change_between_the_look_and_the_wait_is_not_missed() {
        let (changed, mut n_looks) = (Notify::new(), 0);
        let look = || {
            n_looks += 1;
            changed.notify_waiters();
            (n_looks == 2).then_some("seen")
        };
        assert_eq!(until(&changed, look).now_or_never(), Some("seen"));
    }
}
