//! The service over llama.cpp, with the demo models of the repository.

use std::path::PathBuf;
use std::sync::Arc;

use backend::{ModelSource, ModelSpec};
use backend_llama::LlamaBackend;
use serving::{Limits, ModelConfig, Service, ServiceConfig};

/// Starts these demo models, one thread and one lane each. They are still to be loaded.
pub fn start(models: &[&str]) -> Service {
    start_with(models, |_| {})
}

/// The same with a word about how each is loaded.
pub fn start_with(models: &[&str], change: impl Fn(&mut ModelSpec)) -> Service {
    let demo = |name: &&str| {
        let mut model = demo(name);
        change(&mut model.spec);
        model
    };
    let models = models.iter().map(demo).collect();
    // Few events are kept, so that a client that does not read holds its lane.
    let limits = Limits { history_max: 1000, event_buffer: 4, ..Limits::default() };
    let config = ServiceConfig { models, limits, ..ServiceConfig::default() };
    let backend = LlamaBackend::new().expect("llama.cpp starts");
    Service::start(config, Arc::new(backend)).expect("a consistent configuration")
}

/// How many requests a test makes: what `EDISON_REQUESTS` says, or `default` where that is not set.
pub fn requests(default: usize) -> usize {
    std::env::var("EDISON_REQUESTS").ok().and_then(|requests| requests.parse().ok()).unwrap_or(default)
}

fn demo(name: &str) -> ModelConfig {
    let file = format!("{}/../fixtures/models/edison-demo-{name}.gguf", env!("CARGO_MANIFEST_DIR"));
    let mut spec = ModelSpec::new(name, ModelSource::File(PathBuf::from(&file)));
    let projector = PathBuf::from(file.replace(".gguf", "-mmproj.gguf"));
    spec.projector = projector.is_file().then_some(ModelSource::File(projector));
    ModelConfig::new(spec)
}
