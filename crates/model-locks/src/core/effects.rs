//! What the shell has to do after the mutex is released.

/// Wakers that leave the core, to be woken in this order. They are somebody else's code, so none of them is touched under
/// the mutex.
///
/// Almost always there is none or one; only then nothing is allocated.
#[derive(Clone, Debug)]
#[must_use = "a waker that is not woken is a lost wake-up"]
pub(crate) enum Effects<W> {
    None,
    One(W),
    Many(Vec<W>),
}

impl<W> Effects<W> {
    #[inline]
    pub(super) fn wake(&mut self, waker: W) {
        match self {
            Self::None => *self = Self::One(waker),
            Self::One(_) | Self::Many(_) => self.push(waker),
        }
    }

    #[cold]
    fn push(&mut self, waker: W) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(waker),
            Self::One(first) => Self::Many(vec![first, waker]),
            Self::Many(mut wakers) => {
                wakers.push(waker);
                Self::Many(wakers)
            }
        };
    }
}
