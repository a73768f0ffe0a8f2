//! What the test files share.

use std::path::PathBuf;
use std::sync::Arc;

use backend::{Backend, ChatMessage, LoadProgress, LoadedModel, ModelSource, ModelSpec, Role};
use backend_llama::LlamaBackend;

pub(crate) fn backend() -> LlamaBackend {
    LlamaBackend::new().expect("nothing else starts llama.cpp here")
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models")).join(name)
}

/// The smallest demo model: one token per byte, ChatML, no first token.
pub(crate) fn fast() -> PathBuf {
    fixture("edison-demo-fast.gguf")
}

pub(crate) fn spec(path: PathBuf) -> ModelSpec {
    ModelSpec::new("demo", ModelSource::File(path))
}

pub(crate) fn silent() -> LoadProgress {
    Arc::new(|_| {})
}

pub(crate) async fn load(spec: ModelSpec) -> LoadedModel {
    backend().load(spec, silent()).await.expect("the demo model loads")
}

pub(crate) fn message(role: Role, content: &str) -> ChatMessage {
    ChatMessage::new(role, content)
}

/// Replaces the first occurrence.
pub(crate) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the demo model holds it");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}
