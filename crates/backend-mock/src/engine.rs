//! An engine: the thing that must not be entered twice.
//!
//! It does not protect itself, as llama.cpp does not. It only notices, and says so loudly.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backend::LaneBroken;

use crate::journal::{Journal, Leave, Visit, What};
use crate::{OnOverlap, Rebuild};

/// One engine of a loaded instance.
pub(crate) struct Engine {
    instance: Arc<Instance>,
    on_overlap: OnOverlap,
    state: Mutex<State>,
}

/// What all engines of one load have in common. The journal hears when the last of them is gone.
pub(crate) struct Instance {
    pub(crate) model: Arc<str>,
    pub(crate) journal: Arc<Journal>,
}

#[derive(Default)]
struct State {
    /// Who is inside: one at most, unless the lock above is broken and overlaps are only recorded.
    inside: Vec<Visit>,
    /// Set while a reset is needed.
    broken: Option<Rebuild>,
}

/// The right to work in an engine, and the flag that says so. Dropped by work that its runtime threw away.
pub(crate) struct Entered {
    engine: Arc<Engine>,
    visit: Visit,
}

impl Engine {
    pub(crate) fn new(instance: Arc<Instance>, on_overlap: OnOverlap) -> Self {
        Self { instance, on_overlap, state: Mutex::default() }
    }

    /// Enters for a generation.
    ///
    /// # Panics
    /// Somebody is inside, and overlaps are to panic.
    pub(crate) fn enter(self: &Arc<Self>, visit: Visit, asked: &str) -> Entered {
        let entered = self.enter_silently(visit.clone());
        self.journal().record(What::Enter { visit, asked: asked.to_string() });
        entered
    }

    /// Does what a reset can do. Enters, too: an engine that works must not be reset.
    ///
    /// # Panics
    /// As [`enter`](Self::enter).
    pub(crate) fn reset(self: &Arc<Self>, visit: Visit) -> Result<(), LaneBroken> {
        let entered = self.enter_silently(visit.clone());
        let rebuilt = {
            let mut state = self.lock();
            let (broken, rebuilt) = match state.broken {
                None | Some(Rebuild::AfterFailures(0)) => (None, true),
                Some(Rebuild::AfterFailures(n)) => (Some(Rebuild::AfterFailures(n - 1)), false),
                Some(Rebuild::Never) => (Some(Rebuild::Never), false),
            };
            state.broken = broken;
            rebuilt
        };
        self.journal().record(What::Reset { visit, rebuilt });
        drop(entered);
        if rebuilt { Ok(()) } else { Err(LaneBroken { reason: "the script says that this reset fails".into() }) }
    }

    /// Whether a reset is needed.
    pub(crate) fn is_broken(&self) -> bool {
        self.lock().broken.is_some()
    }

    fn enter_silently(self: &Arc<Self>, visit: Visit) -> Entered {
        let inside = {
            let mut state = self.lock();
            let inside = state.inside.last().cloned();
            if inside.is_none() || self.on_overlap == OnOverlap::Record {
                state.inside.push(visit.clone());
            }
            inside
        };
        if let Some(inside) = inside {
            self.journal().record(What::Overlap { visit: visit.clone(), inside: inside.clone() });
            if self.on_overlap == OnOverlap::Panic {
                panic!("engine entered twice: {visit:?} came in while it worked for {inside:?}");
            }
        }
        Entered { engine: Arc::clone(self), visit }
    }

    fn journal(&self) -> &Journal {
        &self.instance.journal
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing inside panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entered {
    /// Whether the engine needs a reset first.
    pub(crate) fn is_broken(&self) -> bool {
        self.engine.is_broken()
    }

    /// Breaks the engine.
    pub(crate) fn break_engine(&self, rebuild: Rebuild) {
        self.engine.lock().broken = Some(rebuild);
    }

    /// Writes into the journal.
    pub(crate) fn record(&self, what: What) {
        self.engine.journal().record(what);
    }

    pub(crate) fn note_first_token(&self) {
        self.engine.journal().record(What::FirstToken { visit: self.visit.clone() });
    }

    /// Stops working.
    pub(crate) fn leave(self, tokens: u32, how: Leave) {
        // Recorded while still inside. After it, somebody else could enter and be recorded first, and the journal
        // would show an overlap that never was.
        self.engine.journal().record(What::Leave { visit: self.visit.clone(), tokens, how });
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut state = self.engine.lock();
        let at = state.inside.iter().position(|visit| *visit == self.visit);
        state.inside.remove(at.expect("whoever entered is inside until this"));
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.journal.record(What::Unloaded { model: Arc::clone(&self.model) });
    }
}
