//! `cargo xtask mutants`: the tests of the lock must notice when the lock is changed.
//!
//! cargo-mutants changes one expression of the lock at a time and runs its tests. A change that no
//! test notices is a survivor: a hole in the tests, or a change that changes nothing. The latter
//! are listed by name with their reason; any other survivor fails the command.
//!
//! The mutants of what has unit tests, the core, the registry and the shim, meet those: first with short histories and then,
//! if they survive them, with all. The others, and what survives of these, meet the tests of the shell. What survives those
//! then meets the model checker, which alone can judge a race and alone compiles its half of the shim; it has nothing to say
//! of the core, which has no threads.

mod tool;
mod verdict;

use std::collections::BTreeSet;
use std::fs;

use self::tool::{Counts, Pass};
use crate::checkers::target_directory;
use crate::failure::{Failure, Outcome};
use crate::{cargo, stopwatch, table};

/// What has tests of its own beside it.
const UNIT_TESTED: [&str; 3] =
    ["crates/model-locks/src/core/", "crates/model-locks/src/registry/", "crates/model-locks/src/sync.rs"];
/// What no model of the checker is about.
const NOT_CHECKED: [&str; 1] = ["crates/model-locks/src/core/"];
const INSTALL: &str = "cargo install --locked cargo-mutants";

/// Judges the mutants of the whole crate, or of what has changed since the commit `base`, whose name contains
/// `filter`.
pub(crate) fn run(base: Option<&str>, filter: Option<&str>) -> Outcome {
    if !cargo::capture(&mut cargo::cargo("mutants --version"))?.status.success() {
        return Err(Failure::new(format!("cargo-mutants is not here: `{INSTALL}` (it takes some minutes)")));
    }
    let listed = verdict::listed()?;
    let folder = target_directory("mutants");
    fs::create_dir_all(&folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let diff = base.map(|base| tool::diff(base, &folder)).transpose()?;
    let mut all = tool::names(diff.as_deref())?;
    all.retain(|name| filter.is_none_or(|filter| name.contains(filter)));
    if all.is_empty() && (base.is_some() || filter.is_some()) {
        println!("nothing that could be changed is concerned");
        return Ok(());
    }

    let mut rows = vec![["judged by", "caught", "missed", "unviable", "timeout", "time"].map(str::to_owned).to_vec()];
    let mut judged = |pass: &Pass, among: BTreeSet<String>| {
        if among.is_empty() {
            return Ok(among);
        }
        let (counts, took) = stopwatch::timed(|| tool::judge(pass, &among, &folder));
        rows.push(row(pass, counts.as_ref().ok(), &stopwatch::readable(took)));
        counts.map(|counts| counts.missed)
    };
    let is_in = |places: &'static [&str]| move |name: &String| places.iter().any(|place| name.starts_with(place));
    let (unit_tested, mut rest) = all.into_iter().partition::<BTreeSet<_>, _>(is_in(&UNIT_TESTED));
    let long_lived = judged(&tool::SHORT, unit_tested)?;
    rest.extend(judged(&tool::UNIT, long_lived)?);
    let survivors = judged(&tool::SHELL, rest)?.into_iter();
    let (mut survivors, rest) = survivors.partition::<BTreeSet<_>, _>(is_in(&NOT_CHECKED));
    survivors.extend(judged(&tool::loom(), rest)?);
    print!("{}", table::columns(&rows));
    verdict::report(&verdict::verdict(&survivors, &listed, base.is_none() && filter.is_none()))
}

fn row(pass: &Pass, counts: Option<&Counts>, time: &str) -> Vec<String> {
    let number = |of: fn(&Counts) -> &BTreeSet<String>| counts.map_or("-".to_owned(), |c| of(c).len().to_string());
    let numbers = [number(|c| &c.caught), number(|c| &c.missed), number(|c| &c.unviable), number(|c| &c.timeout)];
    let [caught, missed, unviable, timeout] = numbers;
    vec![pass.name.to_owned(), caught, missed, unviable, timeout, time.to_owned()]
}
