//! `cargo xtask bench`: the lock beside other locks in one run, how fast its core is enumerated, the engine beside others,
//! and the HTTP face beside a bare one.

use crate::arguments::Build;
use crate::checkers::target_directory;
use crate::failure::{Failure, Outcome};
use crate::{cargo, enumerate, native, setup};

/// The benchmarks.
pub(crate) const NAMES: [&str; 4] = ["locks", "core", "engine", "http"];

/// Builds the benchmark and becomes it. It draws its pictures into the folder `pictures`, by default one in the target
/// directory. `install` is about the tools that building the engine takes, `build` about how.
pub(crate) fn run(install: bool, build: Build, what: &[String], pictures: Option<String>, rest: &[String]) -> Outcome {
    if build == Build::Native && what != ["engine"] {
        return Err(Failure::usage("`--native` is about how the engine is built, so it goes with `bench engine`"));
    }
    let pictures = pictures.map_or_else(|| target_directory("bench"), Into::into);
    match what.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["locks"] => {
            cargo::become_program(cargo::cargo("run --quiet --release --package model-locks-bench --").arg(pictures))
        }
        ["core"] => enumerate::run(),
        ["engine"] => {
            // The whole workspace, so that the engine is built once for everything.
            let mut command = cargo::cargo("build --release --workspace");
            setup::check(install)?.apply(&mut command);
            if build == Build::Native {
                native::check()?;
                native::apply(&mut command);
            }
            let bench = cargo::build(&mut command, "engine-bench")?;
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
            assert!(
                run(false, Build::Release, &names, None, &[]).unwrap_err().message().contains("locks, core"),
                "{names:?}"
            );
        }
    }

    #[test]
    fn only_the_engine_is_built_for_this_processor() {
        let locks = ["locks".to_owned()];
        let refused = run(false, Build::Native, &locks, None, &[]);
        assert!(refused.is_err_and(|failure| failure.message().contains("bench engine")));
    }
}
