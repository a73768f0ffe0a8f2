//! What a service is made of. Every bound has its name here and its default in the doc of its field.

use std::collections::BTreeMap;
use std::time::Duration;

use backend::ModelSpec;

use crate::Tier;

/// The models, the tiers that point at them, and the bounds.
#[derive(Debug, Clone, Default)]
pub struct ServiceConfig {
    /// The models by `spec.name`. Two entries with the same source are one instance, see [`PlanError`](crate::PlanError).
    pub models: Vec<ModelConfig>,
    /// Which model a tier means. A tier without an entry falls back along [`Tier::fallbacks`].
    pub tiers: BTreeMap<Tier, String>,
    /// Bounds that hold for every model.
    pub limits: Limits,
}

/// One model.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// What to load, and how. `spec.name` is the model's id.
    pub spec: ModelSpec,
    /// Further names by which clients may ask for it.
    pub aliases: Vec<String>,
    /// Requests that may wait for this model at one time; one more is refused. 0 refuses whoever would have to wait. Default 64.
    pub queue_max: usize,
    /// Tokens to generate at most when the request does not say. Default 1024.
    pub max_tokens: u32,
    /// How long nobody uses the model before it is let go, and loaded again for whoever asks next. Default never.
    pub unload_after: Option<Duration>,
}

impl ModelConfig {
    /// A model with the default bounds.
    pub fn new(spec: ModelSpec) -> Self {
        Self { spec, aliases: Vec::new(), queue_max: 64, max_tokens: 1024, unload_after: None }
    }
}

/// Bounds that hold for every model.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a request may wait for its lane, loading included. Default 120 s.
    pub queue_timeout: Duration,
    /// How long a client may go without reading before it loses its lane. Default 30 s.
    pub stall_timeout: Duration,
    /// Events kept for a client that reads more slowly than the engine writes. At least 1, default 64.
    pub event_buffer: usize,
    /// Outcomes kept per model for the lock history. Default 100.
    pub history_max: usize,
    /// Whether the clients of a class share a model by what they use, tokens of prompts and of answers, instead of being
    /// served in the order of arrival. A client is what [`Request::client`](crate::Request::client) names. Default: no.
    pub fair_share: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_timeout: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(30),
            event_buffer: 64,
            history_max: 100,
            fair_share: false,
        }
    }
}
