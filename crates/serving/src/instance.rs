//! One model: its lock, what is known of it, and who uses it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backend::{Lane, ModelInfo, ModelSpec, Prompt, PromptEncoder};
use model_locks::{Ask, LaneId, ModelLock, Observer, Policy, WhenAllQuarantined};
use tokio::sync::Notify;

use crate::affinity::{Affinity, Conversation};
use crate::canary;
use crate::faltering::Absence;
use crate::history::History;
use crate::live::Live;
use crate::quietly::quietly;
use crate::service::LockObserver;
use crate::until::until;
use crate::wishes::Wishes;
use crate::{AdapterView, Limits, LoadState, LockEvent, ModelConfig, Refusal};

/// One model and everything that belongs to it. Nothing in it is shared with another model (L12).
pub(crate) struct Instance {
    pub(crate) spec: ModelSpec,
    /// Its names besides `spec.name`.
    pub(crate) names: Vec<String>,
    pub(crate) queue_max: usize,
    pub(crate) max_tokens: u32,
    /// How long nobody uses it before it is let go; never where `None`.
    pub(crate) unload_after: Option<Duration>,
    /// Owns the lanes. Has none while the model is not loaded, so that requests queue up in order meanwhile.
    pub(crate) lock: ModelLock<Box<dyn Lane>>,
    pub(crate) live: Live,
    pub(crate) history: History,
    /// Where its conversations were; `None` with one lane, where there is no choice.
    affinity: Option<Affinity>,
    state: Mutex<State>,
    /// What is to become of the model.
    pub(crate) wishes: Mutex<Wishes>,
    /// Wakes whoever waits for the load, first come first served. A `watch` channel would wake them in random order.
    pub(crate) settled: Notify,
    /// Whether the lanes of a loaded model are in the lock. Until then it is still being loaded to whoever looks.
    in_service: AtomicBool,
    /// Wakes whoever keeps the model: a wish came, or somebody began or ceased to use it.
    pub(crate) stirred: Notify,
    /// Share of the load that is done, as the bits of an `f32`. Apart from `state`, whose changes wake all waiters.
    progress: AtomicU32,
}

/// How far a model is.
#[derive(Clone)]
pub(crate) enum State {
    Loading,
    Ready(Loaded),
    /// It was let go, and had these properties. Whoever asks for it brings it back.
    Unloaded(ModelInfo),
    /// It could not be loaded, or its engine broke for good.
    Absent(Absence),
}

/// What a loaded model offers beside its lanes.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) info: ModelInfo,
    pub(crate) encoder: Arc<dyn PromptEncoder>,
    /// Which load of the model this is, from 1. Tokens of another one may not be its tokens: the file may have changed.
    pub(crate) number: u64,
}

impl Instance {
    pub(crate) fn new(
        config: &ModelConfig,
        names: Vec<String>,
        limits: &Limits,
        observer: Option<LockObserver>,
    ) -> Self {
        let policy = Policy {
            queue_max: config.queue_max,
            fair_share: limits.fair_share,
            // A broken lane is rebuilt at once; whoever waits for it need not fail meanwhile. A lane that
            // cannot be rebuilt closes the lock, see `fail`.
            when_all_quarantined: WhenAllQuarantined::Wait,
            ..Policy::default()
        };
        let mut spec = config.spec.clone();
        spec.lanes = canary::lanes(spec.lanes);
        let has_choice = spec.lanes > 1 || spec.tuning.replicas > 1;
        let policy = canary::policy(policy);
        let lock = match observer {
            None => ModelLock::new([], policy),
            Some(observer) => {
                ModelLock::with_observer([], policy, Arc::new(Watched { model: spec.name.clone(), observer }))
            }
        };
        Self {
            affinity: has_choice.then(Affinity::default),
            spec,
            names,
            queue_max: config.queue_max,
            max_tokens: config.max_tokens,
            lock,
            live: Live::default(),
            history: History::new(limits.history_max),
            unload_after: config.unload_after,
            state: Mutex::new(State::Loading),
            wishes: Mutex::new(Wishes::new()),
            stirred: Notify::new(),
            settled: Notify::new(),
            in_service: AtomicBool::new(false),
            progress: AtomicU32::new(0),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.spec.name
    }

    /// By which name the model is asked for with this adapter.
    pub(crate) fn id_with(&self, adapter: Option<&AdapterView>) -> String {
        match adapter {
            Some(adapter) => format!("{}:{}", self.id(), adapter.name),
            None => self.id().to_string(),
        }
    }

    /// The same ask, with the lane on which this conversation was last, if it is known.
    pub(crate) fn with_preference(&self, ask: Ask, prompt: &Prompt) -> Ask {
        let known = self.affinity.as_ref().and_then(|affinity| affinity.lane(Conversation::of(prompt)));
        known.map_or(ask, |lane| ask.prefer(lane))
    }

    /// Remembers on which lane this conversation is.
    pub(crate) fn remember_lane(&self, prompt: &Prompt, lane: LaneId) {
        if let Some(affinity) = &self.affinity {
            affinity.remember(Conversation::of(prompt), lane);
        }
    }

    pub(crate) fn state(&self) -> State {
        self.lock_state().clone()
    }

    /// Whether it has its lanes now.
    pub(crate) fn is_loaded(&self) -> bool {
        matches!(*self.lock_state(), State::Ready(_))
    }

    /// Waits until the model is loaded, which it makes happen where the model was let go; or tells why it is not there.
    pub(crate) async fn loaded(&self) -> Result<Loaded, Refusal> {
        let look = || match self.state() {
            State::Ready(loaded) => Some(Ok(loaded)),
            State::Absent(absence) => Some(Err(self.unavailable(absence))),
            State::Loading => None,
            State::Unloaded(_) => {
                self.want();
                None
            }
        };
        until(&self.settled, look).await
    }

    /// Waits until the model is no longer being loaded, however that ends.
    pub(crate) async fn settled(&self) {
        until(&self.settled, || (!matches!(self.load_state(), LoadState::Loading { .. })).then_some(())).await;
    }

    pub(crate) fn settle(&self, state: State) {
        *self.lock_state() = state;
        self.settled.notify_waiters();
    }

    pub(crate) fn lock_state(&self) -> MutexGuard<'_, State> {
        // Nothing inside panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_progress(&self, share: f32) {
        self.progress.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Takes the loaded model into service: whoever waits gets the lanes, in order.
    pub(crate) fn ready(&self, loaded: Loaded, lanes: Vec<Box<dyn Lane>>) {
        // Idle counts from here where nobody waits.
        self.touch();
        // The encoder first: a request that got a lane before it would hold it and wait, or run the tokens of an earlier load.
        *self.lock_state() = State::Ready(loaded);
        for lane in lanes {
            if self.lock.add_lane(lane).is_err() {
                quietly(|| tracing::debug!(model = self.id(), "loaded after the service was closed"));
            }
        }
        // Told last: who heard of it before would find a model without lanes, and take it for one that has stopped.
        self.in_service.store(true, Ordering::Release);
        self.settled.notify_waiters();
    }

    /// Begins to load what was let go, or could not be loaded.
    pub(crate) fn come_back(&self) -> bool {
        let mut state = self.lock_state();
        let is_gone = match &*state {
            State::Unloaded(_) => true,
            State::Absent(absence) => absence.is_passing(),
            State::Loading | State::Ready(_) => false,
        };
        if is_gone {
            self.set_progress(0.0);
            self.in_service.store(false, Ordering::Release);
            *state = State::Loading;
        }
        is_gone
    }

    /// Takes the model out of service for good. Whoever waits is told at once.
    pub(crate) fn fail(&self, reason: String) {
        quietly(|| tracing::error!(model = self.id(), reason, "model is not available"));
        // The reason before the close: a waiter that finds the lock closed looks here for it.
        self.settle(State::Absent(Absence { reason, until: None }));
        self.lock.close();
        // Whoever keeps the model has nothing left to keep.
        self.stirred.notify_waiters();
    }

    /// Whether there is a lane that is lent, or could be, now or after a repair.
    fn has_lanes(&self) -> bool {
        let counts = self.lock.counts();
        counts.free + counts.granted + counts.leased + counts.quarantined > 0
    }

    pub(crate) fn load_state(&self) -> LoadState {
        match self.state() {
            // Its last lane has left. The engine goes next, which may take a while.
            State::Ready(_) if self.is_going() && !self.has_lanes() => LoadState::Unloaded,
            State::Ready(_) if self.in_service.load(Ordering::Acquire) => LoadState::Ready,
            State::Loading | State::Ready(_) => {
                LoadState::Loading { progress: f32::from_bits(self.progress.load(Ordering::Relaxed)) }
            }
            State::Unloaded(_) => LoadState::Unloaded,
            State::Absent(absence) => absence.load_state(),
        }
    }
}

/// Passes on what happens to the lock of one model.
struct Watched {
    model: String,
    observer: LockObserver,
}

impl Observer for Watched {
    fn on(&self, event: &LockEvent) {
        (self.observer)(&self.model, event);
    }
}
