//! `cargo xtask bench locks`: the lock beside other locks, in one run.

use crate::cargo;
use crate::failure::{Failure, Outcome};

/// Builds the benchmark and becomes it.
pub(crate) fn run(what: &[String]) -> Outcome {
    match what.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["locks"] => cargo::become_program(&mut cargo::cargo("run --quiet --release --package model-locks-bench")),
        _ => Err(Failure::usage("`bench` takes the name of a benchmark; there is one: `locks`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_benchmark_that_does_not_exist_is_refused() {
        for names in [&[][..], &["models"], &["locks", "models"]] {
            let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            assert!(run(&names).unwrap_err().message().contains("`locks`"), "{names:?}");
        }
    }
}
