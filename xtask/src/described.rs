//! `cargo xtask ci described`: schemathesis asks `edison mock` whatever its description allows, and much that it does not.

use crate::failure::Outcome;
use crate::{cargo, sdk, setup};

const REQUIREMENTS: &str = "tests/described/requirements.txt";
const SCRIPT: &str = "tests/described/run.py";

/// Builds, prepares the virtual environment, and becomes the script; its exit code is ours. `EDISON_EXAMPLES` is how many
/// requests are drawn for each operation.
pub(crate) fn run() -> Outcome {
    let tools = setup::check(false)?;
    let edison = cargo::build_edison(false, |command| tools.apply(command))?;
    let python = sdk::environment(&cargo::root().join("target/described-venv"), REQUIREMENTS)?;
    cargo::run(cargo::program_at_root(&python).arg(SCRIPT).env("EDISON_BIN", edison))
}
