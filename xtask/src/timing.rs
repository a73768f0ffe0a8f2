//! `cargo xtask timing`: who waits for whom in real time, measured, judged and drawn.

use crate::checkers::target_directory;
use crate::failure::{Failure, Outcome};
use crate::{cargo, setup};

/// Repetitions of the short run: the least that has a median.
const SHORT: u64 = 3;

/// Builds and becomes the measurement. It writes its pictures into `out`, by default a folder in the target directory.
pub(crate) fn run(install: bool, out: Option<String>, repeat: Option<u64>) -> Outcome {
    let out = out.map_or_else(|| target_directory("timing"), Into::into);
    let mut timing = program(install)?;
    timing.arg("--out").arg(out);
    if let Some(repeat) = repeat {
        timing.args(["--repeat", &repeat.to_string()]);
    }
    cargo::become_program(&mut timing)
}

/// The short run.
pub(crate) fn short() -> Outcome {
    let mut timing = program(false)?;
    cargo::run(timing.arg("--out").arg(target_directory("timing")).args(["--repeat", &SHORT.to_string()]))
}

fn program(install: bool) -> Outcome<std::process::Command> {
    let tools = setup::check(install)?;
    // The whole workspace, so that the engine is not built again for another selection.
    let edison = cargo::build_edison(false, |command| tools.apply(command))?;
    let timing = edison.with_file_name(if cfg!(windows) { "timing.exe" } else { "timing" });
    if timing.exists() {
        Ok(std::process::Command::new(timing))
    } else {
        Err(Failure::new("the build made no program `timing`"))
    }
}
