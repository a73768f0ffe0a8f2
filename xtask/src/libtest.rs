//! Reading what a Rust test program prints.
//!
//! The summary is what counts: `test NAME ... ok` lines can be broken by output of the tests
//! themselves, so a run is believed only if its `test result:` line is there, and the names of
//! failed tests are taken from the list that libtest prints last.

use std::collections::BTreeSet;

/// How one run of a test program ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) passed: usize,
    pub(crate) failed: BTreeSet<String>,
}

/// Reads the standard output of a test program. `None`: it did not get to the end, or it
/// contradicts itself.
pub(crate) fn parse(output: &str) -> Option<Report> {
    let (before, summary) = output.rsplit_once("test result: ")?;
    let passed = counted(summary, "passed")?;
    let failed = failures(before);
    (failed.len() == counted(summary, "failed")?).then_some(Report { passed, failed })
}

/// The names of tests, from the output of `--list`.
pub(crate) fn listed(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// The number before `what` in `ok. 3 passed; 0 failed; ...`.
fn counted(summary: &str, what: &str) -> Option<usize> {
    let line = summary.lines().next()?;
    let number = line.split(what).next()?.trim_end().rsplit(' ').next()?;
    number.parse().ok()
}

/// The last `failures:` list: one indented name a line. (The list before it holds what those tests
/// printed.)
fn failures(output: &str) -> BTreeSet<String> {
    let Some((_, list)) = output.rsplit_once("\nfailures:\n") else {
        return BTreeSet::new();
    };
    list.lines().map_while(|line| line.strip_prefix("    ")).map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: &str = "
running 3 tests
test order ... test exclusion ... ok
printed by a test
FAILED
test order ... FAILED

failures:

---- order stdout ----
thread 'order' panicked: test result: nonsense

---- locks::bound stdout ----
failures:
    not_a_test

failures:
    locks::bound
    order

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    #[test]
    fn failed_tests_are_those_of_the_last_list() {
        let failed = ["locks::bound", "order"].map(str::to_owned).into();
        assert_eq!(parse(RED), Some(Report { passed: 1, failed }));
    }

    #[test]
    fn a_green_run_has_no_failures() {
        let green = "test a ... ok\n\ntest result: ok. 12 passed; 0 failed; 0 ignored\n";
        assert_eq!(parse(green), Some(Report { passed: 12, failed: BTreeSet::new() }));
    }

    #[test]
    fn a_run_that_was_cut_off_is_no_report() {
        let (cut, _) = RED.rsplit_once("test result").unwrap();
        assert_eq!(parse(cut), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_summary_that_contradicts_the_list_is_no_report() {
        assert_eq!(parse(&RED.replace("2 failed", "3 failed")), None);
    }

    #[test]
    fn the_list_of_tests_holds_tests_only() {
        assert_eq!(listed("a::b: test\nc: benchmark\n\n1 test, 1 benchmark\n"), ["a::b"]);
    }
}
