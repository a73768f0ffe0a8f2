//! `cargo xtask bench`: the lock beside other locks in one run, how fast its core is enumerated, the engine beside others,
//! and the HTTP face beside a bare one.

use crate::checkers::target_directory;
use crate::failure::{Failure, Outcome};
use crate::{cargo, enumerate, setup};

/// The benchmarks.
pub(crate) const NAMES: [&str; 4] = ["locks", "core", "engine", "http"];

/// Builds the benchmark and becomes it. It draws its pictures into the folder `pictures`, by default one in the target
/// directory. `install` is about the tools that building the engine takes.
pub(crate) fn run(install: bool, what: &[String], pictures: Option<String>, rest: &[String]) -> Outcome {
    let pictures = pictures.map_or_else(|| target_directory("bench"), Into::into);
    match what.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["locks"] => {
            cargo::become_program(cargo::cargo("run --quiet --release --package model-locks-bench --").arg(pictures))
        }
        ["core"] => enumerate::run(),
        ["engine"] => {
            // The whole workspace, so that the engine is built once for everything.
            let mut build = cargo::cargo("build --release --workspace");
            setup::check(install)?.apply(&mut build);
            let bench = cargo::build(&mut build, "engine-bench")?;
            cargo::become_program(cargo::program_at_root(&bench).args(rest))
        }
        ["http"] => {
            let bench = cargo::build(&mut cargo::cargo("build --release --package http-bench"), "http-bench")?;
            let rest = if rest.is_empty() { &["cost".to_owned()] } else { rest };
            cargo::become_program(cargo::program_at_root(&bench).args(rest))
        }
        _ => Err(Failure::usage(format!("`bench` takes the name of a benchmark: {}", NAMES.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_benchmark_that_does_not_exist_is_refused() {
        for names in [&[][..], &["models"], &["locks", "models"]] {
            let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            assert!(run(false, &names, None, &[]).unwrap_err().message().contains("locks, core"), "{names:?}");
        }
    }
}
