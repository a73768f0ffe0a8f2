//! What an observer may see: advisory copies, never a reason to act.

use std::time::Duration;

use backend::{Adapter, Capabilities, ModelInfo, SavedStates, Scale};
use model_locks::LaneState;

use crate::instance::{Instance, State};
use crate::{Class, Outcome, Phase};

/// One model as it is now.
#[derive(Debug, Clone)]
pub struct ModelView {
    /// The model's id.
    pub id: String,
    /// Its other names: aliases, and tiers that point at it.
    pub names: Vec<String>,
    /// Whether it is loaded.
    pub state: LoadState,
    /// Its lanes, in order.
    pub lanes: Vec<LaneView>,
    /// Who waits, in the order in which they would be granted if nobody else came.
    pub waiting: Vec<WaiterView>,
    /// How many may wait.
    pub queue_max: usize,
    /// Tokens of context per lane, once loaded.
    pub context_len: Option<u32>,
    /// What it can do besides text, once loaded.
    pub capabilities: Option<Capabilities>,
    /// Whether its engine is to guess tokens, see [`Tuning::draft_tokens`](backend::Tuning::draft_tokens).
    pub drafts: bool,
    /// The adapters that requests may choose from, in the order of their numbers.
    pub adapters: Vec<AdapterView>,
    /// What is kept of conversations that made room for others.
    pub saved_states: SavedStates,
    /// Lanes granted since the start.
    pub granted_total: u64,
    /// The latest outcomes that held a lane, oldest first.
    pub history: Vec<Outcome>,
}

/// An adapter of a model, or the one that a request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterView {
    /// Its number, from 0.
    pub number: u32,
    /// Its name: behind that of the model and a colon, it is asked for.
    pub name: String,
    /// How strongly it is applied: for this request, or where a request does not say.
    pub scale: Scale,
}

/// How far one model is, in short.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelState {
    /// The model's id.
    pub id: String,
    /// Whether it is loaded.
    pub state: LoadState,
    /// Lanes that are lent, or could be; those in quarantine and in repair are not counted.
    pub lanes_in_service: usize,
    /// Of these, the ones that a request holds, or is about to.
    pub lanes_busy: usize,
    /// Lanes in quarantine or in repair.
    pub lanes_out: usize,
    /// Requests that wait for a lane.
    pub waiting: usize,
    /// How many may.
    pub queue_max: usize,
    /// What it can do besides text, once loaded.
    pub capabilities: Option<Capabilities>,
    /// Bytes of its weights, once loaded.
    pub weight_bytes: Option<u64>,
    /// What is kept of conversations that made room for others.
    pub saved_states: SavedStates,
}

/// Whether a model is loaded.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadState {
    /// It is being loaded.
    Loading {
        /// Share done, 0.0 to 1.0.
        progress: f32,
    },
    /// Its lanes are there.
    Ready,
    /// It was let go. Whoever asks for it waits until it is loaded again.
    Unloaded,
    /// It could not be loaded, or its engine broke for good.
    Failed {
        /// What happened.
        reason: String,
        /// When it is tried again: that is so for a model that was loaded once. `None` where only a restart helps.
        retry_after: Option<Duration>,
    },
}

/// One lane as it is now.
#[derive(Debug, Clone)]
pub struct LaneView {
    /// The lane's number.
    pub lane: u64,
    /// "free", "granted", "leased", "quarantined" or "in_repair".
    pub state: &'static str,
    /// Who has it.
    pub holder: Option<HolderView>,
    /// Why it is not lent.
    pub reason: Option<String>,
}

/// The request that holds a lane.
#[derive(Debug, Clone)]
pub struct HolderView {
    /// The request's id.
    pub request_id: String,
    /// Who asked.
    pub client: Option<String>,
    /// Number of the lease.
    pub ticket: u64,
    /// Its class.
    pub class: Class,
    /// Where it is.
    pub phase: Phase,
    /// How long it has held the lane.
    pub age: Duration,
    /// How long it waited before.
    pub waited: Duration,
    /// Tokens generated so far.
    pub tokens: u32,
    /// The adapter that is at work for it.
    pub adapter: Option<AdapterView>,
}

/// A request that waits.
#[derive(Debug, Clone)]
pub struct WaiterView {
    /// 1 is next.
    pub position: usize,
    /// The request's id.
    pub request_id: String,
    /// Who asked.
    pub client: Option<String>,
    /// Its class.
    pub class: Class,
    /// How long it has waited.
    pub age: Duration,
    /// The adapter that will be at work for it.
    pub adapter: Option<AdapterView>,
}

impl Instance {
    /// How far this model is, in short.
    pub(crate) fn model_state(&self) -> ModelState {
        let (counts, info) = (self.lock.counts(), self.info());
        ModelState {
            id: self.id().to_string(),
            state: self.load_state(),
            lanes_in_service: counts.free + counts.granted + counts.leased,
            lanes_busy: counts.granted + counts.leased,
            lanes_out: counts.quarantined,
            waiting: counts.waiting + counts.parked,
            queue_max: self.queue_max,
            capabilities: info.map(|info| info.capabilities),
            weight_bytes: info.map(|info| info.weight_bytes),
            saved_states: self.saved_states(),
        }
    }

    /// This model as it is now. The parts are read one after the other, so a request may appear in two or in none.
    pub(crate) fn view(&self) -> ModelView {
        let snapshot = self.lock.snapshot();
        // The lock counts who is ahead; people count places.
        let waiting = snapshot.waiting.iter().filter_map(|w| self.waiter(w.position + 1, w.tag)).collect();
        let lanes = snapshot.lanes.iter().map(|lane| self.lane(lane.id.get(), &lane.state)).collect();
        let info = self.info();
        ModelView {
            id: self.id().to_string(),
            names: self.names.clone(),
            state: self.load_state(),
            lanes,
            waiting,
            queue_max: self.queue_max,
            context_len: info.map(|info| info.context_len),
            capabilities: info.map(|info| info.capabilities),
            drafts: self.spec.tuning.draft_tokens > 0,
            adapters: self.adapters(),
            saved_states: self.saved_states(),
            granted_total: snapshot.granted_total,
            history: self.history.to_vec(),
        }
    }

    /// The adapter that a request has, if the model has one of this number.
    pub(crate) fn adapter_view(&self, Adapter { number, scale }: Adapter) -> Option<AdapterView> {
        let spec = self.spec.adapters.get(number as usize)?;
        Some(AdapterView { number, name: spec.name.clone(), scale })
    }

    fn adapters(&self) -> Vec<AdapterView> {
        let own = self.spec.adapters.iter().zip(0..);
        own.map(|(spec, number)| AdapterView { number, name: spec.name.clone(), scale: spec.scale }).collect()
    }

    fn info(&self) -> Option<ModelInfo> {
        match self.state() {
            State::Ready(loaded) => Some(loaded.info),
            State::Unloaded(info) => Some(info),
            State::Loading | State::Absent(_) => None,
        }
    }

    fn saved_states(&self) -> SavedStates {
        match self.state() {
            State::Ready(loaded) => loaded.encoder.saved_states(),
            State::Unloaded(_) | State::Loading | State::Absent(_) => SavedStates::default(),
        }
    }

    fn waiter(&self, position: usize, tag: u64) -> Option<WaiterView> {
        let live = self.live.get(tag)?;
        Some(WaiterView {
            position,
            request_id: live.request_id.clone(),
            client: live.client.clone(),
            class: live.class,
            age: live.arrived.elapsed(),
            adapter: live.adapter.clone(),
        })
    }

    fn lane(&self, lane: u32, state: &LaneState) -> LaneView {
        let (name, tag, reason) = match state {
            LaneState::Free => ("free", None, None),
            LaneState::Granted { tag, .. } => ("granted", Some(*tag), None),
            LaneState::Leased { tag, .. } => ("leased", Some(*tag), None),
            LaneState::Quarantined { reason } => ("quarantined", None, Some(reason.to_string())),
            LaneState::InRepair => ("in_repair", None, None),
            // The lock may learn states that this page does not know; a look must not fail for it.
            _ => ("unknown", None, None),
        };
        LaneView { lane: lane.into(), state: name, holder: tag.and_then(|tag| self.holder(tag)), reason }
    }

    fn holder(&self, tag: u64) -> Option<HolderView> {
        let live = self.live.get(tag)?;
        let grant = live.granted()?;
        Some(HolderView {
            request_id: live.request_id.clone(),
            client: live.client.clone(),
            ticket: grant.ticket,
            class: live.class,
            phase: live.phase(),
            age: grant.at.elapsed(),
            waited: grant.at.duration_since(live.arrived),
            tokens: live.tokens(),
            adapter: live.adapter.clone(),
        })
    }
}
