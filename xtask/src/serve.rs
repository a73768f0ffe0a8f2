//! `cargo xtask serve`: from a fresh checkout to a running server in one command.

use std::process::Command;

use crate::failure::Outcome;
use crate::{cargo, setup};

/// Checks the tools, builds, and becomes `edison serve ARGS`.
pub(crate) fn run(install: bool, release: bool, rest: &[String]) -> Outcome {
    let tools = setup::check(install)?;
    let edison = cargo::build_edison(release, |command| tools.apply(command))?;
    // Not at the root of the repository: relative paths in ARGS are the caller's.
    cargo::become_program(Command::new(edison).arg("serve").args(rest))
}
