//! What a script says: models, rules, faults.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backend::{AdapterSpec, Capabilities, ModelSource, ModelSpec, Scale};
use backend_mock::{MockConfig, Reply, Rule, Rules, Scheduled, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serving::{Limits, ModelConfig, ServiceConfig, Tier};

use crate::config::Problems;

/// A script. The default one has the models `fast`, `medium`, `deep` and `vision`, which do what they are asked to:
/// `Repeat after me: X`, `Count from A to B`, `Which tier are you?`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Script {
    /// Decides about jitter and about faults by chance: the same seed, the same run. Default 0.
    pub seed: u64,
    /// A request that no rule matches is answered with 400 and the closest rule. Default false: its model answers by its
    /// own reply.
    pub strict: bool,
    /// Bounds on waiting.
    pub limits: LimitsScript,
    /// The models; four, named like the tiers, where none is given.
    pub models: Vec<ModelScript>,
    /// Which model a tier means; the one of its name by default.
    pub tiers: TiersScript,
    /// What is answered to what: the first rule that matches answers.
    pub rules: Vec<Rule>,
    /// What goes wrong, by the number of the call.
    pub faults: Vec<Scheduled>,
}

/// Bounds on waiting, as in the configuration of `edison serve`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LimitsScript {
    /// How long a request may wait for its lane; default 120 s.
    pub queue_timeout: Option<Time>,
    /// How long a client may go without reading; default 30 s.
    pub stall_timeout: Option<Time>,
}

/// Which model a tier means.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TiersScript {
    /// Answers quickly.
    pub fast: Option<String>,
    /// Between the two.
    pub medium: Option<String>,
    /// Answers well.
    pub deep: Option<String>,
    /// Sees pictures.
    pub vision: Option<String>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelScript {
    /// Its name.
    pub name: String,
    /// Further names.
    pub aliases: Vec<String>,
    /// Adapters that requests may choose from, as `model:adapter` or by their numbers in `lora`; rules may ask for them.
    pub adapters: Vec<String>,
    /// Requests that can be in it at one time, at least 1; default 1.
    pub lanes: u32,
    /// Requests that may wait for it; one more is refused with 429. Default 64.
    pub queue_max: usize,
    /// Tokens that prompt and answer may have together, at least 2; default 4096.
    pub context_len: u32,
    /// Tokens to generate at most where a request does not say; default 1024.
    pub max_tokens: u32,
    /// How long nobody uses it before it is let go, and loaded again for whoever asks next. By default it stays.
    pub unload_after: Option<Time>,
    /// Bytes of text in a token, 1 to 3; default 3.
    pub bytes_per_token: u8,
    /// What it answers where no rule does, always the same text; by default it does what it is asked to.
    pub reply: Option<String>,
    /// How long a load takes.
    pub load_time: Time,
    /// Loads that fail before one succeeds.
    pub load_failures: u32,
    /// Further loads that fail, by their number: the first is 1. With `unload_after`, a load for which somebody waits may
    /// fail: who waits is told so, and the load is tried again, after 1 s and then after twice as long, up to a minute.
    pub failed_loads: BTreeSet<u64>,
    /// How long after a failed load the next one begins. By default none does where the model was never there: it
    /// stays unavailable.
    pub load_retry: Option<Time>,
    /// How long each token of a prompt takes.
    pub prefill_per_token: Time,
    /// How long each token of an answer takes.
    pub time_per_token: Time,
    /// How long the engine goes on after it was asked to stop.
    pub stop_delay: Time,
    /// By how many percent each of these times is shorter or longer, 0 to 100; the seed decides.
    pub jitter_percent: u8,
    /// Remembers the prompt before: what it has in common with the next one is free, and counts as cached.
    pub prefix_cache: bool,
    /// Numbers in an embedding; default 64.
    pub embedding_len: u32,
    /// What it cannot do: `generation`, `tools`, `constraints`, `logprobs`, `embeddings`, `rerank`, `vision`. Requests for it
    /// are refused by name.
    pub without: Vec<Ability>,
}

/// Something that not every model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Answering.
    Generation,
    /// Calling tools.
    Tools,
    /// JSON for a schema.
    Constraints,
    /// Telling how likely a token was.
    Logprobs,
    /// Embeddings.
    Embeddings,
    /// Ranking documents.
    Rerank,
    /// Looking at pictures.
    Vision,
}

impl Default for ModelScript {
    fn default() -> Self {
        let defaults = ModelConfig::new(spec("", 1, 0));
        Self {
            name: String::new(),
            aliases: Vec::new(),
            adapters: Vec::new(),
            lanes: 1,
            queue_max: defaults.queue_max,
            context_len: 4096,
            max_tokens: defaults.max_tokens,
            unload_after: None,
            bytes_per_token: 3,
            reply: None,
            load_time: Time::default(),
            load_failures: 0,
            failed_loads: BTreeSet::new(),
            load_retry: None,
            prefill_per_token: Time::default(),
            time_per_token: Time::default(),
            stop_delay: Time::default(),
            jitter_percent: 0,
            prefix_cache: false,
            embedding_len: 64,
            without: Vec::new(),
        }
    }
}

impl ModelScript {
    /// A model of this name that takes no time.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn engine(&self) -> backend_mock::ModelScript {
        let can = |ability| !self.without.contains(&ability);
        backend_mock::ModelScript {
            load_time: self.load_time.0,
            load_failures: self.load_failures,
            failed_loads: self.failed_loads.clone(),
            context_len: self.context_len,
            bytes_per_token: self.bytes_per_token,
            prefill_per_token: self.prefill_per_token.0,
            time_per_token: self.time_per_token.0,
            stop_delay: self.stop_delay.0,
            jitter_percent: self.jitter_percent,
            prefix_cache: self.prefix_cache,
            embedding_len: self.embedding_len,
            capabilities: Capabilities {
                generation: can(Ability::Generation),
                tools: can(Ability::Tools),
                constraints: can(Ability::Constraints),
                logprobs: can(Ability::Logprobs),
                embeddings: can(Ability::Embeddings),
                rerank: can(Ability::Rerank),
                vision: can(Ability::Vision),
            },
            reply: self.reply.clone().map_or(Reply::Demo, Reply::Fixed),
            ..backend_mock::ModelScript::default()
        }
    }
}

fn spec(name: &str, lanes: u32, context_len: u32) -> ModelSpec {
    // Two models with one source would be one instance.
    let source = ModelSource::File(format!("script/{name}").into());
    ModelSpec { lanes, context_len, ..ModelSpec::new(name, source) }
}

fn adapter(model: &str, name: &str) -> AdapterSpec {
    let source = ModelSource::File(format!("script/{model}/{name}").into());
    AdapterSpec { name: name.to_owned(), source, scale: Scale::ONE }
}

/// What is wrong with a script: a line for each problem, with the place and the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScriptError(pub(crate) String);

impl From<Problems> for ScriptError {
    fn from(problems: Problems) -> Self {
        Self(problems.to_string())
    }
}

impl Script {
    /// Reads a script in TOML. `file` names it in errors.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and key.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ScriptError> {
        Ok(super::read::toml(text, file)?)
    }

    /// Reads a script in JSON: the same keys.
    ///
    /// # Errors
    /// Everything that is wrong with it, with its key.
    pub fn from_json(text: &str) -> Result<Self, ScriptError> {
        Ok(super::read::json(text)?)
    }

    /// The script in TOML, to be read again.
    ///
    /// # Errors
    /// A text in it cannot be written in TOML; none that was read from a script.
    pub fn to_toml(&self) -> Result<String, ScriptError> {
        toml::to_string(self).map_err(|error| ScriptError(error.to_string()))
    }

    /// The JSON Schema of a script.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// The same script, and nothing in it takes time: what a recording answers, at once.
    #[must_use]
    pub fn without_timing(mut self) -> Self {
        for model in &mut self.models {
            let nothing = Time::default();
            (model.load_time, model.prefill_per_token, model.time_per_token) = (nothing, nothing, nothing);
            model.stop_delay = nothing;
        }
        for reply in self.rules.iter_mut().flat_map(|rule| &mut rule.reply.0) {
            reply.prefill = None;
            reply.time_per_token = None;
            let of_calls = reply.tool_calls.iter_mut().flat_map(|call| &mut call.pieces);
            let pieces = reply.reasoning_pieces.iter_mut().chain(&mut reply.pieces).chain(of_calls);
            pieces.for_each(|piece| piece.0 = Time::default());
        }
        self
    }

    /// The models that are played.
    pub(super) fn played(&self) -> Vec<ModelScript> {
        if self.models.is_empty() {
            return Tier::ALL.map(|tier| ModelScript::new(tier.as_str())).into();
        }
        self.models.clone()
    }

    pub(super) fn rules(&self) -> Rules {
        Rules { strict: self.strict, rules: self.rules.clone(), faults: self.faults.clone() }
    }

    /// What the engine plays.
    pub(super) fn engine(&self) -> MockConfig {
        let models = self.played().iter().map(|model| (model.name.clone(), model.engine())).collect();
        MockConfig { models, rules: self.rules(), seed: self.seed, ..MockConfig::default() }
    }

    /// What the service serves.
    pub(super) fn service(&self) -> ServiceConfig {
        let mut limits = Limits::default();
        let bound = |given: Option<Time>, default: Duration| given.map_or(default, |time| time.0);
        limits.queue_timeout = bound(self.limits.queue_timeout, limits.queue_timeout);
        limits.stall_timeout = bound(self.limits.stall_timeout, limits.stall_timeout);
        let played = self.played();
        let model = |model: &ModelScript| ModelConfig {
            aliases: model.aliases.clone(),
            queue_max: model.queue_max,
            max_tokens: model.max_tokens,
            unload_after: model.unload_after.map(|time| time.0),
            ..ModelConfig::new(ModelSpec {
                adapters: model.adapters.iter().map(|name| adapter(&model.name, name)).collect(),
                ..spec(&model.name, model.lanes, model.context_len)
            })
        };
        ServiceConfig { models: played.iter().map(model).collect(), tiers: self.tiers(&played), limits }
    }

    fn tiers(&self, played: &[ModelScript]) -> BTreeMap<Tier, String> {
        let named = |tier: Tier| {
            let own = || {
                let name = tier.as_str();
                let answers = |m: &&ModelScript| m.name == name || m.aliases.iter().any(|alias| alias == name);
                played.iter().find(answers).map(|model| model.name.clone())
            };
            self.tiers.given(tier).cloned().or_else(own).map(|name| (tier, name))
        };
        Tier::ALL.into_iter().filter_map(named).collect()
    }
}

impl TiersScript {
    pub(super) fn given(&self, tier: Tier) -> Option<&String> {
        match tier {
            Tier::Fast => self.fast.as_ref(),
            Tier::Medium => self.medium.as_ref(),
            Tier::Deep => self.deep.as_ref(),
            Tier::Vision => self.vision.as_ref(),
        }
    }
}
