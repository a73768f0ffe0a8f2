//! `edison doctor`, and the server with `verify_models`: a file that ends the process that loads it ends a child.
#![cfg(feature = "llama")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn edison(args: &[&str], cache: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edison"));
    command.args(args).env("XDG_CACHE_HOME", cache).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models")).join(name)
}

/// A demo model that says that 32 of its four layers are for more than the next token, which llama.cpp does not survive.
fn deadly(folder: &Path) -> String {
    let (from, to) = (b"llama.rope.dimension_count", b"llama.nextn_predict_layers");
    let mut bytes = std::fs::read(fixture("edison-demo-fast.gguf")).expect("the demo model is there");
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the demo model holds it");
    bytes[at..at + to.len()].copy_from_slice(to);
    let path = folder.join("deadly.gguf");
    std::fs::write(&path, bytes).expect("a file");
    path.to_str().expect("a UTF-8 path").to_owned()
}

#[test]
fn a_usable_file_is_described() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = fixture("edison-demo-fast.gguf");
    let output = edison(&["doctor", file.to_str().expect("UTF-8")], folder.path());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", text(&output.stderr));
    for part in
        ["is usable", "0.8 million parameters, context of 1024 tokens", "MiB of weights, 2 of cache", "answered"]
    {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn a_model_that_only_embeds_is_usable_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = fixture("edison-demo-embed.gguf");
    let output = edison(&["doctor", file.to_str().expect("UTF-8")], folder.path());
    let told = text(&output.stdout);
    assert!(output.status.success() && told.contains("embeds texts as 32 numbers"), "{told}{}", text(&output.stderr));
}

#[test]
fn a_model_that_only_ranks_is_usable_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = fixture("edison-demo-rerank.gguf");
    let output = edison(&["doctor", file.to_str().expect("UTF-8")], folder.path());
    let told = text(&output.stdout);
    let says = told.contains("can do: rank documents") && told.contains("scores \"Hello, world\" as ");
    assert!(output.status.success() && says, "{told}{}", text(&output.stderr));
}

#[test]
fn a_file_that_is_no_model_is_told_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let junk = folder.path().join("junk.gguf");
    std::fs::write(&junk, "once upon a time").expect("a file");
    for (file, reason) in [(junk, "not a GGUF file"), (folder.path().join("none.gguf"), "No such file")] {
        let output = edison(&["doctor", file.to_str().expect("UTF-8")], folder.path());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("is not usable: ") && told.contains(reason), "{told}");
    }
}

/// An adapter is tried with its model, and what it answers is told; one that does not fit is told with the reason.
#[test]
fn an_adapter_is_tried_with_its_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let (model, adapter) = (fixture("edison-demo-fast.gguf"), fixture("edison-demo-fast-adapter.gguf"));
    let [model, adapter] = [&model, &adapter].map(|path| path.to_str().expect("UTF-8"));
    let output = edison(&["doctor", model, "--adapter", adapter], folder.path());
    let told = text(&output.stdout);
    assert!(output.status.success() && told.contains("with adapter 0 it answered"), "{told}{}", text(&output.stderr));
    let output = edison(&["doctor", model, "--adapter", model], folder.path());
    let told = text(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("it is no LoRA adapter"), "{told}");
}

/// With `verify_models` a model is tried together with its adapters, under a verdict of their own.
#[test]
fn a_server_that_verifies_tries_the_adapters_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (model, config) = (fixture("edison-demo-fast.gguf"), folder.path().join("edison.toml"));
    let toml = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nverify_models = true\n[[models]]\nname = \"m\"\nfile = {model:?}\n\
         [[models.adapters]]\nname = \"t\"\nfile = {model:?}\n"
    );
    std::fs::write(&config, toml).expect("a file");
    let output = edison(&["serve", "--config", config.to_str().expect("UTF-8")], folder.path());
    let told = text(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("it is no LoRA adapter"), "{told}");
}

#[test]
fn a_file_that_ends_the_process_ends_a_child() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = edison(&["doctor", &deadly(folder.path())], folder.path());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "the program itself ends in good order: {told}");
    assert!(told.contains("it ends the process that loads it"), "{told}");
}

/// With `verify_models` the server refuses the file and does not die of it, and keeps the verdict.
/// Method: the file is the only model, so that the server ends in good order because nothing is left to serve. The second
/// time the verdict is changed by hand, which shows that it is read.
#[test]
fn a_server_that_verifies_survives_a_deadly_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = deadly(folder.path());
    let config = folder.path().join("edison.toml");
    let toml = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nverify_models = true\n[[models]]\nname = \"m\"\nfile = \"{file}\"\n"
    );
    std::fs::write(&config, toml).expect("a file");
    let serve = || edison(&["serve", "--config", config.to_str().expect("UTF-8")], folder.path());
    let output = serve();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("no model could be loaded") && told.contains("ends the process"), "{told}");

    let verdicts = folder.path().join("edison/verdicts");
    let kept: Vec<_> = std::fs::read_dir(verdicts).expect("a folder").map(|entry| entry.expect("a file")).collect();
    let [verdict] = kept.as_slice() else { panic!("one verdict: {kept:?}") };
    std::fs::write(verdict.path(), r#"{"outcome":"refused","reason":"kept from before"}"#).expect("a file");
    let told = text(&serve().stderr);
    assert!(told.contains("kept from before"), "{told}");
}
