//! What the test files share.

use std::path::PathBuf;
use std::sync::Arc;

use backend::{Backend, ChatMessage, LoadError, LoadProgress, LoadedModel, ModelSource, ModelSpec, Role};
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
    try_load(spec).await.expect("the demo model loads")
}

pub(crate) async fn try_load(spec: ModelSpec) -> Result<LoadedModel, LoadError> {
    backend().load(spec, silent()).await
}

pub(crate) fn message(role: Role, content: &str) -> ChatMessage {
    ChatMessage::new(role, content)
}

/// Replaces the first occurrence.
pub(crate) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the demo model holds it");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

const NUMBER: u32 = 4;
const TEXT: u32 = 8;

/// A demo model's file with one more number in its metadata.
pub(crate) fn with_number(file: &[u8], key: &str, value: u32) -> Vec<u8> {
    with_pair(file, key, NUMBER, &value.to_le_bytes())
}

/// The same with a text.
pub(crate) fn with_text(file: &[u8], key: &str, value: &str) -> Vec<u8> {
    with_pair(file, key, TEXT, &text(value))
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// What follows the metadata moves by whole alignments.
fn with_pair(file: &[u8], key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    const HEAD: usize = 24;
    let n_pairs = u64::from_le_bytes(file[16..HEAD].try_into().expect("eight bytes"));
    let mut pair = [&text(key), &kind.to_le_bytes()[..], value].concat();
    // A second pair fills up what is missing.
    let filler = [text("filler"), TEXT.to_le_bytes().to_vec()].concat();
    let len = pair.len() + filler.len() + 8;
    pair.extend(filler);
    pair.extend(text(&"x".repeat(len.next_multiple_of(32) - len)));
    [&file[..16], &(n_pairs + 2).to_le_bytes(), &pair, &file[HEAD..]].concat()
}
