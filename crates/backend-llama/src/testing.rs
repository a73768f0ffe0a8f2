//! What the tests of several files need.

use std::sync::Arc;
use std::thread::JoinHandle;

use backend::{ModelSource, ModelSpec};

use crate::LlamaBackend;
use crate::load::Loaded;

/// The smallest demo model: one token per byte, ChatML, no first token.
pub(crate) fn spec() -> ModelSpec {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models/edison-demo-fast.gguf");
    ModelSpec {
        name: "demo".to_string(),
        source: ModelSource::File(path.into()),
        context_len: 0,
        threads: 1,
        gpu_layers: 0,
        lanes: 1,
    }
}

/// Loads it.
pub(crate) async fn load() -> (Loaded, JoinHandle<()>) {
    let backend = LlamaBackend::new().expect("nothing else starts llama.cpp here");
    backend.load_with_thread(spec(), Arc::new(|_| {})).await.expect("the demo model loads")
}
