//! The tools that building llama.cpp takes: found, or installed, or asked for.
//!
//! Looking and deciding are pure functions over a [`Machine`]; only this file
//! acts.

mod libclang;
mod machine;
mod needs;
mod plan;

use std::path::PathBuf;
use std::process::Command;

use crate::cargo;
use crate::failure::{Failure, Outcome};
use machine::{Machine, ThisMachine};
use needs::Missing;
use plan::Plan;

/// The tools are there. What a build has to be told about them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tools {
    /// Set when libclang lies where the build would not look by itself.
    libclang_path: Option<PathBuf>,
}

impl Tools {
    /// Prepares a command that builds.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Some(path) = &self.libclang_path {
            command.env("LIBCLANG_PATH", path);
        }
    }
}

/// Looks for the tools, and installs what is missing if `install` allows it. Prints nothing when
/// nothing is missing.
///
/// # Errors
/// Something is missing and was not to be, or could not be, installed; the message has the command
/// to run.
pub(crate) fn check(install: bool) -> Outcome<Tools> {
    // The checks below know the ways of Unix. Visual Studio's tools are found by the build itself,
    // or named by it.
    if cfg!(windows) {
        return Ok(Tools::default());
    }
    let missing = match needs::look(&ThisMachine) {
        Ok(tools) => return Ok(tools),
        Err(missing) => missing,
    };
    eprint!("Building llama.cpp, this server's engine, takes what is missing here:\n{}", list(&missing));
    match plan::make(&missing, &ThisMachine) {
        Plan::ByHand(advice) => Err(Failure::new(advice)),
        Plan::Install(commands) if !install => {
            let commands = shown(&commands);
            Err(Failure::new(format!("--no-install was given; this would install it:\n{commands}")))
        }
        Plan::Install(commands) => {
            install_all(&commands)?;
            check_again(&ThisMachine)
        }
    }
}

fn install_all(commands: &[Vec<String>]) -> Outcome {
    eprint!("Installing it with the system's package manager:\n{}", shown(commands));
    for (at, words) in commands.iter().enumerate() {
        let (program, arguments) = words.split_first().expect("a plan has no empty command");
        let outcome = cargo::run(Command::new(program).args(arguments));
        let is_last = at + 1 == commands.len();
        if outcome.is_err() && is_last {
            return Err(Failure::new(format!("this failed: {}", words.join(" "))));
        }
        if outcome.is_err() {
            // One unreachable package list of several is no reason to give up.
            eprintln!("this failed, going on without: {}", words.join(" "));
        }
    }
    Ok(())
}

fn check_again(machine: &dyn Machine) -> Outcome<Tools> {
    needs::look(machine).map_err(|missing| {
        let missing = list(&missing);
        let hint = "if PATH has changed, open a new shell";
        Failure::new(format!("installed, but still missing ({hint}):\n{missing}"))
    })
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(|missing| format!("  {}: {}\n", missing.tool.name(), missing.why)).collect()
}

fn shown(commands: &[Vec<String>]) -> String {
    commands.iter().map(|words| format!("  {}\n", words.join(" "))).collect()
}
