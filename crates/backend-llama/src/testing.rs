//! What the tests of several files need.

mod half;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use backend::{ModelSource, ModelSpec};

use crate::LlamaBackend;
use crate::load::Loaded;

fn path() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models/edison-demo-fast.gguf").into()
}

/// The smallest demo model: one token per byte, ChatML, no first token.
pub(crate) fn spec() -> ModelSpec {
    ModelSpec::new("demo", ModelSource::File(path()))
}

/// Loads it.
pub(crate) async fn load() -> (Loaded, JoinHandle<()>) {
    load_spec(spec()).await
}

/// Loads the demo model with a SentencePiece vocabulary: it reads a blank at the beginning and after each control
/// token. It knows printable ASCII, blanks and line ends, and dies of anything else.
pub(crate) async fn load_sentence_piece() -> (Loaded, JoinHandle<()>) {
    let mut bytes = std::fs::read(path()).expect("the demo model is there");
    // What is written longer is taken from the description, since the weights must stay where they are.
    for (from, to) in [
        ("gpt2", "llama"),
        ("\u{120}", "\u{2581}"),
        ("\u{10a}", "\n"),
        (
            "Tiny synthetic-data demo model for tests. Not a general assistant.",
            "Tiny synthetic-data demo model for tests. Not a general assistant",
        ),
    ] {
        bytes = replace(&bytes, from, to);
    }
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), bytes).expect("it can be written");
    load_spec(ModelSpec { source: ModelSource::File(file.path().into()), ..spec() }).await
}

/// Loads the demo model with 16-bit weights.
pub(crate) async fn load_half() -> (Loaded, JoinHandle<()>) {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    let bytes = std::fs::read(path()).expect("the demo model is there");
    std::fs::write(file.path(), half::halve(&bytes)).expect("it can be written");
    load_spec(ModelSpec { source: ModelSource::File(file.path().into()), ..spec() }).await
}

/// Loads the demo model as described.
pub(crate) async fn load_spec(spec: ModelSpec) -> (Loaded, JoinHandle<()>) {
    let backend = LlamaBackend::new().expect("nothing else starts llama.cpp here");
    backend.load_with_thread(spec, Arc::new(|_| {})).await.expect("the demo model loads")
}

/// Replaces the first string of a GGUF file that is this one.
fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let (from, to) = (string(from), string(to));
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the demo model holds it");
    [&bytes[..at], &to, &bytes[at + from.len()..]].concat()
}
