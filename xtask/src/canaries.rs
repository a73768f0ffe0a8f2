//! `cargo xtask canaries`: green must mean something.
//!
//! Faults are planted in the locks, one at a time, and the tests of `canary_prey` are run. Without
//! a fault all must pass; with one, the tests named in [`CANARIES`] must fail. A fault that nothing
//! catches fails the command.

use std::collections::BTreeSet;
use std::path::Path;

use crate::failure::{Failure, Outcome};
use crate::libtest::Report;
use crate::{cargo, libtest, setup, table};

/// The variable through which the tests are told which fault to plant.
const FAULT_VARIABLE: &str = "EDISON_CANARY";

/// A planted fault, and the tests that must notice it.
struct Canary {
    fault: &'static str,
    caught_by: &'static [&'static str],
}

const CANARIES: &[Canary] = &[
    Canary { fault: "no_lock", caught_by: &["three_requests_to_one_model_take_three_times_as_long"] },
    Canary { fault: "global_lock", caught_by: &["three_requests_to_three_models_run_at_once"] },
    Canary { fault: "lifo", caught_by: &["requests_to_one_model_are_answered_in_order_of_arrival"] },
    Canary { fault: "early_release", caught_by: &["the_next_request_waits_until_the_engine_has_stopped"] },
];

/// Builds the prey once and lets every canary loose on it.
pub(crate) fn run(install: bool) -> Outcome {
    let tools = setup::check(install)?;
    // From the whole workspace, so that the engine is not built again for another selection.
    let mut build = cargo::cargo("test --workspace --features edison-tests/canary --test canary_prey --no-run");
    tools.apply(&mut build);
    let prey = cargo::build(&mut build, "canary_prey")?;

    let healthy = hunt(&prey, None)?;
    let expected = CANARIES.iter().flat_map(|canary| canary.caught_by).copied();
    judge_healthy(&healthy.report, &healthy.listed, expected).map_err(|why| healthy.explain(&why))?;

    let mut rows = vec![vec!["fault".to_owned(), "caught by".to_owned()]];
    let mut escaped = Vec::new();
    for canary in CANARIES {
        let run = hunt(&prey, Some(canary.fault))?;
        let report = run.report.as_ref().ok_or_else(|| run.explain("the run did not get to its end"))?;
        match judge(canary, report) {
            Ok(()) => rows.push(row(canary.fault, &report.failed)),
            Err(why) => {
                rows.push(vec![canary.fault.to_owned(), format!("NOT CAUGHT: {why}")]);
                escaped.push(canary.fault);
            }
        }
    }
    print!("{}", table::columns(&rows));
    if escaped.is_empty() { Ok(()) } else { Err(Failure::new(format!("not caught: {}", escaped.join(", ")))) }
}

/// One run of the prey.
struct Run {
    fault: Option<&'static str>,
    listed: BTreeSet<String>,
    report: Option<Report>,
    output: String,
}

impl Run {
    fn explain(&self, why: &str) -> Failure {
        let fault = self.fault.unwrap_or("no fault");
        Failure::new(format!("{}\ncanary_prey with {fault}: {why}", self.output))
    }
}

/// Runs all tests of the prey with `fault` planted.
fn hunt(prey: &Path, fault: Option<&'static str>) -> Outcome<Run> {
    let mut list = cargo::program_at_root(prey);
    let listed = cargo::capture(list.arg("--list").env_remove(FAULT_VARIABLE))?;
    let mut command = cargo::program_at_root(prey);
    match fault {
        Some(fault) => command.env(FAULT_VARIABLE, fault),
        None => command.env_remove(FAULT_VARIABLE),
    };
    let output = cargo::capture(&mut command)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    // The exit code and the words must agree; otherwise one of them is not what we think it is.
    let report = libtest::parse(&printed).filter(|report| report.failed.is_empty() == output.status.success());
    let listed = libtest::listed(&String::from_utf8_lossy(&listed.stdout)).into_iter().collect();
    Ok(Run { fault, listed, report, output: printed + &String::from_utf8_lossy(&output.stderr) })
}

/// Without a fault: everything passes, and the tests that the table names are there.
fn judge_healthy<'a>(
    report: &Option<Report>,
    listed: &BTreeSet<String>,
    expected: impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    let report = report.as_ref().ok_or("the run did not get to its end")?;
    if report.passed == 0 || !report.failed.is_empty() {
        return Err(format!("{} passed, {} failed; all must pass", report.passed, report.failed.len()));
    }
    let absent = expected.filter(|name| !contains(listed, name)).collect::<Vec<_>>();
    if absent.is_empty() { Ok(()) } else { Err(format!("named in the table but not a test: {}", absent.join(", "))) }
}

/// With a fault: each test that must notice it has failed. Others may fail as well.
fn judge(canary: &Canary, report: &Report) -> Result<(), String> {
    let blind = canary.caught_by.iter().copied().filter(|name| !contains(&report.failed, name)).collect::<Vec<_>>();
    if blind.is_empty() && !canary.caught_by.is_empty() {
        Ok(())
    } else {
        Err(format!("these passed: {}", blind.join(", ")))
    }
}

/// Whether `name` is among `tests`, whatever module it stands in.
fn contains(tests: &BTreeSet<String>, name: &str) -> bool {
    tests.iter().any(|test| test.rsplit("::").next() == Some(name))
}

fn row(fault: &str, tests: &BTreeSet<String>) -> Vec<String> {
    vec![fault.to_owned(), tests.iter().cloned().collect::<Vec<_>>().join(", ")]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFO: Canary = Canary { fault: "lifo", caught_by: &["order", "tickets_rise"] };

    fn report(failed: &[&str]) -> Report {
        Report { passed: 1, failed: set(failed) }
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_fault_is_caught_when_every_named_test_is_red() {
        assert_eq!(judge(&LIFO, &report(&["locks::order", "tickets_rise", "another"])), Ok(()));
    }

    #[test]
    fn a_named_test_that_stays_green_lets_the_fault_escape() {
        assert_eq!(judge(&LIFO, &report(&["order"])), Err("these passed: tickets_rise".to_owned()));
        assert!(judge(&LIFO, &report(&["reorder", "tickets_rise"])).is_err(), "a name is compared whole");
    }

    #[test]
    fn a_fault_without_a_named_test_is_not_caught() {
        let canary = Canary { fault: "quiet", caught_by: &[] };
        assert!(judge(&canary, &report(&["order"])).is_err());
    }

    #[test]
    fn the_run_without_a_fault_must_be_green_whole_and_not_empty() {
        let listed = set(&["order", "tickets_rise"]);
        let judged = |report: Option<Report>, names: &[&str]| judge_healthy(&report, &listed, names.iter().copied());
        assert_eq!(judged(Some(report(&[])), &["order"]), Ok(()));
        assert!(judged(Some(report(&["order"])), &["order"]).is_err(), "red");
        assert!(judged(Some(report(&[])), &["renamed"]).is_err(), "a name that no test has");
        assert!(judged(None, &[]).is_err(), "cut off");
        assert!(judged(Some(Report { passed: 0, failed: set(&[]) }), &[]).is_err(), "no test ran");
    }
}
