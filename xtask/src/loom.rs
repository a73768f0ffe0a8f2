//! `cargo xtask loom`: every schedule of small programs around the lock.
//!
//! Each test runs in a process of its own: loom ends the whole process when it finds a deadlock,
//! and the name of the test that found it must not be lost with its neighbours. They run side by
//! side, one a core.

use crate::checked::Run;
use crate::checkers::Checker;
use crate::failure::Outcome;

/// Builds the loom tests and runs those whose name contains `filter`.
pub(crate) fn run(complete: bool, filter: Option<&str>) -> Outcome {
    let setting = complete.then(|| ("MODEL_LOCKS_COMPLETE", "1".to_owned()));
    Run { checker: Checker::Loom, setting, counted: "executions", claim: executions, replay: |_| None }.all(filter)
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
