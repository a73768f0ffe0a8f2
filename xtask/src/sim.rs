//! `cargo xtask sim`: the whole service in virtual time, from seeds.

use crate::cargo;
use crate::failure::Outcome;

/// Fresh seeds of the short run, a minute or less of two cores. The nightly run plays ten times as many.
const SHORT: &str = "1000";

/// Builds the simulator and becomes it. With the planted bugs only where they are asked for.
pub(crate) fn run(words: &[String]) -> Outcome {
    cargo::become_program(simulator(words.iter().any(|word| word.starts_with("--canar"))).args(words))
}

/// The short run: the seeds that are kept, some that nobody has seen, and every canary.
pub(crate) fn short() -> Outcome {
    cargo::run(simulator(false).args(["--commit", "--seeds", SHORT]))?;
    cargo::run(simulator(true).arg("--canaries"))
}

fn simulator(canaries: bool) -> std::process::Command {
    let features = if canaries { "--features canary" } else { "" };
    cargo::cargo(&format!("run --quiet --profile sim --package sim {features} --"))
}
