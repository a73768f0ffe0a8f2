//! What is to become of a model: the wishes of others, which [`keeping`](crate::keeping) fulfils.

use std::sync::{MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::Refusal;
use crate::instance::{Instance, Loaded, State};
use crate::until::until;

/// What is to become of a model.
pub(crate) struct Wishes {
    /// It is to be let go.
    go: bool,
    /// It is to be there.
    come: bool,
    /// It is being let go: each lane leaves when it is home.
    is_going: bool,
    /// Loads so far.
    loads: u64,
    /// How often it was let go.
    gone: u64,
    /// Until when somebody used it. Kept only where it goes when nobody does.
    last_use: Instant,
}

impl Wishes {
    /// Of a model that is loaded at the start.
    pub(crate) fn new() -> Self {
        Self { go: false, come: false, is_going: false, loads: 0, gone: 0, last_use: Instant::now() }
    }
}

/// As long as it lives, the model is being let go.
pub(crate) struct Going<'a>(&'a Instance);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.wishes().is_going = false;
    }
}

impl Instance {
    /// Waits until the model has been let go, which it makes happen; or tells why there is none. Whoever waits for it
    /// brings it back at once. One that could not be loaded again is gone.
    pub(crate) async fn unload(&self) -> Result<(), Refusal> {
        let before = self.wishes().gone;
        let look = || match self.state() {
            _ if self.wishes().gone > before => Some(Ok(())),
            State::Unloaded(_) => Some(Ok(())),
            State::Absent(absence) if absence.is_passing() => Some(Ok(())),
            State::Absent(absence) => Some(Err(self.unavailable(absence))),
            State::Loading | State::Ready(_) => {
                self.wishes().go = true;
                self.stirred.notify_waiters();
                None
            }
        };
        until(&self.settled, look).await
    }

    /// The model is to be there.
    pub(crate) fn want(&self) {
        self.wishes().come = true;
        self.stirred.notify_waiters();
    }

    /// Somebody has used the model until now.
    pub(crate) fn touch(&self) {
        if self.unload_after.is_some() {
            self.wishes().last_use = Instant::now();
            self.stirred.notify_waiters();
        }
    }

    pub(crate) fn last_use(&self) -> Instant {
        self.wishes().last_use
    }

    pub(crate) fn is_told_to_go(&self) -> bool {
        self.wishes().go
    }

    /// It need not go any more.
    pub(crate) fn forget_to_go(&self) {
        self.wishes().go = false;
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wishes().come
    }

    pub(crate) fn is_going(&self) -> bool {
        self.wishes().is_going
    }

    /// Whether it has been loaded at least once.
    pub(crate) fn has_been_there(&self) -> bool {
        self.wishes().loads > 0
    }

    /// The number of the load that is complete now.
    pub(crate) fn next_load(&self) -> u64 {
        let mut wishes = self.wishes();
        wishes.loads += 1;
        wishes.loads
    }

    /// From now on lanes leave when they are home.
    pub(crate) fn begin_to_go(&self) -> Going<'_> {
        let mut wishes = self.wishes();
        wishes.is_going = true;
        // What was wanted before is there; what is wanted from now on has to be brought back.
        (wishes.go, wishes.come) = (false, false);
        Going(self)
    }

    /// The lanes are out. `false`, and nothing changes, if the model has failed.
    pub(crate) fn gone(&self) -> bool {
        let mut state = self.lock_state();
        let State::Ready(Loaded { info, .. }) = *state else { return false };
        *state = State::Unloaded(info);
        true
    }

    /// Wakes whoever waited for the model to be gone: its engine is.
    pub(crate) fn tell_gone(&self) {
        let mut wishes = self.wishes();
        // A wish that came while it was going has been granted with it.
        wishes.go = false;
        wishes.gone += 1;
        drop(wishes);
        self.settled.notify_waiters();
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        // Nothing inside panics halfway through a change. Never held together with the state.
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
