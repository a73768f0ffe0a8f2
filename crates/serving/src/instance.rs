//! One model: its lock, what is known of it, and who uses it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backend::{Lane, ModelInfo, ModelSpec, Prompt, PromptEncoder};
use model_locks::{Ask, LaneId, ModelLock, Observer, Policy, WhenAllQuarantined};
use tokio::sync::Notify;

use crate::affinity::{Affinity, Conversation};
use crate::canary;
use crate::history::History;
use crate::live::Live;
use crate::quietly::quietly;
use crate::service::LockObserver;
use crate::{Limits, LoadState, LockEvent, ModelConfig};

/// One model and everything that belongs to it. Nothing in it is shared with another model (L12).
pub(crate) struct Instance {
    pub(crate) spec: ModelSpec,
    /// Its names besides `spec.name`.
    pub(crate) names: Vec<String>,
    pub(crate) queue_max: usize,
    pub(crate) max_tokens: u32,
    /// Owns the lanes. Has none until the model is loaded, so that requests queue up in order meanwhile.
    pub(crate) lock: ModelLock<Box<dyn Lane>>,
    pub(crate) live: Live,
    pub(crate) history: History,
    /// Where its conversations were; `None` with one lane, where there is no choice.
    affinity: Option<Affinity>,
    state: Mutex<State>,
    /// Wakes whoever waits for the load, first come first served. A `watch` channel would wake them in random order.
    settled: Notify,
    /// Share of the load that is done, as the bits of an `f32`. Apart from `state`, whose changes wake all waiters.
    progress: AtomicU32,
}

/// How far a model is.
#[derive(Clone)]
pub(crate) enum State {
    Loading,
    Ready(Loaded),
    Failed { reason: String },
}

/// What a loaded model offers beside its lanes.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) info: ModelInfo,
    pub(crate) encoder: Arc<dyn PromptEncoder>,
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
            state: Mutex::new(State::Loading),
            settled: Notify::new(),
            progress: AtomicU32::new(0),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.spec.name
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

    /// Waits until the model is loaded, or tells why it never will be.
    pub(crate) async fn loaded(&self) -> Result<Loaded, String> {
        loop {
            // Made before the look: a change after it is not missed, whether or not this was polled by then.
            let settled = self.settled.notified();
            match self.state() {
                State::Ready(loaded) => return Ok(loaded),
                State::Failed { reason } => return Err(reason),
                State::Loading => settled.await,
            }
        }
    }

    /// Nothing that was loading does so again.
    fn settle(&self, state: State) {
        *self.lock_state() = state;
        self.settled.notify_waiters();
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        // Nothing inside panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_progress(&self, share: f32) {
        self.progress.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Takes the loaded model into service: whoever waits gets the lanes, in order.
    pub(crate) fn ready(&self, loaded: Loaded, lanes: Vec<Box<dyn Lane>>) {
        // The encoder first: a request that got a lane before it could only hold it and wait.
        self.settle(State::Ready(loaded));
        for lane in lanes {
            if self.lock.add_lane(lane).is_err() {
                quietly(|| tracing::debug!(model = self.id(), "loaded after the service was closed"));
            }
        }
    }

    /// Takes the model out of service for good. Whoever waits is told at once.
    pub(crate) fn fail(&self, reason: String) {
        quietly(|| tracing::error!(model = self.id(), reason, "model is not available"));
        // The reason before the close: a waiter that finds the lock closed looks here for it.
        self.settle(State::Failed { reason });
        self.lock.close();
    }

    pub(crate) fn load_state(&self) -> LoadState {
        match self.state() {
            State::Loading => LoadState::Loading { progress: f32::from_bits(self.progress.load(Ordering::Relaxed)) },
            State::Ready(_) => LoadState::Ready,
            State::Failed { reason } => LoadState::Failed { reason },
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
