//! `cargo xtask planted`: bugs that other locks had, planted in this one; its tests must find them.
//!
//! Each bug of `planted.toml` is put into a copy of the lock, one at a time, and the tests that it names
//! are run, each in a process of its own. All of them must fail. Without a bug they must pass, and a bug
//! whose place in the source is gone is an error, so that the list cannot grow stale unnoticed.

mod copy;
mod list;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::copy::Copy;
use self::list::{Bug, Layer, Test};
use crate::failure::{Failure, Outcome};
use crate::limited::{self, Ended};
use crate::{cargo, libtest, parallel, stopwatch, table};

const LIST: &str = "crates/model-locks/planted.toml";

/// After this a test is stuck. The slowest takes seconds.
const LIMIT: Duration = Duration::from_secs(180);

/// The same for a bug that is known to make its tests hang, so that little time is spent on waiting. They take
/// a fraction of a second when they do not.
const HANG: Duration = Duration::from_secs(10);

/// What would let a test play something else than its name says.
const VARIABLES: [&str; 5] = [
    "MODEL_LOCKS_SEED",
    "MODEL_LOCKS_SCHEDULE",
    "MODEL_LOCKS_COMPLETE",
    "MODEL_LOCKS_PREEMPTIONS",
    "MODEL_LOCKS_DEPTH",
];

/// How many schedules each of shuttle's schedulers plays. Fewer than usual: all must be played without a bug.
const SCHEDULES: &str = "2000";

/// Plants the bugs whose name contains `filter`, one after the other.
pub(crate) fn run(filter: Option<&str>) -> Outcome {
    let mut bugs = listed()?;
    bugs.retain(|bug| filter.is_none_or(|filter| bug.name.contains(filter)));
    if bugs.is_empty() {
        return Err(Failure::new("no bug to plant: an empty search finds nothing"));
    }
    let copy = Copy::make()?;
    let stale = bugs.iter().filter_map(|bug| copy.check(bug).err()).collect::<Vec<_>>();
    if !stale.is_empty() {
        return Err(Failure::new(format!("{}\n{} to be written anew in {LIST}", stale.join("\n"), stale.len())));
    }
    unplanted(&copy, &bugs)?;

    let mut rows = vec![["bug, and who finds it", "how", "time"].map(str::to_owned).to_vec()];
    let mut escaped = Vec::new();
    for bug in &bugs {
        eprintln!("planted: {}", bug.name);
        let verdicts = copy.with(bug, || hunt(&copy, bug))?;
        let wrong =
            verdicts.iter().filter_map(|Verdict { who, found, .. }| Some(format!("{who}: {}", found.as_ref().err()?)));
        let wrong = wrong.map(|why| format!("{}: {why}", bug.name)).collect::<Vec<_>>();
        if !wrong.is_empty() {
            escaped.push(wrong.join("\n"));
        }
        rows.push(vec![bug.name.clone()]);
        rows.extend(verdicts.iter().map(Verdict::row));
    }
    print!("{}", table::columns(&rows));
    println!("{} bugs, {} found as the list says", bugs.len(), bugs.len() - escaped.len());
    if escaped.is_empty() { Ok(()) } else { Err(Failure::new(escaped.join("\n"))) }
}

fn listed() -> Outcome<Vec<Bug>> {
    let file = cargo::root().join(LIST);
    let text = std::fs::read_to_string(file).map_err(|error| Failure::new(format!("{LIST}: {error}")))?;
    list::parse(&text).map_err(|why| Failure::new(format!("{LIST}: {why}")))
}

/// Without a bug: every test that is named is there and passes.
fn unplanted(copy: &Copy, bugs: &[Bug]) -> Outcome {
    eprintln!("planted: nothing yet");
    let mut tests = bugs.iter().flat_map(|bug| &bug.tests).collect::<Vec<_>>();
    tests.sort();
    tests.dedup();
    let layers = Layer::ALL.into_iter().filter(|layer| tests.iter().any(|test| test.layer == *layer));
    let layers = layers.collect::<Vec<_>>();
    let programs = parallel::map(&layers, |layer| copy.build(*layer)).into_iter().collect::<Outcome<Vec<_>>>()?;
    let programs = layers.into_iter().zip(programs).collect::<BTreeMap<_, _>>();
    let verdicts = parallel::map(&tests, |test| run_one(&programs[&test.layer], &test.name, LIMIT));
    for (test, ended) in tests.iter().zip(verdicts) {
        let ended = ended?;
        if !passed(&ended, 1) {
            let said = format!("{}{}", ended.stdout, ended.stderr);
            return Err(Failure::new(format!("{said}\n{test}: nothing is planted, and it does not pass")));
        }
    }
    Ok(())
}

/// What one test, or a whole layer of them, had to say about a bug.
#[derive(Clone)]
struct Verdict {
    who: String,
    found: Result<&'static str, String>,
    time: String,
}

impl Verdict {
    fn row(&self) -> Vec<String> {
        let found = self.found.as_ref().map_or("NOT AS LISTED", |how| how);
        vec![format!("  {}", self.who), found.to_owned(), self.time.clone()]
    }
}

/// Runs the tests that must find the planted bug, and the layers that must not, one layer a core.
fn hunt(copy: &Copy, bug: &Bug) -> Outcome<Vec<Verdict>> {
    let is_concerned =
        |layer: &Layer| bug.missed_by.contains(layer) || bug.tests.iter().any(|test| test.layer == *layer);
    let layers = Layer::ALL.into_iter().filter(is_concerned).collect::<Vec<_>>();
    let verdicts = parallel::map(&layers, |layer| hunt_in(*layer, copy, bug));
    Ok(verdicts.into_iter().collect::<Outcome<Vec<_>>>()?.concat())
}

fn hunt_in(layer: Layer, copy: &Copy, bug: &Bug) -> Outcome<Vec<Verdict>> {
    let program = build(copy, layer, bug)?;
    let limit = if bug.hangs { HANG } else { LIMIT };
    let tests = bug.tests.iter().filter(|test| test.layer == layer);
    let found = tests
        .map(|test| verdict(test.to_string(), || Ok(judge(test, bug.hangs, &run_one(&program, &test.name, limit)?))));
    let mut verdicts = found.collect::<Outcome<Vec<_>>>()?;
    if bug.missed_by.contains(&layer) {
        verdicts.push(verdict(format!("{} as a whole", layer.name()), || {
            Ok(judge_blind(&limited::capture(&mut command(&program), LIMIT)?))
        })?);
    }
    Ok(verdicts)
}

/// A bug is a change that compiles. One that does not would turn every test red.
fn build(copy: &Copy, layer: Layer, bug: &Bug) -> Outcome<PathBuf> {
    copy.build(layer).map_err(|_| Failure::new(format!("{}: stale: it does not compile (see above)", bug.name)))
}

fn verdict(who: String, judged: impl FnOnce() -> Outcome<Result<&'static str, String>>) -> Outcome<Verdict> {
    let (found, took) = stopwatch::timed(judged);
    Ok(Verdict { who, found: found?, time: stopwatch::readable(took) })
}

fn command(program: &Path) -> std::process::Command {
    let mut command = cargo::program_at_root(program);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command.env("MODEL_LOCKS_ITERATIONS", SCHEDULES);
    command
}

fn run_one(program: &Path, test: &str, limit: Duration) -> Outcome<Ended> {
    limited::capture(command(program).args([test, "--exact", "--nocapture"]), limit)
}

/// Whether at least `most` tests ran, and all that ran passed.
fn passed(ended: &Ended, least: usize) -> bool {
    let report = libtest::parse(&ended.stdout);
    let is_green = report.is_some_and(|report| report.passed >= least && report.failed.is_empty());
    is_green && ended.status.is_some_and(|status| status.success())
}

/// How a test has noticed, or why it has not.
fn judge(test: &Test, hangs: bool, ended: &Ended) -> Result<&'static str, String> {
    let Some(status) = ended.status else {
        let why = "it does not end, and `hangs = true` does not stand there";
        return if hangs { Ok("hangs") } else { Err(why.to_owned()) };
    };
    let has_failed = |report: &libtest::Report| report.failed.contains(&test.name);
    match libtest::parse(&ended.stdout) {
        Some(report) if has_failed(&report) && !status.success() => Ok("fails"),
        Some(_) => Err("it passes".to_owned()),
        // The way out of a checker that finds a deadlock, and of a panic within another.
        None if ended.stdout.contains("running 1 test") && !status.success() => Ok("aborts"),
        None => Err(format!("it does not get to its end: {status}")),
    }
}

/// Whether a layer has noticed nothing.
fn judge_blind(ended: &Ended) -> Result<&'static str, String> {
    let failed = libtest::parse(&ended.stdout).map(|report| report.failed).unwrap_or_default();
    let failed = failed.into_iter().collect::<Vec<_>>();
    if passed(ended, 1) { Ok("notices nothing") } else { Err(format!("it notices: {}", failed.join(", "))) }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    const GREEN: &str = "\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
    const RED: &str = "\nfailures:\n    leaving::cancel\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored\n";

    fn ended(wait_status: Option<i32>, stdout: &str) -> Ended {
        Ended { status: wait_status.map(ExitStatus::from_raw), stdout: stdout.to_owned(), stderr: String::new() }
    }

    fn judged(layer: Layer, hangs: bool, ended: &Ended) -> Result<&'static str, String> {
        judge(&Test { layer, name: "leaving::cancel".to_owned() }, hangs, ended)
    }

    #[test]
    fn a_bug_is_found_by_the_test_that_fails() {
        assert_eq!(judged(Layer::Shell, false, &ended(Some(101 << 8), RED)), Ok("fails"));
        assert!(judged(Layer::Shell, false, &ended(Some(0), GREEN)).is_err());
        assert!(judged(Layer::Shell, false, &ended(Some(101 << 8), &RED.replace("cancel", "other"))).is_err());
    }

    #[test]
    fn a_test_that_takes_the_process_with_it_has_found_the_bug() {
        assert_eq!(judged(Layer::Loom, false, &ended(Some(6), "running 1 test\n")), Ok("aborts"));
        assert!(judged(Layer::Loom, false, &ended(Some(6), "")).is_err(), "it did not even begin");
    }

    #[test]
    fn a_test_that_hangs_has_found_the_bug_only_if_the_list_says_so() {
        assert_eq!(judged(Layer::Shell, true, &ended(None, "")), Ok("hangs"));
        assert!(judged(Layer::Shell, false, &ended(None, "")).is_err());
    }

    #[test]
    fn a_layer_is_blind_if_all_of_it_passes() {
        assert!(judge_blind(&ended(Some(0), GREEN)).is_ok());
        assert!(judge_blind(&ended(Some(101 << 8), RED)).unwrap_err().contains("leaving::cancel"));
        assert!(judge_blind(&ended(Some(0), &GREEN.replace("1 passed", "0 passed"))).is_err());
    }
}
