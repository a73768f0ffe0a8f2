//! One model: its lock, what is known of it, and who uses it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backend::{Lane, ModelInfo, ModelSpec, Prompt, PromptEncoder};
use model_locks::{Ask, LaneId, ModelLock, Observer, Policy, WhenAllQuarantined};
use tokio::sync::Notify;
use tokio::time::Instant;

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
    wishes: Mutex<Wishes>,
    /// Wakes whoever waits for the load, first come first served. A `watch` channel would wake them in random order.
    settled: Notify,
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
    Failed {
        reason: String,
    },
}

/// What a loaded model offers beside its lanes.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) info: ModelInfo,
    pub(crate) encoder: Arc<dyn PromptEncoder>,
    /// Which load of the model this is, from 1. Tokens of another one may not be its tokens: the file may have changed.
    pub(crate) number: u64,
}

/// What is to become of a model.
struct Wishes {
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
    last_use: Instant,
}

/// As long as it lives, the model is being let go.
pub(crate) struct Going<'a>(&'a Instance);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.wishes().is_going = false;
    }
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
            wishes: Mutex::new(Wishes {
                go: false,
                come: false,
                is_going: false,
                loads: 0,
                gone: 0,
                last_use: Instant::now(),
            }),
            stirred: Notify::new(),
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

    /// Waits until the model is loaded, which it makes happen where the model was let go; or tells why it never will be.
    pub(crate) async fn loaded(&self) -> Result<Loaded, String> {
        loop {
            // Made before the look: a change after it is not missed, whether or not this was polled by then.
            let settled = self.settled.notified();
            match self.state() {
                State::Ready(loaded) => return Ok(loaded),
                State::Failed { reason } => return Err(reason),
                State::Loading => settled.await,
                State::Unloaded(_) => {
                    self.want();
                    settled.await;
                }
            }
        }
    }

    /// Waits until the model is no longer being loaded, however that ends.
    pub(crate) async fn settled(&self) {
        loop {
            let settled = self.settled.notified();
            if !matches!(*self.lock_state(), State::Loading) {
                return;
            }
            settled.await;
        }
    }

    /// Waits until the model has been let go, which it makes happen; or tells why there is none. Whoever waits for it
    /// brings it back at once.
    pub(crate) async fn unload(&self) -> Result<(), String> {
        let before = self.wishes().gone;
        loop {
            let settled = self.settled.notified();
            match self.state() {
                _ if self.wishes().gone > before => return Ok(()),
                State::Unloaded(_) => return Ok(()),
                State::Failed { reason } => return Err(reason),
                State::Loading | State::Ready(_) => {
                    self.wishes().go = true;
                    self.stirred.notify_waiters();
                    settled.await;
                }
            }
        }
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

    pub(crate) fn is_wanted(&self) -> bool {
        self.wishes().come
    }

    pub(crate) fn is_going(&self) -> bool {
        self.wishes().is_going
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
        wishes.last_use = Instant::now();
        drop(wishes);
        self.settled.notify_waiters();
    }

    /// Begins to load what was let go.
    pub(crate) fn come_back(&self) -> bool {
        let mut state = self.lock_state();
        let is_gone = matches!(*state, State::Unloaded(_));
        if is_gone {
            self.set_progress(0.0);
            *state = State::Loading;
        }
        is_gone
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        // Nothing inside panics halfway through a change. Never held together with the state.
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
        // Idle counts from here where nobody waits.
        self.wishes().last_use = Instant::now();
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
        // Whoever keeps the model has nothing left to keep.
        self.stirred.notify_waiters();
    }

    pub(crate) fn load_state(&self) -> LoadState {
        match self.state() {
            State::Loading => LoadState::Loading { progress: f32::from_bits(self.progress.load(Ordering::Relaxed)) },
            State::Ready(_) => LoadState::Ready,
            State::Unloaded(_) => LoadState::Unloaded,
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
