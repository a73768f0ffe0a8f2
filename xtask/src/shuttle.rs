//! `cargo xtask shuttle`: many threads and long histories around the lock, under a random
//! scheduler.
//!
//! Each test runs in a process of its own, so that what it prints belongs to it: above all the
//! schedule that has failed.

use std::path::Path;

use crate::checkers::Checker;
use crate::failure::{Failure, Outcome};
use crate::{cargo, libtest, parallel, stopwatch, table};

/// Builds the shuttle tests and runs those whose name contains `filter`; `iterations` are the
/// schedules for each of a test's schedulers.
pub(crate) fn run(iterations: Option<u64>, filter: Option<&str>) -> Outcome {
    let program = Checker::Shuttle.build()?;
    let listed = cargo::capture(cargo::program_at_root(&program).arg("--list"))?;
    let mut names = libtest::listed(&String::from_utf8_lossy(&listed.stdout));
    names.retain(|name| filter.is_none_or(|filter| name.contains(filter)));
    if names.is_empty() {
        return Err(Failure::new("no shuttle test to run: an empty search finds nothing"));
    }
    let verdicts = parallel::map(&names, |name| run_one(&program, name, iterations));
    let verdicts = verdicts.into_iter().collect::<Outcome<Vec<_>>>()?;
    let mut rows = vec![["test", "schedules", "time"].map(str::to_owned).to_vec()];
    rows.extend(verdicts.iter().map(Verdict::row));
    print!("{}", table::columns(&rows));
    let red = verdicts.iter().filter(|verdict| !verdict.passed).collect::<Vec<_>>();
    for Verdict { test, output, .. } in &red {
        eprintln!("\n---- {test} ----\n{output}");
        eprintln!("replay: MODEL_LOCKS_SCHEDULE=<the schedule above> cargo xtask shuttle -- {test}");
    }
    if red.is_empty() { Ok(()) } else { Err(Failure::new(format!("{} of {} failed", red.len(), names.len()))) }
}

/// How one test ended.
struct Verdict {
    test: String,
    passed: bool,
    time: String,
    output: String,
}

impl Verdict {
    fn row(&self) -> Vec<String> {
        let schedules = if self.passed { schedules(&self.output) } else { Some("FAILED".to_owned()) };
        vec![self.test.clone(), schedules.unwrap_or_else(|| "-".to_owned()), self.time.clone()]
    }
}

fn run_one(program: &Path, name: &str, iterations: Option<u64>) -> Outcome<Verdict> {
    let mut command = cargo::program_at_root(program);
    command.args([name, "--exact", "--nocapture"]);
    if let Some(iterations) = iterations {
        command.env("MODEL_LOCKS_ITERATIONS", iterations.to_string());
    }
    let (output, took) = stopwatch::timed(|| cargo::capture(&mut command));
    let output = output?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let ran = libtest::parse(&printed).is_some_and(|report| report.passed == 1);
    Ok(Verdict {
        test: name.to_owned(),
        passed: output.status.success() && ran,
        time: stopwatch::readable(took),
        output: printed + &String::from_utf8_lossy(&output.stderr),
    })
}

/// What a test says about itself: `shuttle NAME: N schedules, ...`, or that it was a replay.
fn schedules(output: &str) -> Option<String> {
    let (_, claim) = output.lines().find_map(|line| line.split_once("shuttle ")?.1.split_once(": "))?;
    Some(claim.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read_from_what_the_test_prints() {
        let printed = "running 1 test\nseed=5eed\nshuttle a storm: 4000 schedules, half at random\ntest a ... ok\n";
        assert_eq!(schedules(printed), Some("4000 schedules, half at random".to_owned()));
    }

    #[test]
    fn a_silent_test_has_no_number() {
        assert_eq!(schedules("running 1 test\ntest shuttle ... ok\n"), None);
    }
}
