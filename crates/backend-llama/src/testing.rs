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
/// token. It knows printable ASCII, blanks and line ends; of anything else it sees bytes.
pub(crate) async fn load_sentence_piece() -> (Loaded, JoinHandle<()>) {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), sentence_piece()).expect("it can be written");
    load_spec(ModelSpec { source: ModelSource::File(file.path().into()), ..spec() }).await
}

/// The file of that model.
pub(crate) fn sentence_piece() -> Vec<u8> {
    let before = std::fs::read(path()).expect("the demo model is there");
    let mut bytes = replace(&before, "gpt2", "llama");
    let mut others = '\u{100}'..;
    for byte in 0..=u8::MAX {
        // How the byte is written in the vocabulary: as itself, or as the next character that is no byte.
        let is_itself = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..);
        let written = if is_itself { char::from(byte) } else { others.next().expect("a letter") };
        let to = match byte {
            b'!'..=b'~' => continue,
            b' ' => "\u{2581}".to_string(),
            b'\n' => "\n".to_string(),
            byte => format!("<0x{byte:02X}>"),
        };
        bytes = replace(&bytes, &written.to_string(), &to);
    }
    pad(&bytes, bytes.len() - before.len())
}

/// Adds a description that fills up what a file has grown by, since what follows must stay where it is by 32 bytes.
fn pad(bytes: &[u8], grown: usize) -> Vec<u8> {
    const HEAD: usize = 24;
    const TEXT: u32 = 8;
    let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let n_pairs = u64::from_le_bytes(bytes[16..HEAD].try_into().expect("eight bytes")) + 1;
    let mut pair = [string("filler"), TEXT.to_le_bytes().to_vec()].concat();
    let len = grown + pair.len() + 8;
    pair.extend(string(&"x".repeat(len.next_multiple_of(32) - len)));
    [&bytes[..16], &n_pairs.to_le_bytes(), &pair, &bytes[HEAD..]].concat()
}

/// Loads the demo model with 16-bit weights.
pub(crate) async fn load_half() -> (Loaded, JoinHandle<()>) {
    load_half_with(|_| {}).await
}

/// The same with a change to its spec.
pub(crate) async fn load_half_with(change: impl FnOnce(&mut ModelSpec)) -> (Loaded, JoinHandle<()>) {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    let bytes = std::fs::read(path()).expect("the demo model is there");
    std::fs::write(file.path(), half::halve(&bytes)).expect("it can be written");
    let mut spec = ModelSpec { source: ModelSource::File(file.path().into()), ..spec() };
    change(&mut spec);
    load_spec(spec).await
}

/// Loads the demo model as described.
pub(crate) async fn load_spec(spec: ModelSpec) -> (Loaded, JoinHandle<()>) {
    let backend = LlamaBackend::new().expect("nothing else starts llama.cpp here");
    backend.load_with_thread(spec, Arc::new(|_| {})).await.expect("the demo model loads")
}

/// Replaces the first string of a GGUF file that is this one.
pub(crate) fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let (from, to) = (string(from), string(to));
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the demo model holds it");
    [&bytes[..at], &to, &bytes[at + from.len()..]].concat()
}
