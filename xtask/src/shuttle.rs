//! `cargo xtask shuttle`: many threads and long histories around the lock, under a random
//! scheduler.
//!
//! Each test runs in a process of its own, so that what it prints belongs to it: above all the
//! schedule that has failed.

use crate::failure::{Failure, Outcome};
use crate::{cargo, libtest, loom, stopwatch, table};

/// Builds the shuttle tests and runs those whose name contains `filter`; `iterations` are the
/// schedules for each of a test's schedulers.
pub(crate) fn run(iterations: Option<u64>, filter: Option<&str>) -> Outcome {
    let program = build()?;
    let listed = cargo::capture(cargo::program_at_root(&program).arg("--list"))?;
    let mut names = libtest::listed(&String::from_utf8_lossy(&listed.stdout));
    names.retain(|name| filter.is_none_or(|filter| name.contains(filter)));
    if names.is_empty() {
        return Err(Failure::new("no shuttle test to run: an empty search finds nothing"));
    }
    let mut rows = vec![["test", "schedules", "time"].map(str::to_owned).to_vec()];
    let mut red = 0;
    for name in &names {
        let mut command = cargo::program_at_root(&program);
        command.args([name, "--exact", "--nocapture"]);
        if let Some(iterations) = iterations {
            command.env("MODEL_LOCKS_ITERATIONS", iterations.to_string());
        }
        let (output, took) = stopwatch::timed(|| cargo::capture(&mut command));
        let output = output?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let passed = output.status.success() && libtest::parse(&printed).is_some_and(|report| report.passed == 1);
        if !passed {
            red += 1;
            eprintln!("\n---- {name} ----\n{printed}{}", String::from_utf8_lossy(&output.stderr));
            eprintln!("replay: MODEL_LOCKS_SCHEDULE=<the schedule above> cargo xtask shuttle -- {name}");
        }
        let schedules = if passed { schedules(&printed) } else { Some("FAILED".to_owned()) };
        rows.push(vec![name.clone(), schedules.unwrap_or_else(|| "-".to_owned()), stopwatch::readable(took)]);
    }
    print!("{}", table::columns(&rows));
    if red == 0 { Ok(()) } else { Err(Failure::new(format!("{red} of {} failed", names.len()))) }
}

/// In a target directory of its own, as for loom.
fn build() -> Outcome<std::path::PathBuf> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = cargo::cargo("test -p model-locks --release --test shuttle --no-run");
    command.env("RUSTFLAGS", format!("{flags} --cfg model_locks_shuttle").trim());
    command.env("CARGO_TARGET_DIR", loom::target_directory().with_file_name("shuttle"));
    cargo::build(&mut command, "shuttle")
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
