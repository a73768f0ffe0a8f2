//! What the shell has to do after the mutex is released.

/// Wakers that leave the core. They are somebody else's code, so none of them is touched under the mutex.
#[derive(Debug)]
#[must_use = "a waker that is not woken is a lost wake-up"]
pub(crate) struct Effects<W> {
    /// To be woken. The first has its own place because almost always there is only one, and this way it costs no
    /// allocation.
    pub(super) first: Option<W>,
    pub(super) others: Vec<W>,
    /// To be dropped without being woken: its wait is over.
    pub(super) unused: Option<W>,
}

impl<W> Effects<W> {
    pub(super) fn none() -> Self {
        Self { first: None, others: Vec::new(), unused: None }
    }

    pub(super) fn wake(&mut self, waker: W) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.others.push(waker),
        }
    }

    /// The wakers to wake, in order, and the one to drop.
    pub(crate) fn into_parts(self) -> (impl Iterator<Item = W>, Option<W>) {
        (self.first.into_iter().chain(self.others), self.unused)
    }
}
