//! The commands of this repository. `cargo xtask` lists them.
//!
//! Each command has a file of its own; this one only chooses. People and the CI service run the
//! same commands, so that whatever is red there can be repeated here.

mod arguments;
mod bench;
mod canaries;
mod cargo;
mod check;
mod checked;
mod checkers;
mod ci;
mod clients;
mod described;
mod enumerate;
mod failure;
mod fuzz;
mod libtest;
mod limited;
mod loom;
mod mutants;
mod native;
mod offer;
mod parallel;
mod planted;
mod sdk;
mod serve;
mod setup;
mod shuttle;
mod sim;
mod stopwatch;
mod subset;
mod table;
mod test;
mod timing;
mod verify;

use std::process::ExitCode;

use arguments::Command;
use failure::Outcome;

fn main() -> ExitCode {
    let words = std::env::args().skip(1).collect::<Vec<_>>();
    match arguments::parse(&words).and_then(dispatch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Help => {
            print!("{}", arguments::HELP);
            Ok(())
        }
        Command::Serve { install, build, rest } => serve::run(install, build, &rest),
        Command::Test { install, rest } => test::run(install, &rest),
        Command::Ci { install, steps } => ci::run(install, &steps),
        Command::Loom { complete, filter } => loom::run(complete, filter.as_deref()),
        Command::Shuttle { iterations, filter } => shuttle::run(iterations, filter.as_deref()),
        Command::Fuzz { cases, seed, filter } => fuzz::run(cases, seed.as_deref(), filter.as_deref()),
        Command::Mutants { base, filter } => mutants::run(base.as_deref(), filter.as_deref()),
        Command::Planted { filter } => planted::run(filter.as_deref()),
        Command::Bench { install, build, what, pictures, rest } => bench::run(install, build, &what, pictures, &rest),
        Command::Canaries { install } => canaries::run(install),
        Command::Sim { rest } => sim::run(&rest),
        Command::Check { install, complete } => check::run(install, complete),
        Command::Timing { install, out, repeat } => timing::run(install, out, repeat),
        Command::Verify { install, extent, readme } => verify::run(install, extent, readme),
        Command::Sdk { install } => sdk::run(install),
    }
}
