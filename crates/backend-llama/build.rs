//! Tells the crate what ggml was compiled for, so that it can be looked up in the processor before ggml runs.

use std::path::PathBuf;

/// The engine's own word for it: the settings that its build ended up with, whatever was asked for.
fn main() {
    // Set by the build script of llama-cpp-sys-2, for the crates that depend on it directly.
    let root = std::env::var_os("DEP_LLAMA_ROOT").map(PathBuf::from).expect("llama-cpp-sys-2 says where it was built");
    let settings = root.join("build/CMakeCache.txt");
    println!("cargo::rerun-if-changed={}", settings.display());
    let text = std::fs::read_to_string(&settings).unwrap_or_else(|error| panic!("{}: {error}", settings.display()));
    let enabled = text.lines().filter_map(|line| line.strip_prefix("GGML_")?.strip_suffix(":BOOL=ON"));
    println!("cargo::rustc-env=GGML_ENABLED={}", enabled.collect::<Vec<_>>().join(" "));
}
