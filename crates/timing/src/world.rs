//! The service that is timed: three models and several names, over a mock that waits or an engine that computes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backend::{Backend, ModelSource, ModelSpec};
use backend_llama::LlamaBackend;
use backend_mock::{MockBackend, MockConfig, ModelScript, Reply};
use serving::{Limits, LoadState, ModelConfig, Service, ServiceConfig};

/// The models.
pub(crate) const MODELS: [&str; 3] = ["fast", "medium", "deep"];

/// A second name of the model `fast`.
pub(crate) const ALIAS: &str = "assistant";

/// A second model in the configuration that names the file of `fast`.
pub(crate) const SAME_FILE: &str = "same-file";

/// What runs the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Scripted models. They wait for a timer, so that any number of them can run on one core.
    Mock,
    /// llama.cpp with the demo models, one thread each. They compute, and share the cores that there are.
    Demo,
}

/// The service, and what it is made of.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) engine: Engine,
}

impl Engine {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Mock => "scripted models",
            Self::Demo => "demo models on llama.cpp",
        }
    }

    /// What every request asks for.
    pub(crate) fn question(self) -> &'static str {
        match self {
            Self::Mock => "hello",
            // The longest answer that all of the models give.
            Self::Demo => "Count from 1 to 60",
        }
    }
}

/// Eight pieces of 25 ms: long beside what a timer is late on a busy machine, short enough to be played often.
fn script() -> ModelScript {
    ModelScript {
        time_per_token: Duration::from_millis(25),
        reply: Reply::Fixed("1234567".into()),
        ..ModelScript::default()
    }
}

impl World {
    /// Starts the service and waits until its models are loaded.
    pub(crate) async fn start(engine: Engine) -> Result<Self, String> {
        let backend: Arc<dyn Backend> = match engine {
            Engine::Mock => {
                let names = MODELS.into_iter().chain([SAME_FILE]);
                Arc::new(MockBackend::new(
                    names.fold(MockConfig::default(), |mock, name| mock.with_model(name, script())),
                ))
            }
            Engine::Demo => Arc::new(LlamaBackend::new().map_err(|error| error.to_string())?),
        };
        let models = MODELS.into_iter().map(|name| model(name, name)).chain([model(SAME_FILE, MODELS[0])]);
        let mut models = models.collect::<Vec<_>>();
        models[0].aliases.push(ALIAS.into());
        // Every hold of the run is looked up afterwards.
        let limits = Limits { history_max: 100_000, ..Limits::default() };
        let config = ServiceConfig { models, limits, ..ServiceConfig::default() };
        let service = Service::start(config, backend).map_err(|error| error.to_string())?;
        service.loaded().await;
        for view in service.models() {
            if let LoadState::Failed { reason, .. } = view.state {
                return Err(format!("{}: {reason}", view.id));
            }
        }
        Ok(Self { service, engine })
    }
}

fn model(name: &str, file: &str) -> ModelConfig {
    let file = format!("{}/../../fixtures/models/edison-demo-{file}.gguf", env!("CARGO_MANIFEST_DIR"));
    ModelConfig::new(ModelSpec::new(name, ModelSource::File(PathBuf::from(file))))
}
