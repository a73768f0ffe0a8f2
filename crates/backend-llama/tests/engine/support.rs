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

/// The demo model's file with one more number in its metadata. What follows the metadata moves by whole alignments.
pub(crate) fn with_number(file: &[u8], key: &str, value: u32) -> Vec<u8> {
    const HEAD: usize = 24;
    const NUMBER: u32 = 4;
    const TEXT: u32 = 8;
    let n_pairs = u64::from_le_bytes(file[16..HEAD].try_into().expect("eight bytes"));
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let mut pair = [text(key), NUMBER.to_le_bytes().to_vec(), value.to_le_bytes().to_vec()].concat();
    // A second pair fills up what is missing.
    let filler = [text("filler"), TEXT.to_le_bytes().to_vec()].concat();
    let len = pair.len() + filler.len() + 8;
    pair.extend(filler);
    pair.extend(text(&"x".repeat(len.next_multiple_of(32) - len)));
    [&file[..16], &(n_pairs + 2).to_le_bytes(), &pair, &file[HEAD..]].concat()
}
