//! Adapters (LoRA): what their files must say, and loading them.
//!
//! llama.cpp looks whether the tensors of an adapter fit those of its model, but not at all of their dimensions and kinds, and
//! it takes the word of the description for what stands where. Each of that ends the process, some of it in the first step.

use std::path::Path;
use std::sync::Mutex;

use backend::{AdapterSpec, LoadError, ModelSource};
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};

use crate::engine::reasons;
use crate::gguf::{Head, Tensor, Value};
use crate::validate;

/// An adapter of a model that is loaded. To apply it takes it, so that contexts beside each other take turns.
pub(crate) type Loaded = Mutex<LlamaLoraAdapter>;

/// Kinds of numbers that every adapter is written in: `f32`, `f16`, `q8_0` and `bf16`. Not every kind can be multiplied.
const KINDS: [u32; 4] = [0, 1, 8, 30];

/// Loads the adapters of a model whose file begins with this head.
///
/// # Errors
/// [`LoadError::NotFound`] and [`LoadError::Unusable`], which name the adapter or its file.
pub(crate) fn load(
    model: &mut LlamaModel,
    head: &Head,
    adapters: &[AdapterSpec],
    unpack: &dyn Fn(&[u8]) -> Result<tempfile::NamedTempFile, LoadError>,
) -> Result<Vec<Loaded>, LoadError> {
    let one = |adapter: &AdapterSpec| match &adapter.source {
        ModelSource::File(path) => load_file(model, head, &adapter.name, path),
        ModelSource::Embedded(bytes) => load_file(model, head, &adapter.name, unpack(bytes)?.path()),
    };
    adapters.iter().map(one).collect()
}

fn load_file(model: &mut LlamaModel, head: &Head, name: &str, path: &Path) -> Result<Loaded, LoadError> {
    let (file, adapter) = validate::model_file(path)?;
    let unusable = |reason: String| LoadError::Unusable { model: format!("the adapter {name} ({file})"), reason };
    check(&adapter, head).map_err(unusable)?;
    let (adapter, reasons) = reasons::collect(|| model.lora_adapter_init(path));
    adapter.map(Mutex::new).map_err(|error| unusable(reasons.or(&error)))
}

/// Checks what the file of an adapter says against what that of its model says.
fn check(adapter: &Head, model: &Head) -> Result<(), String> {
    let said = |key: &str| adapter.text(key).unwrap_or("nothing");
    for (key, wanted) in [("general.type", "adapter"), ("adapter.type", "lora")] {
        if said(key) != wanted {
            return Err(format!("it is no LoRA adapter: its {key} says {}, not {wanted}", said(key)));
        }
    }
    let architecture = model.text("general.architecture").unwrap_or_default();
    if said("general.architecture") != architecture {
        let other = said("general.architecture");
        return Err(format!("it is an adapter of the architecture {other}, and the model has {architecture}"));
    }
    match adapter.get("adapter.lora.alpha") {
        None => {}
        Some(Value::Real(alpha)) if alpha.is_finite() => {}
        Some(_) => return Err("its adapter.lora.alpha is no number".to_string()),
    }
    if adapter.get("adapter.alora.invocation_tokens").is_some() {
        return Err("it is to be applied from certain words on (aLoRA), which this engine cannot do".to_string());
    }
    // The others are looked for by llama.cpp, which names them; nobody reads here what they have.
    if let Some(Value::Whole(n @ 2..)) = model.get("split.count") {
        return Err(format!("the model is in {n} files, and adapters are checked against one: merge them"));
    }
    if adapter.tensors.is_empty() {
        return Err("it has no tensors".to_string());
    }
    adapter.tensors.iter().try_for_each(|tensor| check_tensor(tensor, adapter, model))
}

fn check_tensor(tensor: &Tensor, adapter: &Head, model: &Head) -> Result<(), String> {
    let name = &tensor.name;
    if !KINDS.contains(&tensor.kind) {
        return Err(format!("its tensor {name} is written in a kind of numbers that no adapter is"));
    }
    let of = |head: &Head, name: &str| head.tensors.iter().find(|tensor| tensor.name == name).map(|found| found.shape);
    let Some(base) = name.strip_suffix(".lora_a") else {
        // The second of a pair is looked at with the first. Norms are passed over by llama.cpp.
        let first = name.strip_suffix(".lora_b").map(|base| format!("{base}.lora_a"));
        return match first {
            Some(first) if of(adapter, &first).is_none() => Err(format!("{first} is missing beside {name}")),
            None if !name.ends_with("_norm.weight") => Err(format!("{name} is no tensor of an adapter")),
            _ => Ok(()),
        };
    };
    let b = of(adapter, &format!("{base}.lora_b")).ok_or_else(|| format!("{base}.lora_b is missing beside {name}"))?;
    let (a, whole) = (tensor.shape, of(model, base).ok_or_else(|| format!("the model has no tensor {base}"))?);
    // The embeddings of tokens are looked up and not multiplied, and stand the other way round.
    let fits = if base.ends_with("token_embd.weight") {
        whole[0] == b[1] && whole[1] == a[1] && a[0] == b[0]
    } else {
        whole[0] == a[0] && whole[1] == b[1] && a[1] == b[0]
    };
    if fits && a[2..] == whole[2..] && b[2..] == whole[2..] && !a.contains(&0) && !b.contains(&0) {
        Ok(())
    } else {
        Err(format!(
            "{name} is {a:?} and its pair {b:?}, which do not fit the model's {whole:?}: is it another model's?"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::gguf::{Head, Value};

    fn text(text: &str) -> Value {
        Value::Text(text.to_string())
    }

    fn model() -> Head {
        let tensors = [
            ("token_embd.weight", [8, 100, 1, 1], 0),
            ("blk.0.ffn_up.weight", [8, 16, 1, 1], 2),
            ("blk.0.ffn_up_exps.weight", [8, 16, 4, 1], 2),
        ];
        Head::of(&[("general.architecture", text("llama"))], &tensors)
    }

    fn pairs() -> Vec<(&'static str, Value)> {
        vec![
            ("general.type", text("adapter")),
            ("general.architecture", text("llama")),
            ("adapter.type", text("lora")),
            ("adapter.lora.alpha", Value::Real(16.0)),
        ]
    }

    type Pairs = [(&'static str, [u64; 4], u32); 2];

    const GOOD: Pairs =
        [("blk.0.ffn_up.weight.lora_a", [8, 2, 1, 1], 1), ("blk.0.ffn_up.weight.lora_b", [2, 16, 1, 1], 1)];

    #[test]
    fn adapters_that_fit_are_taken() {
        let embeddings =
            [("token_embd.weight.lora_a", [2, 100, 1, 1], 0), ("token_embd.weight.lora_b", [2, 8, 1, 1], 0)];
        let experts = [
            ("blk.0.ffn_up_exps.weight.lora_a", [8, 2, 4, 1], 30),
            ("blk.0.ffn_up_exps.weight.lora_b", [2, 16, 4, 1], 30),
        ];
        for tensors in [GOOD, embeddings, experts] {
            assert_eq!(check(&Head::of(&pairs(), &tensors), &model()), Ok(()));
        }
        let without_alpha = &pairs()[..3];
        assert_eq!(check(&Head::of(without_alpha, &GOOD), &model()), Ok(()));
    }

    /// Each of these ends the process, here or in the first step, or computes no numbers.
    #[test]
    fn what_a_description_must_not_say() {
        let cases = [
            ("general.type", Some(Value::Whole(1)), "general.type says nothing"),
            ("general.type", Some(text("model")), "general.type says model"),
            ("general.architecture", Some(Value::Other), "architecture nothing"),
            ("general.architecture", Some(text("qwen3")), "architecture qwen3, and the model has llama"),
            ("adapter.type", None, "adapter.type says nothing"),
            ("adapter.lora.alpha", Some(Value::Whole(16)), "alpha is no number"),
            ("adapter.lora.alpha", Some(Value::Real(f32::NAN)), "alpha is no number"),
            ("adapter.alora.invocation_tokens", Some(Value::Other), "aLoRA"),
        ];
        for (key, value, expected) in cases {
            let mut pairs = pairs();
            pairs.retain(|(known, _)| *known != key);
            pairs.extend(value.map(|value| (key, value)));
            let refused = check(&Head::of(&pairs, &GOOD), &model()).expect_err(key);
            assert!(refused.contains(expected), "{key}: {refused}");
        }
    }

    /// The first of several files has some of the tensors only, so that those of the others would be missed.
    #[test]
    fn an_adapter_of_a_model_in_several_files_is_refused_as_that() {
        let says = |n| Head::of(&[("general.architecture", text("llama")), ("split.count", Value::Whole(n))], &[]);
        let refused = |n| check(&Head::of(&pairs(), &GOOD), &says(n)).expect_err("it has no tensors");
        assert!(refused(2).contains("in 2 files"), "{}", refused(2));
        for whole in [0, 1] {
            assert!(refused(whole).contains("no tensor blk.0.ffn_up"), "{}", refused(whole));
        }
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused() {
        let (a, b) = (GOOD[0], GOOD[1]);
        let experts = |a: [u64; 4], b: [u64; 4]| {
            vec![("blk.0.ffn_up_exps.weight.lora_a", a, 0), ("blk.0.ffn_up_exps.weight.lora_b", b, 0)]
        };
        let embeddings =
            |a: [u64; 4], b: [u64; 4]| vec![("token_embd.weight.lora_a", a, 0), ("token_embd.weight.lora_b", b, 0)];
        let cases = [
            (vec![], "no tensors"),
            (vec![a], "lora_b is missing"),
            (vec![b], "lora_a is missing"),
            (vec![a, b, ("blk.0.ffn_up.weight", [8, 16, 1, 1], 0)], "no tensor of an adapter"),
            (vec![(a.0, a.1, 26), b], "kind of numbers"),
            (vec![a, (b.0, b.1, 2)], "kind of numbers"),
            (vec![("x.lora_a", a.1, 0), ("x.lora_b", b.1, 0)], "no tensor x"),
            (vec![(a.0, [9, 2, 1, 1], 0), b], "do not fit"),
            (vec![a, (b.0, [2, 17, 1, 1], 0)], "do not fit"),
            (vec![a, (b.0, [3, 16, 1, 1], 0)], "do not fit"),
            (vec![(a.0, [8, 2, 2, 1], 0), b], "do not fit"),
            (vec![a, (b.0, [2, 16, 1, 3], 0)], "do not fit"),
            (vec![(a.0, [8, 0, 1, 1], 0), (b.0, [0, 16, 1, 1], 0)], "do not fit"),
            (experts([8, 2, 1, 1], [2, 16, 4, 1]), "do not fit"),
            (experts([8, 2, 4, 1], [2, 16, 1, 1]), "do not fit"),
            (embeddings([3, 100, 1, 1], [2, 8, 1, 1]), "do not fit"),
            (embeddings([8, 2, 1, 1], [2, 100, 1, 1]), "do not fit"),
        ];
        for (tensors, expected) in cases {
            let refused = check(&Head::of(&pairs(), &tensors), &model()).expect_err(expected);
            assert!(refused.contains(expected), "{tensors:?}: {refused}");
        }
    }
}
