//! `cargo xtask fuzz`: requests, scripts and configurations that nobody would write, at every parser.
//!
//! The short run is among the tests; this is the one that is as long as somebody wants.

use std::path::Path;

use crate::failure::{Failure, Outcome};
use crate::{cargo, libtest};

/// What the server is built with: no engine, so that nothing of llama.cpp is compiled.
const BUILD: &str = "test --no-run --package server --no-default-features --features mock";

/// A program of tests, some of which are fuzzers.
struct Program {
    /// How cargo is asked for it.
    target: &'static str,
    name: &'static str,
    /// What the names of its fuzzers begin with.
    fuzzers: &'static str,
}

const PROGRAMS: [Program; 2] = [
    Program { target: "--test fuzz", name: "fuzz", fuzzers: "" },
    Program { target: "--lib", name: "server", fuzzers: "config::fuzz::" },
];

/// Builds the fuzzers and runs those whose name contains `filter`; `cases` are those of each, and `seed`, in base 16, is
/// what they are drawn from.
pub(crate) fn run(cases: Option<u64>, seed: Option<&str>, filter: Option<&str>) -> Outcome {
    let is_seed = |seed: &str| u64::from_str_radix(seed, 16).is_ok();
    if seed.is_some_and(|seed| !is_seed(seed)) {
        return Err(Failure::usage("`--seed` takes a number of up to 16 digits in base 16"));
    }
    let mut runs = Vec::new();
    for Program { target, name, fuzzers } in PROGRAMS {
        let program = cargo::build(&mut cargo::cargo(&format!("{BUILD} {target}")), name)?;
        let listed = cargo::capture(cargo::program_at_root(&program).arg("--list"))?;
        let mut tests = libtest::listed(&String::from_utf8_lossy(&listed.stdout));
        tests.retain(|test| test.starts_with(fuzzers) && filter.is_none_or(|filter| test.contains(filter)));
        if !tests.is_empty() {
            runs.push((program, tests));
        }
    }
    if runs.is_empty() {
        return Err(Failure::new("no fuzzer to run: an empty search finds nothing"));
    }
    runs.iter().try_for_each(|(program, tests)| one(program, tests, cases, seed))
}

fn one(program: &Path, tests: &[String], cases: Option<u64>, seed: Option<&str>) -> Outcome {
    let mut command = cargo::program_at_root(program);
    command.args(tests).args(["--exact", "--nocapture"]);
    if let Some(cases) = cases {
        command.env("EDISON_FUZZ_CASES", cases.to_string());
    }
    if let Some(seed) = seed {
        command.env("EDISON_FUZZ_SEED", seed);
    }
    cargo::run(&mut command)
}
