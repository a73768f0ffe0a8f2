//! What the mock plays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backend::Capabilities;

use crate::rules::Rules;
use crate::{Fault, Reply};

/// What a [`MockBackend`](crate::MockBackend) plays.
#[derive(Debug, Clone)]
pub struct MockConfig {
    /// The models by the name that [`ModelSpec::name`](backend::ModelSpec) asks for; none by default.
    pub models: BTreeMap<String, ModelScript>,
    /// What answers whom, before a model's own reply does; no rules by default.
    pub rules: Rules,
    /// Decides about jitter and about faults by chance; default 0.
    pub seed: u64,
    /// What follows when an engine is entered twice; by default the second comer panics.
    pub on_overlap: OnOverlap,
    /// Entries that the journal keeps, the latest ones; default 65536.
    pub journal_max: usize,
    /// All lanes of a model lead to one engine, as if the lock in front of it let everybody in; default false.
    #[cfg(feature = "canary")]
    pub shared_engine: bool,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self {
            models: BTreeMap::new(),
            rules: Rules::default(),
            seed: 0,
            on_overlap: OnOverlap::default(),
            journal_max: 65_536,
            #[cfg(feature = "canary")]
            shared_engine: false,
        }
    }
}

impl MockConfig {
    /// Adds a model, or replaces the one of that name.
    #[must_use]
    pub fn with_model(mut self, name: impl Into<String>, script: ModelScript) -> Self {
        self.models.insert(name.into(), script);
        self
    }
}

/// What follows when an engine is entered while it works. The journal hears of it in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnOverlap {
    /// The one who enters second panics, in the call that enters.
    #[default]
    Panic,
    /// Both go on, as if nothing had happened.
    Record,
}

/// How one model behaves. Every duration is 0 by default, which means no waiting at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelScript {
    /// How long a load takes.
    pub load_time: Duration,
    /// Loads that fail, after `load_time`, before one succeeds; default 0.
    pub load_failures: u32,
    /// Further loads that fail, by their number: the first that was run to its end is 1. None by default.
    pub failed_loads: BTreeSet<u64>,
    /// Context of a lane where the load asks for none in particular; default 4096.
    pub context_len: u32,
    /// Bytes of weights that the model claims to have; default 0.
    pub weight_bytes: u64,
    /// Bytes of text in a token, 1 to 3; anything else counts as the nearest. Default 1.
    pub bytes_per_token: u8,
    /// Prompt tokens processed in one go, each reported by one event; at least 1, default 64.
    pub prefill_chunk: u32,
    /// How long each token of the prompt takes.
    pub prefill_per_token: Duration,
    /// How long each generated token takes, the one that ends the answer included.
    pub time_per_token: Duration,
    /// How long the engine goes on after it was asked to stop.
    pub stop_delay: Duration,
    /// By how many percent, at most, each wait of a generation is shorter or longer than it should be; 0 to 100, default 0.
    /// The seed of the backend decides, so that two runs are the same.
    pub jitter_percent: u8,
    /// Remembers the prompt before: what it has in common with the next one takes no time and counts as cached. Default
    /// false.
    pub prefix_cache: bool,
    /// Numbers in an embedding; at least 1, default 64.
    pub embedding_len: u32,
    /// What can be asked of it; everything by default.
    pub capabilities: Capabilities,
    /// What the model answers where no rule does; by default [`Reply::Demo`].
    pub reply: Reply,
    /// What goes wrong, by the number of the call: the model's first generation is 1, whatever its lane, and a reload
    /// does not count anew. None by default.
    pub faults: BTreeMap<u64, Fault>,
}

impl Default for ModelScript {
    fn default() -> Self {
        Self {
            load_time: Duration::ZERO,
            load_failures: 0,
            failed_loads: BTreeSet::new(),
            context_len: 4096,
            weight_bytes: 0,
            bytes_per_token: 1,
            prefill_chunk: 64,
            prefill_per_token: Duration::ZERO,
            time_per_token: Duration::ZERO,
            stop_delay: Duration::ZERO,
            jitter_percent: 0,
            prefix_cache: false,
            embedding_len: 64,
            capabilities: Capabilities::ALL,
            reply: Reply::default(),
            faults: BTreeMap::new(),
        }
    }
}
