//! `cargo xtask ci clients`: test suites as a user of `edison mock` writes them, one in Python and one in Node, with the
//! real `openai` packages.

use std::fs;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::{cargo, sdk, setup};

const REQUIREMENTS: &str = "tests/clients/python/requirements.txt";
const PYTHON: &str = "tests/clients/python";
const NODE: &str = "tests/clients/node";

/// Builds, installs what the suites ask for where that has changed, and runs both.
pub(crate) fn run() -> Outcome {
    let tools = setup::check(false)?;
    let edison = cargo::build_edison(false, |command| tools.apply(command))?;
    let python = sdk::environment(&cargo::root().join("target/clients-venv"), REQUIREMENTS)?;
    let mut suite = cargo::program_at_root(&python);
    cargo::run(suite.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", PYTHON]).env("EDISON_BIN", &edison))?;
    packages(NODE)?;
    cargo::run(at_node(NODE, "node").arg("--test").env("EDISON_BIN", &edison))
}

/// Installs what the lock file of this folder says, if it was not installed before.
pub(crate) fn packages(folder_name: &str) -> Outcome {
    let folder = cargo::root().join(folder_name);
    let read = |path| fs::read(folder.join(path));
    let wanted =
        read("package-lock.json").map_err(|error| Failure::new(format!("{folder_name}/package-lock.json: {error}")))?;
    // Written last, so that an installation that was cut off is made again.
    let installed = "node_modules/package-lock.installed.json";
    if read(installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    cargo::run(at_node(folder_name, npm).args(["ci", "--no-audit", "--no-fund"]))
        .map_err(|_| Failure::new("`npm ci` failed. The client tests need Node 20 or later with npm."))?;
    fs::write(folder.join(installed), wanted)
        .map_err(|error| Failure::new(format!("{folder_name}/{installed}: {error}")))
}

/// A program in this folder.
pub(crate) fn at_node(folder_name: &str, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(cargo::root().join(folder_name));
    command
}
