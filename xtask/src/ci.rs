//! `cargo xtask ci`: what the CI service checks besides the tests, in one command, the cheapest
//! gates first.

use crate::checkers::Checker;
use crate::failure::{Failure, Outcome};
use crate::setup::{self, Tools};
use crate::{
    canaries, cargo, check, clients, described, loom, offer, planted, sdk, shuttle, sim, stopwatch, table, timing,
};

/// One gate.
struct Step {
    name: &'static str,
    /// Runs without being named.
    usual: bool,
    /// Compiles llama.cpp or what binds to it, and so takes the tools that `setup` looks for.
    needs_tools: bool,
    run: fn(&Tools) -> Outcome,
}

/// In the order in which they run.
const STEPS: &[Step] = &[
    Step { name: "fmt", usual: true, needs_tools: false, run: fmt },
    Step { name: "alone", usual: true, needs_tools: false, run: alone },
    Step { name: "examples", usual: true, needs_tools: false, run: |_| offer::examples() },
    Step { name: "package", usual: true, needs_tools: false, run: |_| offer::package() },
    Step { name: "clippy", usual: true, needs_tools: true, run: clippy },
    Step { name: "docs", usual: true, needs_tools: true, run: docs },
    Step { name: "canaries", usual: true, needs_tools: true, run: |_| canaries::run(false) },
    Step { name: "sdk", usual: true, needs_tools: true, run: |_| sdk::run(false) },
    Step { name: "clients", usual: true, needs_tools: true, run: |_| clients::run() },
    Step { name: "described", usual: true, needs_tools: true, run: |_| described::run() },
    Step { name: "check", usual: true, needs_tools: true, run: |_| check::run(false, false) },
    Step { name: "timing", usual: true, needs_tools: true, run: |_| timing::short() },
    Step { name: "loom", usual: true, needs_tools: false, run: |_| loom::run(false, None) },
    Step { name: "shuttle", usual: true, needs_tools: false, run: |_| shuttle::run(Some(SCHEDULES), None) },
    Step { name: "sim", usual: true, needs_tools: false, run: |_| sim::short() },
    // On request only: it takes as long as all others together, and that no bug is stale is among the tests of xtask.
    Step { name: "planted", usual: false, needs_tools: false, run: |_| planted::run(None) },
    // On request only: they need the network, and programs or compilers that the toolchain does not bring along.
    Step { name: "deny", usual: false, needs_tools: false, run: deny },
    Step { name: "msrv", usual: false, needs_tools: false, run: |_| offer::msrv() },
    Step { name: "miri", usual: false, needs_tools: false, run: |_| offer::miri() },
    Step { name: "semver", usual: false, needs_tools: false, run: |_| offer::semver() },
];

/// So few that they take seconds. The nightly run plays more than a thousand times as many.
const SCHEDULES: u64 = 300;

/// The crates that must stand without their neighbours.
const LIGHT_CRATES: &[&str] = &["model-locks", "backend", "backend-mock", "serving"];

/// The names of all steps.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|step| step.name)
}

/// Runs the steps named, or the usual ones, and stops at the first that fails.
pub(crate) fn run(install: bool, names: &[String]) -> Outcome {
    let steps = chosen(names)?;
    let tools = if steps.iter().any(|step| step.needs_tools) { setup::check(install)? } else { Tools::default() };
    let mut rows = vec![vec!["step".to_owned(), "time".to_owned()]];
    let (outcome, total) = stopwatch::timed(|| {
        for step in &steps {
            eprintln!("\n==> {}", step.name);
            let (outcome, took) = stopwatch::timed(|| (step.run)(&tools));
            let verdict = if outcome.is_ok() { "" } else { "  FAILED" };
            rows.push(vec![step.name.to_owned(), stopwatch::readable(took) + verdict]);
            outcome?;
        }
        Ok(())
    });
    rows.push(vec!["total".to_owned(), stopwatch::readable(total)]);
    eprint!("\n{}", table::columns(&rows));
    outcome
}

fn chosen(names: &[String]) -> Outcome<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().filter(|step| step.usual).collect());
    }
    let find = |name: &String| STEPS.iter().find(|step| step.name == name);
    let found = |name| find(name).ok_or_else(|| Failure::usage(format!("unknown step `{name}`")));
    names.iter().map(found).collect()
}

fn fmt(_: &Tools) -> Outcome {
    cargo::run(&mut cargo::cargo("fmt --all --check"))
}

/// Checks each light crate alone. In the workspace a crate can live on features that only its
/// neighbours ask for.
fn alone(_: &Tools) -> Outcome {
    LIGHT_CRATES.iter().try_for_each(|name| {
        cargo::run(cargo::cargo("check --quiet -p").arg(name))?;
        cargo::run(cargo::cargo("check --quiet --all-features -p").arg(name))
    })
}

/// Also with the planted faults compiled in, which the default features leave out, and the lock as its checkers see it.
fn clippy(tools: &Tools) -> Outcome {
    for features in ["", "--features edison-tests/canary"] {
        let selection = format!("--workspace --all-targets {features}");
        let mut command = cargo::cargo(&format!("clippy {selection} -- -D warnings"));
        tools.apply(&mut command);
        cargo::run(&mut command)?;
    }
    Checker::ALL.into_iter().try_for_each(Checker::clippy)
}

fn docs(tools: &Tools) -> Outcome {
    let mut command = cargo::cargo("doc --workspace --no-deps");
    tools.apply(&mut command);
    cargo::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny(_: &Tools) -> Outcome {
    let installed = cargo::capture(&mut cargo::cargo("deny --version"))?.status.success();
    if !installed {
        return Err(Failure::new("cargo-deny is not here: `cargo install --locked cargo-deny`"));
    }
    cargo::run(&mut cargo::cargo("deny check bans licenses sources"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Command;

    fn chosen_names(names: &[&str]) -> Vec<&'static str> {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        chosen(&names).expect("these steps exist").iter().map(|step| step.name).collect()
    }

    #[test]
    fn without_names_the_usual_steps_run_and_the_cheapest_comes_first() {
        let usual = chosen_names(&[]);
        assert_eq!(usual.first(), Some(&"fmt"));
        let on_request = ["planted", "deny", "msrv", "miri", "semver"];
        assert!(on_request.iter().all(|name| !usual.contains(name)), "they take long, or need the network");
        assert_eq!(usual.len(), STEPS.len() - on_request.len());
    }

    #[test]
    fn named_steps_run_in_the_order_given() {
        assert_eq!(chosen_names(&["docs", "deny", "fmt"]), ["docs", "deny", "fmt"]);
    }

    #[test]
    fn an_unknown_step_is_named() {
        let failure = chosen(&["fmt".to_owned(), "tests".to_owned()]).err().expect("there is no such step");
        assert!(failure.message().contains("`tests`"));
    }

    const WORKFLOWS: [&str; 2] =
        [include_str!("../../.github/workflows/ci.yml"), include_str!("../../.github/workflows/nightly.yml")];

    /// What follows `cargo xtask` on the lines of both workflows.
    fn runs() -> impl Iterator<Item = Vec<String>> {
        let lines = WORKFLOWS.into_iter().flat_map(str::lines).filter(|line| !line.trim_start().starts_with('#'));
        let runs = lines.filter_map(|line| line.split_once("cargo xtask "));
        runs.map(|(_, words)| words.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn every_command_of_the_workflows_is_understood() {
        assert!(runs().count() > 10, "this test no longer finds them");
        for words in runs() {
            let understood = match crate::arguments::parse(&words) {
                Ok(Command::Bench { what, .. }) => what.iter().all(|name| crate::bench::NAMES.contains(&name.as_str())),
                // The steps of a matrix are judged below.
                Ok(Command::Ci { steps, .. }) => steps[0].starts_with('$') || chosen(&steps).is_ok(),
                command => command.is_ok(),
            };
            assert!(understood, "{words:?}");
        }
    }

    /// The steps of a change stand in a line of their own, `step: [clippy, docs]`, or behind the command.
    #[test]
    fn every_step_runs_in_a_workflow() {
        let listed = WORKFLOWS.into_iter().flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("step: ["));
        let listed = listed.flat_map(|line| line.trim_end_matches(']').split(", ").map(str::to_owned));
        let named = runs().filter(|words| words[0] == "ci").flatten();
        let runs = listed.chain(named).collect::<Vec<_>>();
        for step in STEPS {
            assert!(runs.iter().any(|word| word == step.name), "{}", step.name);
        }
    }
}
