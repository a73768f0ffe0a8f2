//! `cargo xtask shuttle`: many threads and long histories around the lock, under a random
//! scheduler.
//!
//! Each test runs in a process of its own, so that what it prints belongs to it: above all the
//! schedule that has failed.

use crate::checked::Run;
use crate::checkers::Checker;
use crate::failure::Outcome;

/// Builds the shuttle tests and runs those whose name contains `filter`; `iterations` are the
/// schedules for each of a test's schedulers.
pub(crate) fn run(iterations: Option<u64>, filter: Option<&str>) -> Outcome {
    let setting = iterations.map(|iterations| ("MODEL_LOCKS_ITERATIONS", iterations.to_string()));
    let replay = |test: &str| Some(format!("MODEL_LOCKS_SCHEDULE=<the schedule above> cargo xtask shuttle -- {test}"));
    Run { checker: Checker::Shuttle, setting, counted: "schedules", claim: schedules, replay }.all(filter)
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
