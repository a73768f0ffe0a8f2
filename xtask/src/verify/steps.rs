//! The kinds of proof, each with the command that runs it.

use std::process::Command;

use super::Extent;
use crate::cargo;
use crate::failure::{Failure, Outcome};

/// One kind of proof.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) settles: &'static str,
    /// It runs from this extent on.
    pub(super) from: Extent,
    what: What,
    /// The words, for each extent.
    words: [&'static str; 3],
}

#[derive(Clone, Copy)]
enum What {
    Cargo,
    /// A command of ours.
    Xtask,
}

const fn cargo_step(name: &'static str, settles: &'static str, words: &'static str) -> Step {
    Step { name, settles, from: Extent::Quick, what: What::Cargo, words: [words; 3] }
}

const fn xtask_step(name: &'static str, settles: &'static str, words: [&'static str; 3]) -> Step {
    Step { name, settles, from: Extent::Quick, what: What::Xtask, words }
}

/// In the order in which they run: the cheapest first.
pub(super) const STEPS: &[Step] = &[
    // What trybuild prints about each case is of interest even when all pass.
    cargo_step("types", "what must not compile does not", "test --package model-locks-compile-fail -- --nocapture"),
    cargo_step(
        "core",
        "the lock's core in every history of small cases, and against a reference",
        "test --no-fail-fast --package model-locks",
    ),
    xtask_step("loom", "every schedule of small programs around the lock", ["loom", "loom", "loom --complete"]),
    xtask_step(
        "shuttle",
        "many threads and long histories, at random from a seed",
        ["shuttle --iterations 300", "shuttle", "shuttle --iterations 1000000"],
    ),
    xtask_step(
        "sim",
        "the whole service in virtual time, judged by oracles, and its canaries",
        ["ci sim --no-install", "ci sim --no-install", "sim --seeds 10000"],
    ),
    cargo_step("tests", "every test of the workspace, the real engine's included", "test --workspace --no-fail-fast"),
    xtask_step("canaries", "that the tests can fail: bugs planted in the locks", ["canaries --no-install"; 3]),
    xtask_step(
        "check",
        "our server from outside, and planted faults that are found from there",
        ["check --no-install", "check --no-install", "check --no-install --complete"],
    ),
    xtask_step(
        "timing",
        "who waits for whom in real time",
        ["timing --no-install --repeat 3", "timing --no-install", "timing --no-install --repeat 25"],
    ),
    Step {
        from: Extent::Usual,
        ..xtask_step("planted", "that the lock's tests find the bugs that other locks had", ["planted"; 3])
    },
    Step {
        from: Extent::Complete,
        ..xtask_step("mutants", "that the lock's tests notice every small change of the lock", ["mutants"; 3])
    },
];

impl Step {
    pub(super) fn words(&self, extent: Extent) -> &'static str {
        self.words[extent as usize]
    }

    /// How it is repeated by hand.
    pub(super) fn by_hand(&self, extent: Extent) -> String {
        match self.what {
            What::Cargo => format!("cargo {}", self.words(extent)),
            What::Xtask => format!("cargo xtask {}", self.words(extent)),
        }
    }

    pub(super) fn command(&self, extent: Extent) -> Outcome<Command> {
        let words = self.words(extent);
        match self.what {
            What::Cargo => Ok(cargo::cargo(words)),
            What::Xtask => {
                let ours = std::env::current_exe();
                let mut command =
                    Command::new(ours.map_err(|error| Failure::new(format!("where is this program? {error}")))?);
                command.args(words.split_whitespace()).current_dir(cargo::root());
                Ok(command)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_ours_is_understood() {
        for step in STEPS.iter().filter(|step| matches!(step.what, What::Xtask)) {
            for words in step.words {
                let words = words.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                assert!(crate::arguments::parse(&words).is_ok(), "{words:?}");
            }
        }
    }
}
