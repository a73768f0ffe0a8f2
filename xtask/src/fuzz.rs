//! `cargo xtask fuzz`: requests, scripts and configurations that nobody would write, at every parser.
//!
//! The short run is among the tests; this is the one that is as long as somebody wants.

use std::path::Path;

use crate::failure::{Failure, Outcome};
use crate::{cargo, libtest};

/// What the server is built with: no engine, so that nothing of llama.cpp is compiled.
const BUILD: &str = "test --no-run --package server --no-default-features --features mock";

/// What tells the fuzzers how long, and what to draw from.
const CASES_VARIABLE: &str = "EDISON_FUZZ_CASES";
const SEED_VARIABLE: &str = "EDISON_FUZZ_SEED";

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
    seed.map_or(Ok(()), read)?;
    let mut runs = Vec::new();
    for Program { target, name, fuzzers } in PROGRAMS {
        let program = cargo::build(&mut cargo::cargo(&format!("{BUILD} {target}")), name)?;
        let listed = cargo::capture(cargo::program_at_root(&program).arg("--list"))?;
        let mut tests = libtest::listed(&String::from_utf8_lossy(&listed.stdout));
        tests.retain(|test| test.starts_with(fuzzers));
        if tests.is_empty() {
            return Err(Failure::new(format!("`{name}` has no fuzzer `{fuzzers}`: was it moved?")));
        }
        tests.retain(|test| filter.is_none_or(|filter| test.contains(filter)));
        if !tests.is_empty() {
            runs.push((program, tests));
        }
    }
    if runs.is_empty() {
        return Err(Failure::new("no fuzzer to run: an empty search finds nothing"));
    }
    runs.iter().try_for_each(|(program, tests)| one(program, tests, cases, seed))
}

/// Refuses a seed that the fuzzers could not read.
fn read(seed: &str) -> Outcome {
    let refused = |_| Failure::usage("`--seed` takes a number of up to 16 digits in base 16");
    u64::from_str_radix(seed, 16).map(drop).map_err(refused)
}

fn one(program: &Path, tests: &[String], cases: Option<u64>, seed: Option<&str>) -> Outcome {
    let mut command = cargo::program_at_root(program);
    command.args(tests).args(["--exact", "--nocapture"]);
    if let Some(cases) = cases {
        command.env(CASES_VARIABLE, cases.to_string());
    }
    if let Some(seed) = seed {
        command.env(SEED_VARIABLE, seed);
    }
    cargo::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else the long run would be the short one again, and green.
    #[test]
    fn the_fuzzers_read_what_they_are_told() {
        let reader = include_str!("../../crates/server/tests/fuzz/run.rs");
        for variable in [CASES_VARIABLE, SEED_VARIABLE] {
            assert!(reader.contains(&format!("\"{variable}\"")), "{variable}");
        }
    }

    #[test]
    fn a_seed_is_a_number_in_base_16() {
        assert_eq!(["5eed", "0123456789abcdef"].map(read), [Ok(()), Ok(())]);
        for seed in ["xyz", "", "0x5eed", "12345678901234567"] {
            assert!(read(seed).unwrap_err().message().contains("base 16"), "{seed:?}");
        }
    }
}
