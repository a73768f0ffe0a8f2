//! The backend: models by name, and loading them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use backend::{Backend, Lane, LoadError, LoadProgress, LoadedModel, ModelInfo, ModelSpec};
use tokio::time::{self, Instant};

use crate::encoder::Encoder;
use crate::engine::{Engine, Instance};
use crate::journal::{Journal, What};
use crate::lane::{MockLane, Model};
use crate::stage::Stage;
use crate::vocabulary::TOKEN_BYTES_MAX;
use crate::{MockConfig, OnOverlap};

/// Parts of a load that are reported.
const LOAD_STEPS: u32 = 10;

/// A scripted backend. Needs a tokio runtime with time for everything but being made.
pub struct MockBackend {
    models: BTreeMap<String, Played>,
    on_overlap: OnOverlap,
    shared_engine: bool,
    journal: Arc<Journal>,
    stage: Stage,
}

struct Played {
    model: Arc<Model>,
    /// Loads that were run to their end. One that was abandoned uses up no failure.
    loads: AtomicU64,
}

impl Played {
    /// Whether the load that is at its end now fails.
    fn fails(&self) -> bool {
        let number = self.loads.fetch_add(1, Ordering::Relaxed) + 1;
        let script = &self.model.script;
        number <= script.load_failures.into() || script.failed_loads.contains(&number)
    }
}

impl MockBackend {
    /// A backend that plays these models. The journal's time begins now, by the clock of the runtime it is made in.
    pub fn new(config: MockConfig) -> Self {
        let played = |(name, script): (String, crate::ModelScript)| {
            let model = Model { name: name.as_str().into(), script, calls: AtomicU64::new(0) };
            (name, Played { model: Arc::new(model), loads: AtomicU64::new(0) })
        };
        Self {
            models: config.models.into_iter().map(played).collect(),
            on_overlap: config.on_overlap,
            #[cfg(feature = "canary")]
            shared_engine: config.shared_engine,
            #[cfg(not(feature = "canary"))]
            shared_engine: false,
            journal: Arc::new(Journal::new(config.journal_max)),
            stage: Stage::new(config.rules, config.seed),
        }
    }

    /// What happens in the engines, as it happens.
    pub fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    /// The rules, and those who ask.
    pub fn stage(&self) -> Stage {
        self.stage.clone()
    }

    fn instantiate(&self, model: &Arc<Model>, spec: &ModelSpec, context_len: u32) -> LoadedModel {
        let instance = Arc::new(Instance { model: Arc::clone(&model.name), journal: self.journal() });
        let engine = || Arc::new(Engine::new(Arc::clone(&instance), self.on_overlap));
        let shared = self.shared_engine.then(engine);
        let bytes_per_token = usize::from(model.script.bytes_per_token).clamp(1, TOKEN_BYTES_MAX);
        let adapters: Arc<[String]> = spec.adapters.iter().map(|adapter| adapter.name.clone()).collect();
        let lane = |index| -> Box<dyn Lane> {
            Box::new(MockLane {
                model: Arc::clone(model),
                engine: shared.clone().unwrap_or_else(engine),
                index,
                context_len,
                bytes_per_token,
                adapters: Arc::clone(&adapters),
                stage: self.stage.clone(),
                announced: None,
                remembered: (None, Vec::new()),
                running: Vec::new(),
            })
        };
        LoadedModel {
            info: ModelInfo {
                context_len,
                parameters: 0,
                weight_bytes: model.script.weight_bytes,
                capabilities: model.script.capabilities,
            },
            encoder: Arc::new(Encoder { context_len, bytes_per_token, n_adapters: adapters.len() }),
            lanes: (0..spec.lanes).map(lane).collect(),
        }
    }
}

#[async_trait]
impl Backend for MockBackend {
    async fn load(&self, spec: ModelSpec, progress: LoadProgress) -> Result<LoadedModel, LoadError> {
        let played = self.models.get(&spec.name).ok_or_else(|| LoadError::Unusable {
            model: spec.name.clone(),
            reason: "there is no script for a model of that name".into(),
        })?;
        let model = &played.model;
        let context_len = if spec.context_len == 0 { model.script.context_len } else { spec.context_len };
        check(&spec, context_len)?;

        self.journal.record(What::LoadStarted { model: Arc::clone(&model.name) });
        wait(model.script.load_time, &progress).await;
        if played.fails() {
            self.journal.record(What::LoadFailed { model: Arc::clone(&model.name) });
            return Err(LoadError::Failed { reason: "the script says that this load fails".into() });
        }
        progress(1.0);
        self.journal.record(What::Loaded { model: Arc::clone(&model.name), lanes: spec.lanes });
        Ok(self.instantiate(model, &spec, context_len))
    }
}

/// The settings that an engine would refuse.
fn check(spec: &ModelSpec, context_len: u32) -> Result<(), LoadError> {
    let rules = [
        ("lanes", spec.lanes >= 1, "must be at least 1"),
        ("threads", spec.threads >= 1, "must be at least 1"),
        ("context_len", context_len >= 2, "must be at least 2: a token of prompt and one of answer"),
    ];
    match rules.into_iter().find(|(_, holds, _)| !holds) {
        None => Ok(()),
        Some((setting, _, range)) => Err(LoadError::Setting { setting, reason: range.into() }),
    }
}

/// Takes the time of a load, and reports each part but the last.
async fn wait(load_time: Duration, progress: &LoadProgress) {
    let start = Instant::now();
    for step in 0..LOAD_STEPS {
        progress(step as f32 / LOAD_STEPS as f32);
        if !load_time.is_zero() {
            time::sleep_until(start + load_time * (step + 1) / LOAD_STEPS).await;
        }
    }
    // Nobody can rely on a load that never waits.
    if load_time.is_zero() {
        tokio::task::yield_now().await;
    }
}
