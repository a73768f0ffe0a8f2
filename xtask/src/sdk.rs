//! `cargo xtask sdk`: the official packages that clients are written with, for Python and Node, against a running server.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::{cargo, clients, setup};

const REQUIREMENTS: &str = "tests/sdk/requirements.txt";
const SCRIPTS: [&str; 3] =
    ["tests/sdk/openai_python.py", "tests/sdk/anthropic_python.py", "tests/sdk/langchain_python.py"];
const NODE: &str = "tests/sdk/node";

/// Builds, installs what the tests ask for where that has changed, and runs each of them.
pub(crate) fn run(install: bool) -> Outcome {
    let tools = setup::check(install)?;
    let edison = cargo::build_edison(false, |command| tools.apply(command))?;
    let python = environment(&cargo::root().join("target/sdk-venv"), REQUIREMENTS)?;
    for script in SCRIPTS {
        cargo::run(cargo::program_at_root(&python).arg(script).env("EDISON_BIN", &edison))?;
    }
    clients::packages(NODE)?;
    cargo::run(clients::at_node(NODE, "node").arg("--test").env("EDISON_BIN", &edison))
}

/// Makes the virtual environment `folder` of what this file asks for, or brings it up to date, and returns its Python.
pub(crate) fn environment(folder: &Path, requirements: &str) -> Outcome<PathBuf> {
    let wanted = cargo::root().join(requirements);
    let wanted = fs::read(&wanted).map_err(|error| Failure::new(format!("{}: {error}", wanted.display())))?;
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // Written last, so that an installation that was cut off is made again.
    let installed = folder.join("requirements.installed.txt");
    if fs::read(&installed).ok().as_ref() == Some(&wanted) && python.exists() {
        return Ok(python);
    }
    make(folder)?;
    let pip = "-m pip install --quiet --disable-pip-version-check -r";
    cargo::run(cargo::program_at_root(&python).args(pip.split(' ')).arg(requirements))?;
    fs::write(&installed, wanted).map_err(|error| Failure::new(format!("{}: {error}", installed.display())))?;
    Ok(python)
}

fn make(folder: &Path) -> Outcome {
    let program = if cfg!(windows) { "python" } else { "python3" };
    let mut python = cargo::program_at_root(program.as_ref());
    cargo::run(python.args(["-m", "venv", "--clear"]).arg(folder)).map_err(|_| {
        Failure::new(format!(
            "`{program} -m venv` failed. The SDK tests need Python 3.9 or later with its module \
             venv (on Debian and Ubuntu: apt-get install python3-venv)."
        ))
    })
}
