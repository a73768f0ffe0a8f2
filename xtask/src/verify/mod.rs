//! `cargo xtask verify`: every proof there is, in one run and one report.
//!
//! Each step is a command that can be given by hand. Its output goes to a file, out of which is read which tests passed. A
//! promise is held when every one of its proofs was seen to pass in this run; a proof that nobody ran is not a proof.

mod promises;
mod report;
mod seen;
mod steps;

use std::fs::{self, File};
use std::path::Path;

use crate::checkers::target_directory;
use crate::failure::{Failure, Outcome};
use crate::{cargo, setup, stopwatch, table};
use promises::Judged;
use seen::Seen;
use steps::{STEPS, Step};

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// Every kind of proof in its short form, where it has one.
    Quick,
    Usual,
    /// Also what takes hours.
    Complete,
}

/// How a step ended.
struct Ran {
    step: &'static Step,
    ending: Ending,
    time: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Passed,
    Failed,
    /// With the reason.
    Skipped(&'static str),
}

/// Runs every step, whatever became of the ones before, and writes `report.md` and `report.json`; with `readme` also the
/// verdicts and README's tables, but only if no step failed: a simulator that objects names no test, and the promise that it
/// objects to may be one whose tests all passed.
pub(crate) fn run(install: bool, extent: Extent, readme: bool) -> Outcome {
    setup::check(install)?;
    let promises = promises::read()?;
    let folder = target_directory("verify");
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    fs::create_dir_all(&folder).map_err(failed)?;
    let mut seen = Seen::default();
    let mut all = Vec::new();
    for step in STEPS {
        let ran = one(step, extent, &folder, &mut seen)?;
        eprintln!("{:10}  {}  {}", step.name, ran.ending.describe(), ran.time);
        all.push(ran);
    }
    let judged = promises.into_iter().map(|promise| promises::judge(promise, &seen)).collect::<Vec<_>>();
    fs::write(folder.join("report.md"), report::markdown(&all, &judged)).map_err(failed)?;
    fs::write(folder.join("report.json"), report::json(&all, &judged)).map_err(failed)?;
    print!("{}", table::columns(&rows(&all)));
    println!("{}", promises::summary(&judged));
    println!("wrote {}", folder.join("report.md").display());
    conclude(&all, &judged)?;
    if readme { promises::write(&judged) } else { Ok(()) }
}

fn one(step: &'static Step, extent: Extent, folder: &Path, seen: &mut Seen) -> Outcome<Ran> {
    let skipped = |why| Ok(Ran { step, ending: Ending::Skipped(why), time: String::new() });
    if extent < step.from {
        return skipped("not at this extent");
    }
    if step.name == "mutants" && !cargo::capture(&mut cargo::cargo("mutants --version"))?.status.success() {
        return skipped("cargo-mutants is not here");
    }
    eprintln!("\n==> {}: {}", step.name, step.settles);
    let log = folder.join(format!("{}.log", step.name));
    let (status, took) = stopwatch::timed(|| run_into(step, extent, &log));
    let text = fs::read(&log).unwrap_or_default();
    seen.read(step.name, &String::from_utf8_lossy(&text));
    let ending = if status? { Ending::Passed } else { Ending::Failed };
    Ok(Ran { step, ending, time: stopwatch::readable(took) })
}

/// Runs the step with both its outputs in one file, so that their lines keep their order.
fn run_into(step: &Step, extent: Extent, log: &Path) -> Outcome<bool> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", log.display()));
    let file = File::create(log).map_err(failed)?;
    let mut command = step.command(extent)?;
    command.stdout(file.try_clone().map_err(failed)?).stderr(file);
    let status = command.status().map_err(|error| Failure::new(format!("{}: {error}", step.name)))?;
    Ok(status.success())
}

fn rows(all: &[Ran]) -> Vec<Vec<String>> {
    let heading = ["step", "verdict", "time", "settles"].map(str::to_owned).to_vec();
    let row = |ran: &Ran| {
        vec![ran.step.name.to_owned(), ran.ending.describe(), ran.time.clone(), ran.step.settles.to_owned()]
    };
    std::iter::once(heading).chain(all.iter().map(row)).collect()
}

fn conclude(all: &[Ran], judged: &[Judged]) -> Outcome {
    let steps = all.iter().filter(|ran| ran.ending == Ending::Failed).map(|ran| ran.step.name.to_owned());
    let promises = judged.iter().filter(|judged| judged.is_broken()).map(|judged| judged.promise.id.clone());
    let bad = steps.chain(promises).collect::<Vec<_>>();
    if bad.is_empty() { Ok(()) } else { Err(Failure::new(format!("failed: {}", bad.join(", ")))) }
}

impl Ending {
    fn describe(&self) -> String {
        match self {
            Self::Passed => "passed".to_owned(),
            Self::Failed => "FAILED".to_owned(),
            Self::Skipped(why) => format!("skipped: {why}"),
        }
    }
}
