//! Building the engine for the processor at hand.
//!
//! The ordinary build is for every x86-64 processor with AVX2, and so is what the tests prove. Whoever serves large models
//! on one machine wants all that its processor has.

use std::process::Command;

use crate::checkers::target_directory;
use crate::failure::{Failure, Outcome};

/// Looks whether the settings would reach the engine's build.
///
/// # Errors
/// Flags for the compiler by which it passes over them and lets llama.cpp choose.
pub(crate) fn check() -> Outcome {
    if settings().is_empty() { Ok(()) } else { refuse(&FLAGS.map(variable).join(" ")) }
}

/// Has `command`, a `cargo build`, compile llama.cpp for this processor, in a target directory of its own: the settings
/// reach the engine's build, and in one directory it would be compiled again each time this build and another take turns.
pub(crate) fn apply(command: &mut Command) {
    command.env("CARGO_TARGET_DIR", target_directory("native"));
    if settings().is_empty() {
        // llama.cpp finds out by itself, and Rust's own code gains, too.
        let flags = FLAGS.map(variable).join(" ").replace('\x1f', " ");
        command.env_remove(FLAGS[1]).env(FLAGS[0], format!("{flags} -C target-cpu=native").trim());
    }
    command.envs(settings().into_iter().map(|(setting, is_there)| (setting, if is_there { "ON" } else { "OFF" })));
}

/// Where flags for the compiler come from; the second one, with its own separators, has cargo pass over the first.
const FLAGS: [&str; 2] = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"];

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn refuse(flags: &str) -> Outcome {
    if flags.contains("target-cpu=native") {
        return Err(Failure::usage(
            "`--native` chooses what llama.cpp may use one by one; take `-C target-cpu=native` out of RUSTFLAGS",
        ));
    }
    Ok(())
}

/// The settings of ggml's build by which it uses what not all x86-64 processors have, and whether this one has it. They take
/// the place of those in `.cargo/config.toml`.
///
/// One by one, and not by `target-cpu=native`, which takes AMX along: on virtual machines that show AMX and do not let it be
/// used, llama.cpp ends with a general protection fault at its first tile.
#[cfg(target_arch = "x86_64")]
fn settings() -> Vec<(&'static str, bool)> {
    use std::arch::is_x86_feature_detected as detected;
    let has_avx512 = detected!("avx512f")
        && detected!("avx512cd")
        && detected!("avx512vl")
        && detected!("avx512dq")
        && detected!("avx512bw");
    vec![
        ("GGML_SSE42", detected!("sse4.2")),
        ("GGML_AVX", detected!("avx")),
        ("GGML_AVX2", detected!("avx2")),
        ("GGML_BMI2", detected!("bmi2")),
        ("GGML_F16C", detected!("f16c")),
        ("GGML_FMA", detected!("fma")),
        ("GGML_AVX_VNNI", detected!("avxvnni")),
        ("GGML_AVX512", has_avx512),
        ("GGML_AVX512_BF16", has_avx512 && detected!("avx512bf16")),
        ("GGML_AVX512_VBMI", has_avx512 && detected!("avx512vbmi")),
        ("GGML_AVX512_VNNI", has_avx512 && detected!("avx512vnni")),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn settings() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A setting that nobody knows has no effect, and nobody is told.
    #[test]
    fn the_engine_knows_each_setting() {
        let known = include_str!("../../crates/backend-llama/src/processor.rs");
        for (setting, _) in settings() {
            let name = setting.strip_prefix("GGML_").expect("a setting of ggml");
            assert!(known.contains(&format!("\"{name}\" => ")), "{setting}");
        }
        let ordinary = include_str!("../../.cargo/config.toml");
        for line in ordinary.lines().filter(|line| line.starts_with("GGML_")) {
            let is_chosen = |(setting, _): (&str, bool)| line.starts_with(&format!("{setting} "));
            assert!(!cfg!(target_arch = "x86_64") || settings().into_iter().any(is_chosen), "{line} stays as it is");
        }
    }

    #[test]
    fn it_is_built_beside_the_ordinary_build() {
        let mut command = Command::new("cargo");
        apply(&mut command);
        let folder = command.get_envs().find(|(key, _)| *key == "CARGO_TARGET_DIR").and_then(|(_, folder)| folder);
        assert!(folder.is_some_and(|folder| std::path::Path::new(folder).ends_with("native")), "{folder:?}");
    }

    #[test]
    fn flags_that_choose_otherwise_are_refused() {
        assert_eq!(refuse("-C opt-level=3"), Ok(()));
        assert!(refuse("-C\x1ftarget-cpu=native").is_err_and(|failure| failure.message().contains("RUSTFLAGS")));
    }
}
