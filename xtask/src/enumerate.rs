//! `cargo xtask bench core`: how many steps of the lock's core are tried and checked in a second.

use crate::failure::{Failure, Outcome};
use crate::{cargo, stopwatch};

const TEST: &str = "core::tests::deep::every_long_history";
/// Long enough that the start of the program does not count, short enough to wait for.
const DEPTH: &str = "11";
const GOAL: f64 = 10.0e6;

/// Plays every history of some length in release mode, and prints the rate.
pub(crate) fn run() -> Outcome {
    let mut build = cargo::cargo("test --quiet --release --package model-locks --lib --no-run");
    let program = cargo::build(&mut build, "model_locks")?;
    let mut command = cargo::program_at_root(&program);
    command.args([TEST, "--exact", "--nocapture"]).env("MODEL_LOCKS_DEEP", DEPTH);
    let (output, took) = stopwatch::timed(|| cargo::capture(&mut command));
    let output = output?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let steps = steps(&printed).filter(|_| output.status.success());
    let steps = steps.ok_or_else(|| Failure::new(format!("{TEST} did not end well:\n{printed}")))?;
    let rate = steps as f64 / took.as_secs_f64();
    let verdict = if rate >= GOAL { "met" } else { "NOT MET" };
    println!("{steps} checked steps, every history of {DEPTH}, in {}", stopwatch::readable(took));
    println!("{:.1} million a second, goal {:.0}: {verdict}", rate / 1e6, GOAL / 1e6);
    Ok(())
}

/// What the test says about itself: `deep: N checked steps, ...`.
fn steps(output: &str) -> Option<u64> {
    let (_, claim) = output.split_once("deep: ")?;
    claim.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_what_the_test_prints() {
        assert_eq!(steps("running 1 test\ndeep: 228242 checked steps, all\ntest a ... ok\n"), Some(228_242));
        assert_eq!(steps("running 0 tests\n"), None, "a test that did not run has no rate");
    }
}
