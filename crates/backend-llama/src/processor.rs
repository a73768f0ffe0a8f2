//! Whether this processor can run the engine.
//!
//! ggml is compiled for processors with certain instructions. Another one ends the process at the first of them, without a
//! word; so this is settled before llama.cpp is started.

/// The settings of ggml's build that are on, without their `GGML_`.
const ENABLED: &str = env!("GGML_ENABLED");

/// Looks whether the processor has all that the engine was compiled for.
///
/// # Errors
/// What it lacks, and what to do.
pub(crate) fn check() -> Result<(), String> {
    refuse(&lacking(ENABLED, has))
}

/// Those of the settings that stand for instructions which the processor does not have.
fn lacking(enabled: &str, has: impl Fn(&str) -> bool) -> Vec<&str> {
    enabled.split_whitespace().filter(|setting| !has(setting)).collect()
}

fn refuse(lacking: &[&str]) -> Result<(), String> {
    if lacking.is_empty() {
        return Ok(());
    }
    let without: Vec<String> = lacking.iter().map(|setting| format!("GGML_{setting}=OFF")).collect();
    Err(format!(
        "it was built for processors with {}, which this one is not. To build it for this one: \
         `cargo clean --release -p llama-cpp-sys-2`, then `{} cargo build --release`",
        lacking.join(", "),
        without.join(" ")
    ))
}

/// Whether the processor can do what a setting has the compiler use.
#[cfg(target_arch = "x86_64")]
fn has(setting: &str) -> bool {
    use std::arch::is_x86_feature_detected as detected;
    match setting {
        "SSE42" => detected!("sse4.2"),
        "AVX" => detected!("avx"),
        "AVX2" => detected!("avx2"),
        "AVX_VNNI" => detected!("avxvnni"),
        "BMI2" => detected!("bmi2"),
        "F16C" => detected!("f16c"),
        "FMA" => detected!("fma"),
        "AVX512" => {
            detected!("avx512f")
                && detected!("avx512cd")
                && detected!("avx512vl")
                && detected!("avx512dq")
                && detected!("avx512bw")
        }
        "AVX512_BF16" => detected!("avx512bf16"),
        "AVX512_VBMI" => detected!("avx512vbmi"),
        "AVX512_VNNI" => detected!("avx512vnni"),
        // Not about instructions.
        _ => true,
    }
}

/// The names above are those of another kind of processor.
#[cfg(not(target_arch = "x86_64"))]
fn has(_: &str) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::{ENABLED, check, lacking, refuse};

    /// The engine is compiled as `.cargo/config.toml` says, or the environment that overrules it. Without these
    /// instructions it is several times slower, and nothing else would tell.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_engine_is_compiled_for_the_instructions_that_were_asked_for() {
        let asked = [
            ("SSE42", env!("GGML_SSE42")),
            ("AVX", env!("GGML_AVX")),
            ("AVX2", env!("GGML_AVX2")),
            ("BMI2", env!("GGML_BMI2")),
            ("F16C", env!("GGML_F16C")),
            ("FMA", env!("GGML_FMA")),
            ("AVX512", env!("GGML_AVX512")),
            ("AVX512_VNNI", env!("GGML_AVX512_VNNI")),
        ];
        // With `-C target-cpu=native` the compiler finds out by itself.
        let asked = asked.into_iter().filter(|_| !ENABLED.split_whitespace().any(|enabled| enabled == "NATIVE"));
        for (setting, value) in asked {
            let enabled = ENABLED.split_whitespace().any(|enabled| enabled == setting);
            assert_eq!(
                enabled,
                value == "ON",
                "GGML_{setting}={value}; `cargo clean -p llama-cpp-sys-2` has it built anew"
            );
        }
    }

    #[test]
    fn a_processor_is_told_what_it_lacks_and_what_to_do() {
        let enabled = "AVX AVX2 CPU FMA";
        let lacking = lacking(enabled, |setting| !setting.starts_with("AVX"));
        assert_eq!(lacking, ["AVX", "AVX2"]);
        let refusal = refuse(&lacking).unwrap_err();
        assert!(refusal.contains("AVX, AVX2"), "{refusal}");
        assert!(refusal.contains("GGML_AVX=OFF GGML_AVX2=OFF cargo build"), "{refusal}");
    }

    /// This test runs on the processor that the engine's tests run on.
    #[test]
    fn the_processor_that_builds_and_tests_is_good_enough() {
        assert_eq!(check(), Ok(()));
    }
}
