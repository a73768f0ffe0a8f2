//! `cargo xtask mutants`: the tests of the lock must notice when the lock is changed.
//!
//! cargo-mutants changes one expression of the lock at a time and runs its tests. A change that no
//! test notices is a survivor: a hole in the tests, or a change that changes nothing. The latter
//! are listed by name with their reason; any other survivor fails the command.
//!
//! First each mutant meets the unit tests and the tests of the shell. What survives in the shell
//! then meets the model checker, which alone can judge a race and alone compiles its half of the
//! shim. The core has no threads, and is not taken there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::{cargo, stopwatch, table};

/// The survivors that are no hole.
const EQUIVALENT: &str = "crates/model-locks/mutants-equivalent.txt";
const CORE: &str = "crates/model-locks/src/core/";
const INSTALL: &str = "cargo install --locked cargo-mutants";

/// One way of judging mutants.
struct Pass {
    name: &'static str,
    /// What is compiled and run.
    tests: &'static [&'static str],
    flags: &'static str,
}

const PASSES: [Pass; 2] = [
    Pass { name: "tests", tests: &["--lib", "--test=shell"], flags: "" },
    Pass { name: "loom", tests: &["--test=loom"], flags: "--cfg model_locks_loom" },
];

/// Judges the mutants of the whole crate, or of what has changed since the commit `base`.
pub(crate) fn run(base: Option<&str>) -> Outcome {
    if !cargo::capture(&mut cargo::cargo("mutants --version"))?.status.success() {
        return Err(Failure::new(format!("cargo-mutants is not here: `{INSTALL}` (it takes some minutes)")));
    }
    let listed = read(&cargo::root().join(EQUIVALENT))?;
    let listed = equivalents(&listed).map_err(|why| Failure::new(format!("{EQUIVALENT}: {why}")))?;
    let folder = crate::loom::target_directory().with_file_name("mutants");
    fs::create_dir_all(&folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let diff = base.map(|base| diff(base, &folder)).transpose()?;

    let mut rows = vec![["judged by", "caught", "missed", "unviable", "timeout", "time"].map(str::to_owned).to_vec()];
    let mut judged = |pass: &Pass, among: &[&str]| {
        let (counts, took) = stopwatch::timed(|| judge(pass, among, diff.as_deref(), &folder));
        rows.push(row(pass, counts.as_ref().ok(), &stopwatch::readable(took)));
        counts
    };
    let [tests, loom] = &PASSES;
    let mut survivors = judged(tests, &[])?.missed;
    let shell = survivors.iter().filter(|name| !name.starts_with(CORE)).map(String::as_str).collect::<Vec<_>>();
    if !shell.is_empty() {
        let missed = judged(loom, &shell)?.missed;
        survivors.retain(|name| name.starts_with(CORE) || missed.contains(name));
    }
    print!("{}", table::columns(&rows));
    report(&verdict(&survivors, &listed, base.is_none()))
}

/// How the mutants of one pass ended, by their names.
#[derive(Debug, Default)]
struct Counts {
    caught: BTreeSet<String>,
    missed: BTreeSet<String>,
    unviable: BTreeSet<String>,
    timeout: BTreeSet<String>,
}

fn row(pass: &Pass, counts: Option<&Counts>, time: &str) -> Vec<String> {
    let number = |of: fn(&Counts) -> &BTreeSet<String>| counts.map_or("-".to_owned(), |c| of(c).len().to_string());
    let numbers = [number(|c| &c.caught), number(|c| &c.missed), number(|c| &c.unviable), number(|c| &c.timeout)];
    let [caught, missed, unviable, timeout] = numbers;
    vec![pass.name.to_owned(), caught, missed, unviable, timeout, time.to_owned()]
}

/// Runs one pass over the mutants named in `among`, or over all if that is empty.
fn judge(pass: &Pass, among: &[&str], diff: Option<&Path>, folder: &Path) -> Outcome<Counts> {
    let output = folder.join(pass.name);
    // What an earlier run has left would be read as the result of this one.
    if output.exists() {
        fs::remove_dir_all(&output).map_err(|error| Failure::new(format!("{}: {error}", output.display())))?;
    }
    fs::create_dir_all(&output).map_err(|error| Failure::new(format!("{}: {error}", output.display())))?;
    let mut command = command(pass, among, diff, &output);
    let status = command.status().map_err(|error| Failure::new(format!("cargo-mutants did not start: {error}")))?;
    match status.code() {
        // All caught; some missed; some timed out. The lists tell which.
        Some(0 | 2 | 3) => counts(&output.join("mutants.out")),
        _ => Err(Failure::child(status)),
    }
}

fn command(pass: &Pass, among: &[&str], diff: Option<&Path>, output: &Path) -> Command {
    let mut command = cargo::cargo("mutants --package model-locks --profile mutants --no-shuffle --colors never");
    command.args(pass.tests.iter().map(|test| format!("--cargo-test-arg={test}")));
    command.args(among.iter().map(|name| format!("--re=^{}$", escaped(name))));
    if let Some(diff) = diff {
        command.arg("--in-diff").arg(diff);
    }
    command.arg("--output").arg(output);
    // The mutants are compiled in a copy of the repository; a directory shared with it would mix the two up.
    command.env_remove("CARGO_TARGET_DIR");
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} {}", pass.flags).trim());
    command
}

/// The name as a regular expression that fits nothing else.
fn escaped(name: &str) -> String {
    let special = |c: char| r"\.+*?()|[]{}^$#&-~".contains(c);
    name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Reads the lists that cargo-mutants leaves behind. If there was nothing to change, there are none.
fn counts(folder: &Path) -> Outcome<Counts> {
    let list = |name: &str| {
        let file = folder.join(name);
        let text = if file.exists() { read(&file)? } else { String::new() };
        Ok(text.lines().map(str::to_owned).collect())
    };
    Ok(Counts {
        caught: list("caught.txt")?,
        missed: list("missed.txt")?,
        unviable: list("unviable.txt")?,
        timeout: list("timeout.txt")?,
    })
}

/// Writes what has changed since `base` to a file.
fn diff(base: &str, folder: &Path) -> Outcome<PathBuf> {
    let mut git = cargo::program_at_root("git".as_ref());
    let output = cargo::capture(git.args(["diff", "--no-color", base, "--", "crates/model-locks/src"]))?;
    if !output.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let file = folder.join("changes.diff");
    fs::write(&file, output.stdout).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    Ok(file)
}

/// The names in the list, each with its reason: a name begins a line, its reason follows, indented.
fn equivalents(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut listed = BTreeMap::<String, String>::new();
    let mut last = None;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if !line.starts_with(' ') {
            last = Some(line.trim().to_owned());
            listed.insert(line.trim().to_owned(), String::new());
        } else if let Some(reason) = last.as_ref().and_then(|name| listed.get_mut(name)) {
            reason.push_str(line.trim());
            reason.push(' ');
        }
    }
    match listed.iter().find(|(_, reason)| reason.is_empty()) {
        None => Ok(listed),
        Some((name, _)) => Err(format!("no reason stands under `{name}`")),
    }
}

/// `FILE:LINE:COLUMN: CHANGE` as `FILE: CHANGE`, which survives the next edit above it.
fn without_position(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(file), Some(_), Some(_), Some(change)] => format!("{file}:{change}"),
        _ => name.to_owned(),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// Survivors without a reason.
    holes: Vec<String>,
    /// Reasons without a survivor.
    stale: Vec<String>,
}

/// `whole`: every mutant was judged, so one that is listed and did not survive is gone or caught.
fn verdict(survivors: &BTreeSet<String>, listed: &BTreeMap<String, String>, whole: bool) -> Verdict {
    let is_listed = |name: &&String| listed.contains_key(&without_position(name));
    let holes = survivors.iter().filter(|name| !is_listed(name)).cloned().collect();
    let survived = survivors.iter().map(|name| without_position(name)).collect::<BTreeSet<_>>();
    let stale = listed.keys().filter(|name| whole && !survived.contains(*name)).cloned().collect();
    Verdict { holes, stale }
}

fn report(verdict: &Verdict) -> Outcome {
    for name in &verdict.holes {
        eprintln!("survived: {name}");
    }
    for name in &verdict.stale {
        eprintln!("listed in {EQUIVALENT}, but it did not survive: {name}");
    }
    match (verdict.holes.len(), verdict.stale.len()) {
        (0, 0) => Ok(()),
        (0, stale) => Err(Failure::new(format!("{stale} to be taken off the list"))),
        (holes, _) => Err(Failure::new(format!(
            "{holes} survived: write the test that notices, or list the name with the reason why none can"
        ))),
    }
}

fn read(file: &Path) -> Outcome<String> {
    fs::read_to_string(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "crates/model-locks/src/core/select.rs:47:36: replace >= with < in Bypass::is_due";
    const LISTED: &str = "crates/model-locks/src/core/select.rs: replace >= with < in Bypass::is_due";

    fn survivors(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_is_known_again_when_its_line_has_moved() {
        assert_eq!(without_position(NAME), LISTED);
        assert_eq!(
            without_position("a.rs:1:2: replace x -> Y::Z with Y::new()"),
            "a.rs: replace x -> Y::Z with Y::new()"
        );
    }

    #[test]
    fn a_listed_name_has_its_reason_below() {
        let listed = equivalents(&format!("# about\n\n{LISTED}\n    Because it is\n    the same.\n"));
        assert_eq!(listed, Ok([(LISTED.to_owned(), "Because it is the same. ".to_owned())].into()));
        assert!(equivalents(&format!("{LISTED}\n\nanother\n    Because.\n")).is_err(), "no reason");
    }

    #[test]
    fn a_survivor_is_a_hole_unless_it_is_listed() {
        let listed = [(LISTED.to_owned(), "Because.".to_owned())].into();
        assert_eq!(verdict(&survivors(&[NAME]), &listed, true), Verdict { holes: vec![], stale: vec![] });
        let hole = verdict(&survivors(&[NAME, "a.rs:1:2: b"]), &listed, true);
        assert_eq!(hole, Verdict { holes: vec!["a.rs:1:2: b".to_owned()], stale: vec![] });
    }

    #[test]
    fn a_reason_without_a_survivor_is_stale_when_all_were_judged() {
        let listed = [(LISTED.to_owned(), "Because.".to_owned())].into();
        assert_eq!(verdict(&survivors(&[]), &listed, true).stale, [LISTED]);
        assert_eq!(verdict(&survivors(&[]), &listed, false).stale, Vec::<String>::new());
    }

    #[test]
    fn a_name_becomes_an_expression_that_means_itself() {
        assert_eq!(escaped("a.rs:1: replace f(x) -> &T with T[0]"), r"a\.rs:1: replace f\(x\) \-> \&T with T\[0\]");
    }

    #[test]
    fn the_list_in_the_repository_can_be_read() {
        assert!(equivalents(&read(&cargo::root().join(EQUIVALENT)).unwrap()).is_ok());
    }
}
