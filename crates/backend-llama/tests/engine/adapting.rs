//! Adapters: which files are loaded, and which are refused before llama.cpp dies of them.

use std::path::PathBuf;

use backend::conformance::kit;
use backend::{Adapter, AdapterSpec, Backend, LoadError, ModelSource, ModelSpec, Scale};
use tempfile::TempDir;

use crate::support;

/// 3.5 KB of random weights for the smallest demo model.
fn fixture() -> PathBuf {
    support::fixture("edison-demo-fast-adapter.gguf")
}

fn spec(source: ModelSource) -> ModelSpec {
    let adapters = vec![AdapterSpec { name: "tone".to_string(), source, scale: Scale::ONE }];
    ModelSpec { adapters, ..support::spec(support::fast()) }
}

/// Which adapter's load failed, and why.
async fn refusal(spec: ModelSpec) -> String {
    match support::backend().load(spec, support::silent()).await.map(|_| ()) {
        Err(LoadError::Unusable { model, reason }) => format!("{model}: {reason}"),
        Err(error) => error.to_string(),
        Ok(()) => panic!("it was loaded"),
    }
}

/// Method: the demo adapter, changed in one way each. The kinds of a key, the dimensions of a tensor and what is no number
/// would end the process, at once or in the first step.
#[tokio::test]
async fn adapters_that_do_not_fit_are_refused_with_a_reason() {
    const REAL: [u8; 4] = 6_u32.to_le_bytes();
    const WHOLE: [u8; 4] = 4_u32.to_le_bytes();
    let good = std::fs::read(fixture()).unwrap();
    let key = |key: &str, kind: [u8; 4]| [key.as_bytes(), &kind].concat();
    let alpha = "adapter.lora.alpha";
    let rank = |rank: u64| {
        let tensor =
            [b"blk.1.attn_output.weight.lora_a".as_slice(), &2_u32.to_le_bytes(), &128_u64.to_le_bytes()].concat();
        let (from, to) = ([&tensor[..], &2_u64.to_le_bytes()].concat(), [&tensor[..], &rank.to_le_bytes()].concat());
        support::replace(&good, &from, &to)
    };
    let mut no_numbers = good.clone();
    let end = no_numbers.len();
    no_numbers[end - 256..].fill(0xff);
    let cases = [
        (support::replace(&good, &key(alpha, REAL), &key(alpha, WHOLE)), "alpha is no number"),
        (
            support::replace(&good, b"\x07\0\0\0\0\0\0\0adapter", b"\x07\0\0\0\0\0\0\0adopter"),
            "general.type says adopter",
        ),
        (support::replace(&good, b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lamma"), "architecture lamma"),
        (support::replace(&good, b"blk.2.ffn_down.weight.lora_b", b"blk.2.ffn_dawn.weight.lora_b"), "is missing"),
        (rank(3), "do not fit"),
        (good[..good.len() - 2000].to_vec(), "not within the file bounds"),
        (good[..200].to_vec(), "ends inside its description"),
        (no_numbers, "does not compute numbers"),
        (std::fs::read(support::fast()).unwrap(), "it is no LoRA adapter"),
        (b"once upon a time, there was a file".to_vec(), "not a GGUF file"),
    ];
    let dir = TempDir::new().unwrap();
    for (n, (bytes, expected)) in cases.into_iter().enumerate() {
        let path = dir.path().join(format!("{n}.gguf"));
        std::fs::write(&path, bytes).unwrap();
        let reason = refusal(spec(ModelSource::File(path))).await;
        assert!(reason.contains(expected), "{n}: {reason}");
    }
    let missing = refusal(spec(ModelSource::File("/nowhere/adapter.gguf".into()))).await;
    assert!(missing.contains("/nowhere/adapter.gguf"), "{missing}");
}

/// An adapter that fits one output of the model that embeds.
fn of_the_embedder() -> Vec<u8> {
    let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let text = |key: &str, value: &str| [string(key), 8_u32.to_le_bytes().to_vec(), string(value)].concat();
    let pairs = [text("general.type", "adapter"), text("general.architecture", "bert"), text("adapter.type", "lora")];
    let tensor = |name: &str, shape: [u64; 2], at: u64| {
        let numbers = [&2_u32.to_le_bytes()[..], &shape.map(u64::to_le_bytes).concat(), &0_u32.to_le_bytes()].concat();
        [string(&format!("blk.0.attn_output.weight.{name}")), numbers, at.to_le_bytes().to_vec()].concat()
    };
    let counts = [2_u64, pairs.len() as u64].map(u64::to_le_bytes).concat();
    let tensors = [tensor("lora_a", [32, 1], 0), tensor("lora_b", [1, 32], 128)];
    let mut file = [b"GGUF\x03\0\0\0", &counts[..], &pairs.concat(), &tensors.concat()].concat();
    file.resize(file.len().next_multiple_of(32) + 256, 0);
    file
}

/// Only models that continue texts have adapters, and only their own.
#[tokio::test]
async fn an_adapter_of_another_model_is_refused() {
    let embedder =
        |source| ModelSpec { source: ModelSource::File(support::fixture("edison-demo-embed.gguf")), ..spec(source) };
    let reason = refusal(embedder(ModelSource::File(fixture()))).await;
    assert!(reason.contains("tone") && reason.contains("the model has bert"), "{reason}");
    let reason = refusal(embedder(ModelSource::Embedded(of_the_embedder().leak()))).await;
    assert!(reason.contains("adapters") && reason.contains("embeds or ranks"), "{reason}");
}

/// Memory is told with the adapters, from files and from what is built in; the latter does as the former.
#[tokio::test]
async fn an_adapter_is_counted_and_may_be_built_in() {
    let backend = support::backend();
    let without = backend.estimate(&support::spec(support::fast())).await.unwrap().expect("a file");
    let bytes: &'static [u8] = std::fs::read(fixture()).unwrap().leak();
    let mut answers = Vec::new();
    for source in [ModelSource::File(fixture()), ModelSource::Embedded(bytes)] {
        let with = backend.estimate(&spec(source.clone())).await.unwrap().expect("a file");
        assert_eq!(with.weights, without.weights + bytes.len() as u64);
        let mut model = support::load(spec(source)).await;
        let mut lane = kit::only_lane(&mut model);
        kit::check_as_new(&model, lane.as_mut()).await;
        let mut request = kit::request(&model, kit::count()).await;
        request.options.adapter = Some(Adapter { number: 0, scale: Scale::ONE });
        request.max_tokens = 40;
        answers.push(kit::text_of(lane.as_mut(), request).await);
    }
    assert!(answers[0] == answers[1] && answers[0] != kit::count_text(), "{answers:?}");
}
