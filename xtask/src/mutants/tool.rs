//! Asking cargo-mutants.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::cargo;
use crate::checkers::Checker;
use crate::failure::{Failure, Outcome};

/// One way of judging mutants.
pub(super) struct Pass {
    pub(super) name: &'static str,
    /// What is compiled and run.
    tests: &'static str,
    /// Optimised only where the tests are many: each mutant is compiled anew.
    profile: &'static str,
    flags: &'static str,
    variable: Option<(&'static str, &'static str)>,
}

/// Most mutants do not outlive short histories, which take a third of the time of the long ones, compiling included.
pub(super) const SHORT: Pass = Pass {
    name: "short histories",
    tests: "--lib",
    profile: "planted",
    flags: "",
    variable: Some(("MODEL_LOCKS_DEPTH", "-2")),
};
pub(super) const UNIT: Pass =
    Pass { name: "unit tests", tests: "--lib", profile: "mutants", flags: "", variable: None };
pub(super) const SHELL: Pass =
    Pass { name: "shell", tests: "--test=shell", profile: "planted", flags: "", variable: None };

/// With so many preemptions for each mutant. Complete exploration would take minutes a mutant, and two have found every
/// seeded race so far.
pub(super) fn loom() -> Pass {
    let variable = Some(("MODEL_LOCKS_PREEMPTIONS", "2"));
    Pass { name: "loom", tests: "--test=loom", profile: "planted", flags: Checker::Loom.flag(), variable }
}

/// The names of all mutants, or of those in what `diff` has changed.
pub(super) fn names(diff: Option<&Path>) -> Outcome<BTreeSet<String>> {
    let mut command = cargo::cargo("mutants --package model-locks --list --colors never");
    if let Some(diff) = diff {
        command.arg("--in-diff").arg(diff);
    }
    let output = cargo::capture(&mut command)?;
    if !output.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// How the mutants of one pass ended, by their names.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) caught: BTreeSet<String>,
    pub(super) missed: BTreeSet<String>,
    pub(super) unviable: BTreeSet<String>,
    pub(super) timeout: BTreeSet<String>,
}

impl Counts {
    fn add(&mut self, others: Self) {
        self.caught.extend(others.caught);
        self.missed.extend(others.missed);
        self.unviable.extend(others.unviable);
        self.timeout.extend(others.timeout);
    }
}

/// In seconds, how long the tests of one mutant may take, and again, for those that took longer: what else the machine does must
/// not pass for an endless loop. If the tests take more than a fifth of that unchanged, it is five times what they take.
const LIMITS: [u32; 2] = [20, 45];

/// Runs one pass over the mutants named.
pub(super) fn judge(pass: &Pass, among: &BTreeSet<String>, folder: &Path) -> Outcome<Counts> {
    let mut counts = judge_once(pass, LIMITS[0], among, folder)?;
    let late = std::mem::take(&mut counts.timeout);
    if !late.is_empty() {
        counts.add(judge_once(pass, LIMITS[1], &late, folder)?);
    }
    Ok(counts)
}

fn judge_once(pass: &Pass, limit: u32, among: &BTreeSet<String>, folder: &Path) -> Outcome<Counts> {
    let output = folder.join(pass.name);
    // What an earlier run has left would be read as the result of this one.
    if output.exists() {
        fs::remove_dir_all(&output).map_err(|error| Failure::new(format!("{}: {error}", output.display())))?;
    }
    fs::create_dir_all(&output).map_err(|error| Failure::new(format!("{}: {error}", output.display())))?;
    let mut command = command(pass, limit, among, &output);
    let status = command.status().map_err(|error| Failure::new(format!("cargo-mutants did not start: {error}")))?;
    match status.code() {
        // All caught; some missed; some timed out. The lists tell which.
        Some(0 | 2 | 3) => counts(&output.join("mutants.out"), among),
        _ => Err(Failure::child(status)),
    }
}

fn command(pass: &Pass, limit: u32, among: &BTreeSet<String>, output: &Path) -> Command {
    let mut command = cargo::cargo("mutants --package model-locks --no-shuffle --colors never");
    let jobs = thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
    command.arg(format!("--jobs={jobs}")).arg(format!("--minimum-test-timeout={limit}"));
    // Not `--cargo-test-arg`, which would compile all tests and run only these.
    command.arg(format!("--profile={}", pass.profile)).arg(format!("--cargo-arg={}", pass.tests));
    // Mutants that delete a field get past the expressions, so the files are named as well.
    let files = among.iter().filter_map(|name| Some(name.split_once(':')?.0)).collect::<BTreeSet<_>>();
    command.args(files.iter().map(|file| format!("--file={file}")));
    command.args(among.iter().map(|name| format!("--re=^{}$", escaped(name))));
    command.arg("--output").arg(output);
    // The mutants are compiled in a copy of the repository; a directory shared with it would mix the two up.
    command.env_remove("CARGO_TARGET_DIR");
    command.envs(pass.variable);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} {}", pass.flags).trim());
    command
}

/// The name as a regular expression that fits nothing else.
fn escaped(name: &str) -> String {
    let special = |c: char| r"\.+*?()|[]{}^$#&-~".contains(c);
    name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Reads the lists that cargo-mutants leaves behind, as far as they are about those named. If there was nothing to change,
/// there are none.
fn counts(folder: &Path, among: &BTreeSet<String>) -> Outcome<Counts> {
    let list = |name: &str| {
        let file = folder.join(name);
        let text = if file.exists() { read(&file)? } else { String::new() };
        Ok(text.lines().map(str::to_owned).filter(|name| among.contains(name)).collect())
    };
    Ok(Counts {
        caught: list("caught.txt")?,
        missed: list("missed.txt")?,
        unviable: list("unviable.txt")?,
        timeout: list("timeout.txt")?,
    })
}

/// Writes what has changed since `base` to a file.
pub(super) fn diff(base: &str, folder: &Path) -> Outcome<PathBuf> {
    let mut git = cargo::program_at_root("git".as_ref());
    let output = cargo::capture(git.args(["diff", "--no-color", base, "--", "crates/model-locks/src"]))?;
    if !output.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let file = folder.join("changes.diff");
    fs::write(&file, output.stdout).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    Ok(file)
}

fn read(file: &Path) -> Outcome<String> {
    fs::read_to_string(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_an_expression_that_means_itself() {
        assert_eq!(escaped("a.rs:1: replace f(x) -> &T with T[0]"), r"a\.rs:1: replace f\(x\) \-> \&T with T\[0\]");
    }
}
