//! `cargo xtask test`: every Rust test of the workspace.

use crate::failure::Outcome;
use crate::{cargo, setup};

/// Checks the tools and becomes `cargo test --workspace ARGS`.
pub(crate) fn run(install: bool, rest: &[String]) -> Outcome {
    let tools = setup::check(install)?;
    let mut command = cargo::cargo("test --workspace");
    tools.apply(&mut command);
    cargo::become_program(command.args(rest))
}
