//! `cargo xtask loom`: every schedule of small programs around the lock.
//!
//! Each test runs in a process of its own: loom ends the whole process when it finds a deadlock,
//! and the name of the test that found it must not be lost with its neighbours. They run side by
//! side, one a core.

use std::path::Path;
use std::process::Command;

use crate::checkers::Checker;
use crate::failure::{Failure, Outcome};
use crate::{cargo, libtest, parallel, stopwatch, table};

/// Builds the loom tests and runs those whose name contains `filter`.
pub(crate) fn run(complete: bool, filter: Option<&str>) -> Outcome {
    let program = Checker::Loom.build()?;
    let listed = cargo::capture(cargo::program_at_root(&program).arg("--list"))?;
    let mut names = libtest::listed(&String::from_utf8_lossy(&listed.stdout));
    names.retain(|name| filter.is_none_or(|filter| name.contains(filter)));
    if names.is_empty() {
        return Err(Failure::new("no loom test to run: an empty proof proves nothing"));
    }
    let verdicts = parallel::map(&names, |name| run_one(&program, name, complete));
    let verdicts = verdicts.into_iter().collect::<Outcome<Vec<_>>>()?;
    let mut rows = vec![["test", "executions", "time"].map(str::to_owned).to_vec()];
    rows.extend(verdicts.iter().map(Verdict::row));
    print!("{}", table::columns(&rows));
    let red = verdicts.iter().filter(|verdict| !verdict.passed).collect::<Vec<_>>();
    for verdict in &red {
        eprintln!("\n---- {} ----\n{}", verdict.test, verdict.output);
    }
    if red.is_empty() { Ok(()) } else { Err(Failure::new(format!("{} of {} failed", red.len(), names.len()))) }
}

/// How one test ended.
struct Verdict {
    test: String,
    passed: bool,
    seconds: String,
    output: String,
}

impl Verdict {
    fn row(&self) -> Vec<String> {
        let executions = match executions(&self.output) {
            _ if !self.passed => "FAILED".to_owned(),
            Some(lines) => lines,
            None => "-".to_owned(),
        };
        vec![self.test.clone(), executions, self.seconds.clone()]
    }
}

fn run_one(program: &Path, name: &str, complete: bool) -> Outcome<Verdict> {
    let mut command: Command = cargo::program_at_root(program);
    command.args([name, "--exact", "--nocapture"]);
    if complete {
        command.env("MODEL_LOCKS_COMPLETE", "1");
    }
    let (output, took) = stopwatch::timed(|| cargo::capture(&mut command));
    let output = output?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let ran = libtest::parse(&printed).is_some_and(|report| report.passed == 1);
    Ok(Verdict {
        test: name.to_owned(),
        passed: output.status.success() && ran,
        seconds: stopwatch::readable(took),
        output: printed + &String::from_utf8_lossy(&output.stderr),
    })
}

/// What a test says about itself, on a line of its own or behind libtest's: `loom NAME: N
/// executions, complete`, or `at most N preemptions`.
fn executions(output: &str) -> Option<String> {
    let counts = output.lines().filter_map(|line| {
        let (_, claim) = line.split_once("loom ")?;
        let (before, explored) = claim.split_once(" executions, ")?;
        let number = before.rsplit(' ').next()?.trim();
        number.parse::<u64>().ok()?;
        Some(format!("{number}, {}", explored.trim()))
    });
    Some(counts.collect::<Vec<_>>().join(" + ")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_what_the_test_prints() {
        let printed = "running 1 test\ntest cancel ... loom cancel: 512 executions, complete\nok\n";
        assert_eq!(executions(printed), Some("512, complete".to_owned()));
    }

    #[test]
    fn several_programs_in_one_test_are_all_shown() {
        let printed = "loom a: 5 executions, complete\nloom b: 7 executions, at most 3 preemptions\n";
        assert_eq!(executions(printed), Some("5, complete + 7, at most 3 preemptions".to_owned()));
    }

    #[test]
    fn a_silent_test_has_no_number() {
        assert_eq!(executions("running 1 test\n3 executions\n"), None);
    }
}
