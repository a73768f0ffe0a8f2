//! `cargo xtask serve`: from a fresh checkout to a running server in one command.

use std::process::Command;

use crate::arguments::Build;
use crate::failure::Outcome;
use crate::{cargo, native, setup};

/// Checks the tools, builds, and becomes `edison serve ARGS`.
pub(crate) fn run(install: bool, build: Build, rest: &[String]) -> Outcome {
    if build == Build::Native {
        native::check()?;
    }
    let tools = setup::check(install)?;
    let edison = cargo::build_edison(build != Build::Dev, |command| {
        tools.apply(command);
        if build == Build::Native {
            native::apply(command);
        }
    })?;
    // Not at the root of the repository: relative paths in ARGS are the caller's.
    cargo::become_program(Command::new(edison).arg("serve").args(rest))
}
